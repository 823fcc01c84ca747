"""Signing in to the page at an OpenID provider that we did not write, in a real browser: it is another site than the page."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.acceptance.browser import open_browser, person
from tests.contracts.postgres_server import free_port
from tests.integration import npm
from tests.integration.house import House, open_house

pytestmark = [
    pytest.mark.process,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(npm.node("issuer", "oidc-provider") is None, reason="no OpenID provider here: make issuer"),
]

CONFIGURED = """
[admin.issuers.staff]
issuer = "http://localhost:{provider}"
audience = "nightsafe"
roles = {{ "payments-shift" = "operator", "payments-leads" = "approver" }}

[admin.issuers.staff.sign_in]
client_id = "page"
client_secret = {{ file = "{secret}" }}
page = "http://127.0.0.1:{port}"
"""


@dataclass
class Scene:
    """A house, its people's provider, and a browser."""

    house: House
    provider: npm.Program
    browser: Browser


def on_port(port: int) -> Callable[[str], str]:
    """The admin side on a port that its address may be told with."""
    before = '[listen.admin]\nhost = "127.0.0.1"\nport = '
    return lambda text: text.replace(f"{before}0", f"{before}{port}")


@pytest_asyncio.fixture(loop_scope="module")
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """All three."""
    secret, port = tmp_path / "secret", free_port()
    secret.write_text("page\n")
    async with AsyncExitStack() as stack:
        server = Path(__file__).parents[1] / "integration/issuer/server.mjs"
        provider = await stack.enter_async_context(npm.program("issuer", "oidc-provider", server))
        told = CONFIGURED.format(provider=provider.port, secret=secret, port=port)
        house = await stack.enter_async_context(open_house(tmp_path, told, on_port(port)))
        yield Scene(house, provider, await stack.enter_async_context(open_browser()))


async def test_an_operator_signs_in_at_the_provider_s_page(scene: Scene) -> None:
    """A click, the provider's own page, and one is where one wanted to go; the next time it asks for no password, until one leaves there too."""
    lead = await person(scene.browser, scene.house)
    page = lead.page
    await lead.go("queue?state=held")
    await expect(page.get_by_role("link", name="Sign in via staff")).to_be_visible()
    assert await lead.faults() == []
    await lead.picture("sign-in")
    assert lead.complaints == []
    await lead.click("Sign in via staff")
    await page.get_by_placeholder("Enter any login").fill("amina")
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("staff:amina")).to_be_visible()
    assert page.url == f"{lead.url}queue"
    lead.complaints.clear()  # Of the provider's pages.
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Your token")).to_be_visible()
    assert lead.complaints == []
    await lead.click("Sign in via staff")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_text("staff:amina")).to_be_visible()
    cookies = {each.get("name"): each for each in await page.context.cookies(lead.url)}
    assert (cookies["nightsafe"].get("sameSite"), cookies["nightsafe"].get("httpOnly")) == ("Strict", True)
    assert "nightsafe-errand" not in cookies
    await page.get_by_role("button", name="Sign out").click()
    await lead.sees("You are signed out here, and not at staff")
    assert await lead.faults() == []
    await lead.click("Sign out at staff too")
    await page.get_by_role("button", name="Yes, sign me out").click()
    await lead.go()
    await lead.click("Sign in via staff")
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()


async def test_who_cancels_there_or_is_nobody_here_is_told_so(scene: Scene) -> None:
    """At our door, where a token still opens; also once the provider is gone."""
    guest = await person(scene.browser, scene.house)
    page = guest.page
    await guest.go()
    await guest.click("Sign in via staff")
    await page.get_by_role("link", name="[ Cancel ]").click()
    await guest.sees("staff did not let you in. (access_denied)")
    await guest.click("Sign in via staff")
    await page.get_by_placeholder("Enter any login").fill("guest")
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
    await guest.sees("What staff says of you does not count here. (none of the groups in it has a role here)")
    await page.get_by_label("Your token").fill("operator")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Sign out")).to_be_visible()
