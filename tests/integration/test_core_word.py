"""What a core's own team may say, over loopback: drain, maintenance, back; and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.cores.scripted.orders import Operation
from gateway.clock import SystemClock
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house

TEAM: Final = "release"
CORE: Final = "/admin/v1/cores/billing"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


async def said(house: House, verb: str, status: int = 200, **body: Any) -> Any:
    """What the team is answered."""
    found, told = await house.ask("POST", f"{CORE}/{verb}", TEAM, {"reason": "billing 4.2", **body})
    assert found == status, told
    return told


@both_engines
@pytest.mark.parametrize(("verb", "cause"), [("drain", "drain"), ("maintenance", "maintenance")])
async def test_a_word_opens_the_routes_to_the_core_until_it_is_back(house: House, verb: str, cause: str) -> None:
    """Payments are stood in for, nothing of ours is at the core any more, and afterwards all is posted."""
    (shown,) = (await said(house, verb, **{"for": 600}))["routes"]
    assert (shown["zone"], shown["word"], shown["under_way"]) == ("open", verb, 0)
    number = await house.pay("1")
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert (route["trip"], route["diagnosis"]["cause"], route["diagnosis"]["example"]) == (verb, cause, "billing 4.2")
    assert (route["forced"]["actor"], len(house.core.ledger.bookings())) == (TEAM, 0)
    (shown,) = (await said(house, "back"))["routes"]
    assert (shown["word"], shown["until"]) == ("", "")
    await house.until_state(number, "posted")
    assert (await house.ask("GET", CORE, TEAM))[0] == 200


@both_engines
async def test_a_word_ends_by_itself(house: House) -> None:
    """After its second the core is tried, and what waited is posted; nothing of ours is there before."""
    spoken_at_us = SystemClock().now_us()
    await said(house, "maintenance", **{"for": 1})
    number = await house.pay("1")
    await house.until_state(number, "posted")
    (attempt,) = [each for each in house.core.ledger.attempts() if each.operation is Operation.PAY]
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert attempt.arrived_at_us - spoken_at_us >= 1_000_000
    assert (route["forced"], route["zone"]) != (None, "open")


async def test_an_operators_word_stands_above_it(house: House) -> None:
    """A script of the core's release overrules nobody, and takes nobody's word back."""
    await house.post("/admin/v1/routes/main/close", **{"for": 60})
    for verb in ("drain", "maintenance", "back"):
        assert (await said(house, verb, 409))["code"] == "operators_word"
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert (route["zone"], route["forced"]["actor"]) == ("closed", "operator")


async def test_the_team_sees_and_moves_nothing_else(house: House) -> None:
    """Not our books, not other cores; and nobody of ours has this role by accident."""
    asked = [
        ("GET", "/admin/v1/status"),
        ("GET", "/metrics"),
        ("GET", "/admin/v1/entries"),
        ("POST", "/admin/v1/routes/main/open"),
    ]
    assert [(await house.ask(method, path, TEAM))[0] for method, path in asked] == [403] * 4
    assert (await house.ask("GET", "/admin/v1/cores/other", TEAM))[0] == 404
    assert (await house.ask("POST", f"{CORE}/drain", "operator", {"reason": "x"}))[0] == 403


async def test_it_has_an_end_and_a_reason(house: House) -> None:
    """Forgotten words end."""
    await said(house, "drain", 400, **{"for": 30 * 86_400})
    await said(house, "drain", 400, reason="")
