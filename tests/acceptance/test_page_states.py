"""The first screen in each state, language, light and width: as a browser draws it, judged by axe; nothing sticks out."""

import math
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from msgspec.structs import replace
from playwright.async_api import Browser, Page

from gateway.admin.access.tokens import Person
from gateway.admin.state.shown import Status
from gateway.admin.state.trend import Sample
from gateway.page.chart import Charts, charts
from gateway.page.look import Look
from gateway.page.verdict import verdict
from gateway.page.words import Language
from gateway.page.writing import FILES, written
from tests.acceptance.browser import PICTURES, faults, open_browser
from tests.unit.statuses import DOWN, FULL, NOW, OWED, RECOVERING, SOFT, SPOOL, UP, standing

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

NOW_US: Final = int(datetime.fromisoformat(NOW).timestamp()) * 1_000_000

STATES: Final[dict[str, tuple[Status, str]]] = {
    "healthy": (standing(UP), "closed"),
    "soft": (standing(SOFT), "soft"),
    "open": (standing(DOWN, returns=(OWED,), proposals=1), "open"),
    "recovering": (standing(RECOVERING), "closed"),
    "full": (standing(FULL), "open"),
    "disk": (standing(DOWN, spool=replace(SPOOL, accepting=False, trouble="less than 64 MiB free")), "open"),
    "empty": (standing(UP, conservation=()), ""),
    "restarted": (standing(UP), "closed"),
    "several": (standing(UP, replace(DOWN, name="mobile"), replace(SOFT, name="television")), "open"),
}


def past(zone: str) -> list[Sample]:
    """Two hours of payments, of which the last half hour was in a zone."""
    samples = list[Sample]()
    taken = finished = 0
    for index in range(480 if zone else 0):
        away = zone == "open" and index >= 360
        taken += 90 + round(40 * math.sin(index / 60)) + index % 4
        finished = finished if away else taken
        samples.append(
            Sample(
                at_us=NOW_US - (480 - index) * 15_000_000,
                zone=zone if index >= 360 else "closed",
                waiting=taken - finished,
                taken=taken,
                finished=finished,
                attempts=finished,
                attempts_s=0.04 * finished + 0.3 * (index % 5),
            )
        )
    return samples


def drawn(state: str, zone: str) -> Charts | None:
    """The charts of a state; of one, without the half hour in which the service was down for an upgrade."""
    samples = past(zone)
    if state == "restarted":
        samples[200:320] = []
        samples[200] = replace(samples[200], anew=True)
    return charts(samples)


def screen(state: str, language: Language, folder: Path) -> Path:
    """The first screen as a file, with what it loads beside it."""
    status, zone = STATES[state]
    look = Look(language, ZoneInfo("Europe/Moscow"), NOW_US)
    fields: dict[str, Any] = {
        "look": look,
        "t": look.t,
        "person": Person(name="anna", role="operator"),
        "can": {"act": True},
        "csrf": "",
        "said": None,
        "path": "/page/",
        "node": status.node,
        "status": status,
        "verdict": verdict(status),
        "charts": {route.name: drawn(state, zone) for route in status.routes},
    }
    for address, file in FILES.items():
        place = folder / address.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.body)
    shown = folder / "screen.html"
    shown.write_text(written("now.html", fields).replace('"/page/static/', '"page/static/'), encoding="utf-8")
    return shown


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all."""
    async with open_browser() as opened:
        yield opened


SIZES: Final = (
    "() => [document.documentElement.scrollWidth, document.querySelector('.figures').getBoundingClientRect().bottom]"
)


@pytest.mark.parametrize("state", STATES)
async def test_the_first_screen_is_fit_for_everyone(browser: Browser, tmp_path: Path, state: str) -> None:
    """By night on a desk in English, by day on a phone in Russian: WCAG 2.2 AA, and all it has to answer in the first window."""
    page = await browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="dark", reduced_motion="reduce")
    await page.goto(screen(state, "en", tmp_path).as_uri())
    await shot(page, f"{state}.dark")
    by_night, (width, bottom) = await faults(page), await page.evaluate(SIZES)
    await page.set_viewport_size({"width": 360, "height": 800})
    await page.emulate_media(color_scheme="light")
    await page.goto(screen(state, "ru", tmp_path).as_uri())
    await shot(page, f"{state}.phone")
    by_day, (narrow, low) = await faults(page), await page.evaluate(SIZES)
    await page.set_viewport_size({"width": 2560, "height": 1440})
    await shot(page, f"{state}.wall")
    wide, _ = await page.evaluate(SIZES)
    assert (by_night, by_day) == ([], [])
    assert (width, narrow, wide) == (1280, 360, 2560)
    assert max(bottom, low) <= 800
    await page.close()


async def shot(page: Page, name: str) -> None:
    """A picture of the state, where pictures are made."""
    if PICTURES:
        await page.screenshot(path=f"{PICTURES}/states-{name}.png", full_page=True)
