"""A real browser before the page: Debian's Chromium, driven by Playwright, and somebody who reads and clicks."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped] # it brings no types
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.integration.house import House

ARGUMENTS: Final = ["--disable-quic", "--disable-background-networking", "--force-color-profile=srgb"]
WAIT_MS: Final = 20_000.0
PICTURES: Final = os.environ.get("NIGHTSAFE_PICTURES", "")
"""Where pictures for the documents go (`make pictures`); elsewhere they are only taken."""

RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@contextlib.asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Chromium, for the length of a block."""
    chromium = shutil.which("chromium")
    assert chromium is not None, "chromium is missing: .ci/run installs it"
    expect.set_options(timeout=WAIT_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Person:
    """Somebody at a screen."""

    page: Page
    house: House
    #: What the browser complained of: a policy that was broken, a script that failed.
    complaints: list[str]

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.house.service.admin_listener.port}/page/"

    async def go(self, path: str = "") -> None:
        """Open a page by its address."""
        await self.page.goto(self.url + path)

    async def sign_in(self, token: str) -> None:
        """With the keyboard alone: the field has the focus."""
        await self.go()
        await expect(self.page.get_by_label("Your token")).to_be_focused()
        await self.page.keyboard.type(token)
        await self.page.keyboard.press("Enter")
        await expect(self.page.get_by_role("button", name="Sign out")).to_be_visible()

    async def sees(self, text: str) -> None:
        """Wait until it is there."""
        await expect(self.page.get_by_text(text).first).to_be_visible()

    async def headline(self, text: str) -> None:
        """Wait until the first screen says it."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(text)

    async def click(self, name: str) -> None:
        """A link of this name."""
        await self.page.get_by_role("link", name=name).first.click()

    async def act(self, name: str, reason: str, **fields: str) -> None:
        """Open what is folded under a name, say why, and do it; `fields` by their labels."""
        folded = self.page.locator("details").filter(has=self.page.locator("summary", has_text=name)).first
        await folded.locator("summary").click()
        for label, value in fields.items():
            field = folded.get_by_label(label.replace("_", " "))
            await (field.check() if value == "yes" else field.fill(value))
        await folded.locator("[name=why]").fill(reason)
        await folded.get_by_role("button").click()

    async def picture(self, name: str) -> None:
        """Take a picture; it is kept where the documents are made."""
        kept = Path(PICTURES) / f"{name}.png" if PICTURES else None
        taken = await self.page.screenshot(path=kept, full_page=True, animations="disabled", caret="hide")
        assert taken.startswith(b"\x89PNG")

    async def faults(self) -> list[str]:
        """What axe finds wrong with what is shown."""
        return await faults(self.page)


async def faults(page: Page) -> list[str]:
    """What axe finds wrong with a page, by WCAG 2.2 AA."""
    found = await Axe().run(page, options=RULES)
    violations: list[dict[str, Any]] = found.response["violations"]
    return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in violations]


async def person(browser: Browser, house: House, **context: Any) -> Person:
    """Somebody with a browser of his own, not signed in."""
    shown: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark", "locale": "en-GB"}
    opened = await browser.new_context(**{**shown, **context})
    page = await opened.new_page()
    complaints = list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return Person(page, house, complaints)
