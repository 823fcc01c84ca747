"""A person has a route post slower: over the admin API, by the command, on the page, and on several nodes."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from tests.integration.command import nightsafe
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, lived, open_house
from tests.integration.reader import Reader

PACE: Final = "/admin/v1/routes/main/pace"
HANGS: Final = Fault(kind=FaultKind.HANG, operation=Operation.PAY)
BOUNDED: Final = "[routes.main.forward]\nin_flight_max = 8\nrate_max_per_s = 50.0\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


async def route_of(house: House) -> Any:
    """The route as it is shown."""
    return (await house.get("/admin/v1/status"))["routes"][0]


async def test_a_route_that_is_slowed_says_by_whom_how_far_and_until_when(house: House) -> None:
    """In the answer, in status, in the metrics, and in the audit."""
    shown = await house.post(PACE, in_flight_max=4, rate_max_per_s=2.5, **{"for": 600})
    told = shown["slowed"]
    assert (told["in_flight_max"], told["rate_max_per_s"], told["actor"], told["reason"]) == (
        4, 2.5, "operator", "a drill",
    )  # fmt: skip
    assert (await route_of(house))["slowed"] == told
    assert (await house.get("/admin/v1/shape"))["slowed"] == {"main": told}
    assert 'nightsafe_route_slowed{route="main"} 1.0' in await house.get("/metrics")
    _, audit = await house.ask("GET", "/admin/v1/audit", "auditor")
    assert [(each["name"], each["subject"], each["detail"]) for each in audit["deeds"]] == [
        ("route_pace", "main", "4 at once and 2.5 a second, for 600 s")
    ]


@both_engines
async def test_payers_beyond_the_rate_are_answered_in_its_place_and_posted_when_it_is_over(house: House) -> None:
    """One payer's and one that waits in a hundred seconds: the third stands, `stuck` says why, and it goes when the word is over."""
    await house.post(PACE, rate_max_per_s=0.01)
    _, second, third = [await house.pay(each, f"{each}00") for each in ("1", "2", "3")]
    await house.until_state(second, "posted")
    (stuck,) = (await house.get("/admin/v1/stuck"))["stuck"]
    assert (stuck["what"], stuck["waiting"][0]["entries"], stuck["verbs"]) == ("pace", 1, ["pace --auto"])
    assert "operator (a drill) has it post at most 0.01 a second" in stuck["why"]
    shown = await house.post(f"{PACE}/auto")
    await house.until_state(third, "posted")
    assert (shown["slowed"], len(house.core.ledger.bookings())) == (None, 3)


async def test_a_payer_beyond_the_calls_at_once_waits_for_nobody(house: House) -> None:
    """The core hangs with the only one it may have; the next is answered at once, and nothing more is sent."""
    await house.post(PACE, in_flight_max=1)
    house.core.control.set(HANGS)
    first = asyncio.ensure_future(house.pay("1", "100"))
    async with asyncio.timeout(WAIT_S):
        while not house.core.ledger.attempts():
            await house.get("/admin/v1/status")
    second = await house.pay("2", "200")
    entry = (await house.get(f"/admin/v1/entries/{second}"))["entry"]
    assert (entry["told"], len(house.core.ledger.attempts())) == ("provisional", 1)
    house.core.control.outage(FaultKind.REFUSE)
    house.core.control.clear()
    await house.post(f"{PACE}/auto")
    await asyncio.gather(*(house.until_state(each, "posted") for each in (await first, second)))
    assert len(house.core.ledger.bookings()) == 2


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({}, "name in_flight_max"),
        ({"in_flight_max": 0}, "open the route (route open)"),
        ({"rate_max_per_s": 0}, "open the route (route open)"),
        ({"rate_max_per_s": 0.009}, "the least is 1 at once, 0.01 a second"),
        ({"in_flight_max": 9}, "configured as 8: a word may only lower it"),
        ({"rate_max_per_s": 50.5}, "configured as 50: a word may only lower it"),
        ({"in_flight_max": 4, "rate_max_per_s": 51}, "configured as 50"),
        ({"in_flight_max": 4, "for": 604_801}, "needs an end within 604800 s"),
        ({"in_flight_max": 4, "colour": "red"}, "unknown field"),
        ({"in_flight_max": -1}, ">= 0"),
    ],
)
async def test_what_is_no_slower_pace_is_refused_in_words(tmp_path: Path, wanted: dict[str, Any], words: str) -> None:
    """Nothing is one person's to hurry; and a pace of nothing is another verb."""
    async with open_house(tmp_path, BOUNDED) as house:
        status, problem = await house.ask("POST", PACE, body={"reason": "a drill", **wanted})
        assert (status, problem["code"], (await route_of(house))["slowed"]) == (400, "invalid", None)
        assert words in problem["detail"]


