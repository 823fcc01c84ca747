"""The page on telling people, walked through: its own configuration and commands, on a running service."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.telling.event import Kind
from tests.integration.house import WAIT_S, House, open_house
from tests.integration.reader import Reader
from tests.tidy.house import ROOT

PAGE: Final = (ROOT / "docs/how-to/tell-people.md").read_text("utf-8")
COMMANDS: Final = re.findall(r"^\$ nightsafe (.+)$", PAGE, re.MULTILINE)
BLOCKS: Final = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PLACES: Final = ("ops.example/nightsafe", "sms.example/send")


class Everybody:
    """Whoever the page's sinks send to over HTTP."""

    def __init__(self) -> None:
        self.came: dict[str, list[Any]] = {}
        self._news = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        """Take all of it."""
        self.came.setdefault(request.path, []).append(json.loads(await request.read()))
        self._news.set()
        return web.Response()

    async def until(self, path: str, count: int) -> list[Any]:
        """What came there, once so much did."""
        async with asyncio.timeout(WAIT_S):
            while len(self.came.get(path, [])) < count:
                self._news.clear()
                await self._news.wait()
        return self.came[path]


@pytest.fixture
async def everybody() -> AsyncIterator[tuple[Everybody, str]]:
    """They listen on one port."""
    made, site = Everybody(), web.Application()
    site.router.add_post("/{tail:.*}", made.take)
    runner = web.AppRunner(site)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def tables(folder: Path, url: str) -> str:
    """The page's configuration, with places and secrets of this test; payers and operators don't wait."""
    for name in ("webhook", "mail", "sms"):
        (folder / name).write_text(base64.b64encode(bytes(32)).decode())
    text = "\n".join(BLOCKS).replace("/run/credentials", str(folder)).replace("mail.example", "127.0.0.1")
    for place in PLACES:
        assert f"https://{place}" in text
        text = text.replace(f"https://{place}", f"{url}/{place}")
    pace = "\n".join(f"[telling.sinks.{name}.pace]\ngather_s = 0.0" for name in ("ops", "sms"))
    return f"[telling]\nclear_after_s = 0\n{text}\nwait_s = 0\n{pace}"


def hurried(text: str) -> str:
    """Channels whose answers are final after two seconds."""
    return re.sub(r"^(\[channels\.\w+\])$", r"\1\ndeadline_s = 2.0", text, flags=re.MULTILINE)


async def typed(house: House, folder: Path, command: str) -> str:
    """What one of the page's commands says, which ends well."""
    (folder / "token").write_text("operator")
    reach = ["--url", f"http://127.0.0.1:{house.service.admin_listener.port}", "--token-file", str(folder / "token")]
    done = await asyncio.to_thread(CliRunner().invoke, app, [*command.split(), *reach])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_page_tells_of_every_event() -> None:
    """And of none that there isn't; a test is told of as a command."""
    told = set(re.findall(r"`([a-z]+\.[a-z]+)`", PAGE))
    assert {kind.value for kind in Kind} - told == {"test"}


async def test_the_page_works_as_it_is_written(tmp_path: Path, everybody: tuple[Everybody, str]) -> None:
    """Its sinks, an outage, its report, and a payer who is told of his payment."""
    made, url = everybody
    assert COMMANDS == ["sinks list", "sinks test ops", "outages", "outage 1", "outage 1 --html --language ru"]
    async with open_house(tmp_path, tables(tmp_path, url), hurried) as house:
        assert "webhook" in await typed(house, tmp_path, COMMANDS[0])
        assert "ops: the test was taken" in await typed(house, tmp_path, COMMANDS[1])
        await house.post("/admin/v1/routes/main/open", **{"for": 600})
        number = await house.pay("1", account="992900000002")
        await made.until("/sms.example/send", 2)
        await house.post("/admin/v1/routes/main/close", **{"for": 600})
        await house.until_state(number, "posted")
        sms: list[Mapping[str, str]] = await made.until("/sms.example/send", 4)
        listed = await typed(house, tmp_path, COMMANDS[2])
        assert "forced" in listed
        report = await typed(house, tmp_path, COMMANDS[3])
        assert "1 (10.00 RUB)" in report
        assert re.search(r"while away +[│|]? *[1-9][0-9]* times, half within", report)
        assert "Сбой 1 маршрута main" in await typed(house, tmp_path, COMMANDS[4])
        browser = Reader(house)
        await browser.sign_in("viewer")
        assert "/page/outages/1/file" in (await browser.get("/page/outages/1")).text
        kept = await browser.get("/page/outages/1/file")
    assert kept.headers["Content-Disposition"] == 'attachment; filename="outage-1.html"'
    assert "<polyline" in kept.text
    to_payer = [each["text"] for each in sms if each["to"] == "+992900000002"]
    to_duty = [each["text"] for each in sms if each["to"] == "+992900000001"]
    assert to_payer[1] == f"Платёж 10.00 RUB зачислен. {number}"
    assert to_duty[0].startswith("СРОЧНО nightsafe: маршрут main: биллинг недоступен")
    events = [
        each["type"] for letter in await made.until("/ops.example/nightsafe", 3) for each in letter["data"]["events"]
    ]
    assert events[:2] == ["test.told", "route.open.raised"]
