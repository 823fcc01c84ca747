"""Reversals in every state of their payment, over loopback: what the bank is told, and what the core's own log has of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Kind, Operation
from adapters.cores.scripted.server import ScriptedCore
from tests.integration.bank import Bank
from tests.integration.engine import both_engines
from tests.integration.house import open_house

SOON: Final = """
[routes.main.breaker]
open_for_s = 0.1
probe_interval_s = 0.1
trial_pause_s = 0.01
[routes.main.forward]
slow_start_s = 0.0
attempt_timeout_s = 1.0
backoff_first_s = 0.05
"""


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    """A bank before an open house."""
    async with open_house(tmp_path, SOON) as house:
        yield Bank(house, tmp_path)


def asked(core: ScriptedCore) -> list[Operation]:
    """What came to the core that moves money."""
    moving = (Operation.PAY, Operation.CANCEL)
    return [each.operation for each in core.ledger.attempts() if each.operation in moving]


def booked(core: ScriptedCore) -> list[Kind]:
    """What the core booked, in order."""
    return [each.kind for each in core.ledger.bookings()]


@both_engines
async def test_one_of_a_payment_that_waits_is_done_here(bank: Bank) -> None:
    """The core hears of neither, also when it is back."""
    core = bank.house.core
    await bank.house.post("/admin/v1/routes/main/open", **{"for": 600})
    _, paid = await bank.pay("a")
    status, undone = await bank.undo(paid["id"], "back")
    assert (paid["status"], status) == ("provisional", 201)
    assert await bank.stands(paid["id"]) == "cancelled"
    await bank.house.post("/admin/v1/routes/main/close", **{"for": 600})
    _, other = await bank.pay("b", account="201")
    assert (other["status"], undone["id"] != paid["id"]) == ("posted", True)
    assert asked(core) == [Operation.PAY]


@both_engines
async def test_one_of_a_booked_payment_is_done_by_the_core(bank: Bank) -> None:
    """At once, and once: the same key again has the same answer, another key has nothing left to undo."""
    _, paid = await bank.pay("a")
    await bank.house.until_state(paid["id"], "posted")
    told = await bank.undo(paid["id"], "back")
    assert (paid["status"], told[0]) == ("posted", 201)
    assert await bank.undo(paid["id"], "back") == told
    status, no = await bank.undo(paid["id"], "again")
    assert (status, no["refusal"]) == (402, "not_reversible")
    assert booked(bank.house.core) == [Kind.PAYMENT, Kind.REVERSAL]


@both_engines
async def test_one_of_a_booked_payment_in_an_outage_is_taken_and_done_afterwards(bank: Bank) -> None:
    """The bank has its yes; the core does it when it is back."""
    core = bank.house.core
    _, paid = await bank.pay("a")
    core.control.outage(FaultKind.REFUSE)
    status, undone = await bank.undo(paid["id"], "back")
    assert (status, undone["status"], booked(core)) == (202, "provisional", [Kind.PAYMENT])
    core.control.clear()
    await bank.house.until_state(undone["id"], "posted")
    assert booked(core) == [Kind.PAYMENT, Kind.REVERSAL]


@both_engines
async def test_one_of_a_payment_in_doubt_waits_until_that_is_known(bank: Bank) -> None:
    """The core booked it and nobody heard of it: it is undone after it was found, never before."""
    core = bank.house.core
    core.control.set(Fault(kind=FaultKind.RESET_AFTER, operation=Operation.PAY))
    _, paid = await bank.pay("a")
    status, undone = await bank.undo(paid["id"], "back")
    assert (paid["status"], status, undone["status"]) == ("provisional", 202, "provisional")
    core.control.clear()
    await bank.house.until_state(paid["id"], "posted")
    await bank.house.until_state(undone["id"], "posted")
    assert booked(core) == [Kind.PAYMENT, Kind.REVERSAL]


@both_engines
async def test_one_of_a_refused_payment_has_nothing_to_undo(bank: Bank) -> None:
    """The core said a final no: nothing moved, nothing is to be given back."""
    core = bank.house.core
    core.control.set(Fault(kind=FaultKind.FORBID, operation=Operation.PAY))
    await bank.house.post("/admin/v1/routes/main/open", **{"for": 600})
    _, paid = await bank.pay("a")
    await bank.house.post("/admin/v1/routes/main/close", **{"for": 600})
    await bank.house.until_state(paid["id"], "refused")
    status, no = await bank.undo(paid["id"], "back")
    assert (status, no["status"]) == (402, 402)
    assert booked(core) == []


@both_engines
async def test_reversals_that_fail_stop_reversals_and_no_payment(bank: Bank) -> None:
    """They have a breaker of their own: those that come then are taken and wait; payments are posted as ever."""
    core = bank.house.core
    numbers = [(await bank.pay(str(key), account=f"2{key}"))[1]["id"] for key in range(12)]
    core.control.set(Fault(kind=FaultKind.ERROR_BEFORE, operation=Operation.CANCEL))
    told = [await bank.undo(number, f"back-{number}") for number in numbers]
    (route,) = (await bank.house.get("/admin/v1/status"))["routes"]
    zones = {name: each["zone"] for name, each in route["operations"].items()}
    assert (route["zone"], zones["post"], zones["reversal"] in ("open", "trial")) == ("closed", "closed", True)
    assert {status for status, _ in told} == {202}
    assert (await bank.pay("z", account="299"))[1]["status"] == "posted"
    core.control.clear()
    for _, undone in told:
        await bank.house.until_state(undone["id"], "posted")
    assert booked(core).count(Kind.REVERSAL) == 12