async def test_as_much_as_is_configured_is_no_more(tmp_path: Path) -> None:
    """A word may name the bound itself: then payers keep to it as well."""
    async with open_house(tmp_path, BOUNDED) as house:
        assert (await house.post(PACE, in_flight_max=8, rate_max_per_s=50))["slowed"]["in_flight_max"] == 8


@pytest.mark.parametrize("path", [PACE, f"{PACE}/auto"])
async def test_a_route_there_is_none_of_has_no_pace(house: House, path: str) -> None:
    """As everywhere."""
    body = {"reason": "a drill"} if path.endswith("auto") else {"reason": "a drill", "in_flight_max": 1}
    assert (await house.ask("POST", path.replace("main", "nowhere"), body=body))[0] == 404


@both_engines
async def test_a_restart_goes_on_by_the_word(tmp_path: Path) -> None:
    """As a forced route is found forced."""
    async with open_house(tmp_path) as house:
        await house.post(PACE, in_flight_max=3)
    async with lived(tmp_path / "var" / "nightsafe.toml") as service:
        slowed = service.routes[0].health.pace.slowed
        assert slowed is not None
        assert (slowed.in_flight_max, slowed.actor, slowed.reason) == (3, "operator", "a drill")


async def test_it_is_steered_from_the_page(house: House) -> None:
    """Where routes are; what stands is on the first screen, in the reader's language."""
    reader = Reader(house)
    await reader.sign_in("operator")
    assert (
        await reader.post("/page/routes/main/pace", at_once="4", per_s="2.5", minutes="30", why="ask")
    ).status == 303
    for_all = "operator lets at most 4 calls at once and 2.5 a second go there until"
    assert for_all in (await reader.get("/page/")).text
    assert f'<p class="diagnosis"><b>main</b>: {for_all}' in (await reader.get("/page/shape")).text
    assert (await reader.post("/page/routes/main/pace/auto", why="over")).status == 303
    assert (await route_of(house))["slowed"] is None
    await reader.post("/page/routes/main/pace", at_once="4", minutes="30", why="ask")
    assert "operator lets at most 4 calls at once go there until" in (await reader.get("/page/routes")).text
    await reader.post("/page/routes/main/pace", per_s="0,5", minutes="30", why="ask")
    assert "operator lets no more calls go there than 0.5 a second until" in (await reader.get("/page/routes")).text


@pytest.mark.parametrize("wrong", [{"per_s": "fast"}, {"at_once": "some"}, {"at_once": "0"}, {"minutes": ""}, {}])
async def test_what_the_page_is_told_wrongly_changes_nothing(house: House, wrong: dict[str, str]) -> None:
    """A browser without its checks."""
    reader = Reader(house)
    await reader.sign_in("operator")
    answer = await reader.post("/page/routes/main/pace", **{"minutes": "30", "why": "ask", **wrong})
    assert (answer.status, (await route_of(house))["slowed"]) == (400, None)


async def test_the_command_slows_a_route_and_lets_it_go(house: House, tmp_path: Path) -> None:
    """What it says is what is so; without a bound it says what it needs."""
    reach = ("--url", f"http://127.0.0.1:{house.service.admin_listener.port}")
    token = tmp_path / "operator.token"
    token.write_text("operator")

    async def told(*arguments: str) -> tuple[int, str]:
        answer = await asyncio.to_thread(nightsafe, *arguments, *reach, "--token-file", str(token))
        return answer.returncode, answer.stdout or answer.stderr

    async def said(*arguments: str) -> tuple[int, str]:
        return await told(*arguments, "--reason", "a drill")

    code, text = await said("pace", "main", "--in-flight", "4", "--rate", "2.5", "--for", "30m")
    assert (code, text.startswith("main posts at most 4 at once and 2.5 a second until 20")) == (0, True)
    assert re.search(r" until 20[0-9-]{8} [0-9:]{8}Z\n$", text)
    _, text = await told("shape")
    assert "main: operator lets it post at most 4 at once and 2.5 a second until" in text
    assert await said("pace", "main", "--auto") == (0, "main posts as fast as billing bears\n")
    assert await said("pace", "main", "--rate", "1", "--for", "32d") == (
        2,
        "nightsafe: --for is at most 31d: say it again then\n",
    )
    code, text = await said("pace", "main", "--in-flight", "0")
    assert (code, "route open" in text) == (2, True)
    assert (await said("pace", "main"))[0] == 2
    assert (await said("pace", "main", "--auto", "--rate", "1"))[0] == 2
