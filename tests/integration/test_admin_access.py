"""Who may use the admin side is read anew while the service runs: what changes, who is told, and a file with a fault."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from gateway.admin.http.server import AdminSide
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.service import Service
from tests.integration.house import House, digest, open_house

STATUS: Final = "/admin/v1/status"
RELOAD: Final = "/admin/v1/access/reload"


def table(name: str, role: str = "viewer", more: str = "") -> str:
    """A token's table; the token is its name."""
    return f'\n[admin.tokens.{name}]\nrole = "{role}"\nsha256 = "{digest(name)}"\n{more}'


@dataclass
class Home:
    """A house, and the file it was started from."""

    house: House
    file: Path

    def write(self, more: str, **changes: str) -> None:
        """Other things at the end of the file, and other words in it."""
        text = self.file.read_text()
        for old, new in changes.items():
            text = text.replace(f"[admin.tokens.{old}]", f"[admin.tokens.{new}]")
        self.file.write_text(text + more)

    async def reload(self, as_: str = "operator") -> tuple[int, Any]:
        """Have it read anew."""
        return await self.house.ask("POST", RELOAD, as_, {"reason": "a new shift"})

    async def status(self, as_: str) -> int:
        """Whether somebody is let in."""
        return (await self.house.ask("GET", STATUS, as_))[0]


@asynccontextmanager
async def a_home(folder: Path) -> AsyncIterator[Home]:
    """A house that knows its file."""
    async with open_house(folder) as house:
        yield Home(house, folder / "var/nightsafe.toml")


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Home]:
    """One for each test, which changes its file."""
    async with a_home(tmp_path) as made:
        yield made


async def test_a_token_is_added_and_one_taken_out_while_the_service_runs(home: Home) -> None:
    """Out is out at once; who stays notices nothing."""
    assert (await home.status("vera"), await home.status("viewer")) == (401, 200)
    home.write(table("vera"), viewer="guest")
    status, told = await home.reload()
    assert (status, told["added"], told["removed"]) == (200, ["token guest", "token vera"], ["token viewer"])
    assert not told["restart_needed"]
    _, audit = await home.house.ask("GET", "/admin/v1/audit", "auditor")
    done = [each for each in audit["deeds"] if each["name"] == "access"]
    assert [(each["detail"], each["actor"], each["note"]) for each in done] == [
        ("+token guest, +token vera, -token viewer", "operator", "a new shift")
    ]
    assert await home.status("vera") == 200


async def test_a_role_that_changes_ends_the_sessions_of_the_page(home: Home) -> None:
    """A session may never do what the token beneath it may not."""
    url = f"http://127.0.0.1:{home.house.service.admin_listener.port}/page"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post(f"{url}/sign-in", data={"token": "approver"}) as answer:
            assert answer.status == 200
        text = home.file.read_text()
        home.file.write_text(
            text.replace('[admin.tokens.approver]\nrole = "approver"', '[admin.tokens.approver]\nrole = "viewer"')
        )
        status, told = await home.reload()
        assert (status, told["changed"]) == (200, ["token approver"])
        async with browser.get(f"{url}/", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/page/sign-in")


@pytest.mark.parametrize(
    "fault",
    [
        "\n[admin.tokens.vera]\nrole = 'king'\n",
        "\n[[",
        "\n[routes.main]\n",
        '\n[admin.issuers.x]\nissuer = "http://x"\n',
    ],
    ids=["a role", "no TOML", "twice", "an issuer"],
)
async def test_a_file_with_a_fault_changes_nothing_and_says_so(home: Home, fault: str) -> None:
    """Whatever else it says: half of a file is never in force."""
    home.write(table("vera") + fault)
    status, told = await home.reload()
    assert (status, told["code"]) == (409, "file_unfit")
    assert "line " in told["detail"]
    assert (await home.status("vera"), await home.status("viewer")) == (401, 200)


async def test_what_needs_a_restart_is_said_and_not_done(home: Home) -> None:
    """Who may come in is taken from the file and nothing else."""
    home.file.write_text(home.file.read_text().replace('currency = "RUB"', 'currency = "KZT"') + table("vera"))
    status, told = await home.reload()
    assert (status, told["added"], told["restart_needed"]) == (200, ["token vera"], True)


async def test_reading_what_is_the_same_changes_nothing(home: Home) -> None:
    """And is no act: nothing is written into the audit."""
    status, told = await home.reload()
    assert (status, told["added"], told["removed"], told["changed"]) == (200, [], [], [])
    _, audit = await home.house.ask("GET", "/admin/v1/audit", "auditor")
    assert [each for each in audit["deeds"] if each["name"] == "access"] == []


async def test_who_may_come_in_is_shown_with_its_end(home: Home) -> None:
    """And what is over says so."""
    told = await home.house.get("/admin/v1/access")
    by_name = {each["name"]: each for each in told["entrants"]}
    assert (by_name["former"]["is_over"], by_name["former"]["expires"][:10]) == (True, "2025-06-01")
    assert (by_name["operator"]["is_over"], by_name["operator"]["roles"]) == (False, ["operator"])
    assert digest("operator")[:12] not in str(told)


async def test_a_signal_has_it_read_anew_as_well(home: Home) -> None:
    """Told to nobody but the log and the audit; a fault changes nothing there, too."""
    admin: AdminSide = home.house.service.admin
    home.write(table("vera"))
    await admin.read_access_anew()
    assert await home.status("vera") == 200
    home.write("\n[[")
    await admin.read_access_anew()
    assert await home.status("vera") == 200


async def test_a_service_without_a_file_says_that_it_has_none(tmp_path: Path) -> None:
    """As one that a test or a rehearsal made."""
    async with a_home(tmp_path) as home:
        config = load(home.file)
    service = Service(config, SystemClock())
    await service.start()
    try:
        url = f"http://127.0.0.1:{service.admin_listener.port}{RELOAD}"
        headers = {"Authorization": "Bearer operator"}
        async with aiohttp.ClientSession() as client, client.post(url, json={"reason": "x"}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["detail"]) == (409, "the service was not started from a file")
    finally:
        await service.stop()
