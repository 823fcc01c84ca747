"""How soon the page is seen: from asking for the first screen to its first paint, in Chromium on loopback.

The service runs in this process, on SQLite, with a configuration that `nightsafe init` makes; the browser is Debian's
Chromium, driven by Playwright. Each load begins with an empty cache, as in a browser that was just opened; before it a line of
plain text is loaded in the same way: what that takes is the browser's own.
"""

import argparse
import asyncio
import shutil
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

from bench.rig import Trouble, keep
from bench.table import table
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.log import set_up
from gateway.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Browser

PAINT: Final = (
    "() => new Promise(done => new PerformanceObserver(list => done(list.getEntriesByName('first-contentful-paint')[0]"
    ".startTime)).observe({type: 'paint', buffered: true}))"
)
ANSWER: Final = "() => performance.getEntriesByType('navigation')[0].responseEnd"


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--loads", type=int, default=30)


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    chromium = shutil.which("chromium")
    if chromium is None:
        raise Trouble("chromium is missing")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), chromium, told.loads))


async def _measure(folder: Path, chromium: str, loads: int) -> None:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - no other case of the bench needs a browser

    made = make(folder / "var", SystemClock())
    text = made.config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    made.config.write_text(text)
    set_up("error", "text")
    service = Service(load(made.config), SystemClock())
    await service.start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium)
            address = f"http://127.0.0.1:{service.admin_listener.port}/page/"
            token = made.admin_token.read_text().strip()
            seen = [await _load(browser, address, token) for _ in range(loads)]
            await browser.close()
    finally:
        await service.stop()
    rows = list[list[str]]()
    names = (
        "a line of text, browser just opened",
        "page answered",
        "first paint, browser just opened",
        "first paint, loaded again",
    )
    for name, times in zip(names, zip(*seen, strict=True), strict=True):
        rows.append([name, *(f"{each:.0f}" for each in (median(times), quantiles(times, n=20)[-1], max(times)))])
        keep("paint", {"what": name, "ms": list(times)})
    print(table(["", "median ms", "p95 ms", "most ms"], rows))


async def _load(browser: "Browser", address: str, token: str) -> tuple[float, float, float, float]:
    """Milliseconds to a bare line, to the whole answer, to its first paint, and to that of a second load in the same window."""
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(address.replace("/page/", "/livez"))
    bare = await page.evaluate(PAINT)
    await context.close()
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(address)
    await page.fill("#token", token)
    await page.press("#token", "Enter")
    await page.wait_for_selector("#part-verdict")
    cookies = await context.cookies()
    await context.close()
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await context.add_cookies([{"name": each["name"], "value": each["value"], "url": address} for each in cookies])
    page = await context.new_page()
    await page.goto(address)
    answered, painted = await page.evaluate(ANSWER), await page.evaluate(PAINT)
    await page.reload()
    again = await page.evaluate(PAINT)
    await context.close()
    return float(bare), float(answered), float(painted), float(again)
