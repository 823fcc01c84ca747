"""Persons that an OpenID provider vouches for, which we did not write: at the API, on the page, by the command line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import pytest
import pytest_asyncio

from gateway.cli.client import admin_client
from tests.integration import npm
from tests.integration.house import House, open_house

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(npm.node("issuer", "oidc-provider") is None, reason="no OpenID provider here: make issuer"),
]

ISSUER: Final = """
[admin.issuers.staff]
issuer = "{address}"
audience = "nightsafe"
roles = {{ "payments-shift" = "operator", "payments-leads" = "approver" }}
"""


@dataclass
class Staff:
    """A provider, and a house that takes its tokens."""

    address: str
    house: House

    async def token(self, name: str, resource: str = "urn:nightsafe:rs") -> str:
        """A token of the provider's for one of its clients."""
        form = {"grant_type": "client_credentials", "resource": resource}
        headers = {"Authorization": aiohttp.encode_basic_auth(name, name)}
        async with self.house.client.post(f"{self.address}/token", data=form, headers=headers) as answer:
            told = await answer.json()
            assert answer.status == 200, told
            token: str = told["access_token"]
            return token

    async def denied(self, why: str) -> bool:
        """Was a request counted that was refused for this?"""
        return f'nightsafe_admin_denied_total{{why="{why}"}}' in await self.house.get("/metrics")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def staff(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Staff]:
    """One provider and one house for all."""
    async with AsyncExitStack() as stack:
        server = Path(__file__).parent / "issuer/server.mjs"
        provider = await stack.enter_async_context(npm.program("issuer", "oidc-provider", server))
        address = f"http://localhost:{provider.port}"
        folder: Path = tmp_path_factory.mktemp("issuers")
        house = await stack.enter_async_context(open_house(folder, ISSUER.format(address=address)))
        yield Staff(address, house)


async def test_the_page_says_why_a_token_does_not_let_one_in(staff: Staff) -> None:
    """Beside the form, to try again with another."""
    url = f"http://127.0.0.1:{staff.house.service.admin_listener.port}/page/sign-in"
    async with staff.house.client.post(url, data={"token": await staff.token("vera", "urn:shop")}) as answer:
        assert (answer.status, "made out to another service" in await answer.text()) == (401, True)


@pytest.mark.parametrize("resource", ["urn:nightsafe:rs", "urn:nightsafe:ps", "urn:nightsafe:es"])
async def test_a_provider_s_token_is_good_whatever_it_signs_with(staff: Staff, resource: str) -> None:
    """Without anything told by hand but its address."""
    status, told = await staff.house.ask("GET", "/admin/v1/status", await staff.token("amina", resource))
    assert status == 200, told


async def test_what_a_person_does_is_told_under_the_provider_s_name_for_them(staff: Staff) -> None:
    """In the audit, with the provider's name before it: nobody else's name can be the same."""
    body = {"reason": "a drill"}
    status, told = await staff.house.ask("POST", "/admin/v1/routes/main/auto", await staff.token("amina"), body)
    assert status == 200, told
    status, audit = await staff.house.ask("GET", "/admin/v1/audit", await staff.token("vera"))
    assert status == 200, audit
    assert "staff:amina" in {each["actor"] for each in audit["deeds"]}


async def test_a_group_gives_its_role_and_no_more(staff: Staff) -> None:
    """An operator may not read what approvers may."""
    assert (await staff.house.ask("GET", "/admin/v1/audit", await staff.token("amina")))[0] == 403


async def test_who_is_in_no_group_of_ours_is_told_so(staff: Staff) -> None:
    """Known to the provider, and nobody here."""
    status, told = await staff.house.ask("GET", "/admin/v1/status", await staff.token("guest"))
    assert (status, told["detail"]) == (403, "none of the groups in it has a role here")
    assert await staff.denied("no_role")


async def test_a_provider_s_token_for_another_service_is_not_taken(staff: Staff) -> None:
    """Who runs that service would else be everybody here who uses it."""
    status, told = await staff.house.ask("GET", "/admin/v1/status", await staff.token("amina", "urn:shop"))
    assert (status, told["detail"]) == (401, "it is made out to another service")
    assert await staff.denied("audience")


async def test_one_signs_in_to_the_page_with_such_a_token(staff: Staff) -> None:
    """And is called there by the same name."""
    url = f"http://127.0.0.1:{staff.house.service.admin_listener.port}/page"
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.post(f"{url}/sign-in", data={"token": await staff.token("vera")}) as answer:
            assert answer.status == 200
        async with browser.get(f"{url}/") as answer:
            assert "staff:vera" in await answer.text()


async def test_the_command_line_comes_with_such_a_token(staff: Staff, tmp_path: Path) -> None:
    """In a file, as with any other."""
    file = tmp_path / "token"
    file.write_text(await staff.token("amina"))
    url = f"http://127.0.0.1:{staff.house.service.admin_listener.port}"
    told = await asyncio.to_thread(admin_client(url, file, None).raw, "GET", "/admin/v1/status")
    assert b'"routes"' in told
