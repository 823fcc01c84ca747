"""SIGKILL at each point between record and answer; each payment's fate is known afterwards, or a person is asked."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from adapters.channels.scripted.diary import Heard, Order
from adapters.channels.scripted.speech import Speech
from adapters.core import Level
from gateway.demo.scene import CorePart
from tests.acceptance.stage import WAIT_S, Stage, moment, staged

pytestmark = pytest.mark.process

CORE: Final = "billing"
PAYMENTS: Final = 4
"""Fewer than make a route open by hanging: all of them are sent."""

ATTEMPT_S: Final = 3.0
"""Long enough for all of them to arrive at the core before the first is given up."""

POINTS: Final[dict[str, dict[str, Any]]] = {
    "sent, not booked": {"kind": "hang", "operation": "pay"},
    "sent, booked only later": {"kind": "slow", "operation": "pay", "delay_s": 2.0},
    "booked, not answered": {"kind": "late", "operation": "pay", "delay_s": 30},
}
"""Where a live payment stands when the gateway dies, by the fault that holds it there."""

CORES: Final = {
    "level A by OSMP": CorePart(name=CORE, protocol="osmp", attempt_timeout_s=ATTEMPT_S),
    "level A by JSON": CorePart(name=CORE, attempt_timeout_s=ATTEMPT_S),
    "level B by JSON": CorePart(name=CORE, level=Level.B, attempt_timeout_s=ATTEMPT_S),
    "level B by OSMP": CorePart(name=CORE, level=Level.B, protocol="osmp", attempt_timeout_s=ATTEMPT_S),
}


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A gateway before one core; parametrise indirectly for another than level A by JSON."""
    async with staged(tmp_path, [getattr(request, "param", CorePart(name=CORE))]) as started:
        yield started


def orders(stage: Stage, serials: range) -> list[tuple[Speech, Order]]:
    """Payments by both channels in turn, each on an account of its own."""
    speeches = stage.scene.speeches(CORE)
    each = ((speeches[serial % 2], serial) for serial in serials)
    return [
        (
            speech,
            Order(
                channel=speech.channel,
                key=speech.key(serial),
                account=str(100 + serial),
                amount=1000 + serial,
                currency="RUB",
            ),
        )
        for speech, serial in each
    ]


async def ask(stage: Stage, speech: Speech, order: Order) -> Heard:
    """Ask once; a lost connection is an unknown."""
    asking = speech.ask(order)
    try:
        async with stage.client.request(
            asking.method, stage.scene.url + asking.path, headers=asking.headers, data=asking.body or None
        ) as answer:
            return speech.hear(answer.status, await answer.read())
    except aiohttp.ClientError as error:
        return Heard(kind="unknown", code=type(error).__name__)


async def ask_all(stage: Stage, payments: list[tuple[Speech, Order]]) -> list[Heard]:
    """Ask for all of them at once, once."""
    return await asyncio.gather(*(ask(stage, *payment) for payment in payments))


async def insist(stage: Stage, payments: list[tuple[Speech, Order]]) -> list[Heard]:
    """Ask for all of them until each has a final answer."""
    async with asyncio.timeout(WAIT_S):
        while "unknown" in {heard.kind for heard in await ask_all(stage, payments)}:
            await moment()
        return await ask_all(stage, payments)


def marks(payments: list[tuple[Speech, Order]]) -> list[str]:
    """What the ledger has when each was booked once."""
    return sorted(f"{order.channel}.{order.key}" for _, order in payments)


@pytest.mark.parametrize(
    ("stage", "point"),
    [
        *((CORES["level A by JSON"], point) for point in POINTS),
        *((CORES["level B by OSMP"], point) for point in POINTS),
        (CORES["level A by OSMP"], "booked, not answered"),
        (CORES["level B by JSON"], "booked, not answered"),
    ],
    ids=lambda each: each if isinstance(each, str) else f"level {each.level} by {each.protocol}",
    indirect=["stage"],
)
async def test_a_payment_cut_off_at_the_core_is_booked_once(stage: Stage, point: str) -> None:
    """Recorded in flight, sent, and then nobody heard: found again by its key, never guessed."""
    payments = orders(stage, range(1, 1 + PAYMENTS))
    await stage.fault(CORE, **POINTS[point])
    asking = asyncio.create_task(ask_all(stage, payments))
    await stage.hits(CORE, PAYMENTS)
    await stage.gateway.kill()
    assert {heard.kind for heard in await asking} == {"unknown"}
    await stage.heal(CORE)
    await stage.gateway.start()
    told = await insist(stage, payments)
    await stage.drained()
    assert {heard.kind for heard in told} == {"yes"}
    assert sorted(stage.booked(CORE)) == marks(payments)
    assert [balance["posted"]["entries"] for balance in (await stage.verify())["balances"]] == [PAYMENTS]


async def test_a_provisional_yes_outlives_the_kill(stage: Stage) -> None:
    """Answered while the core is dead, killed at once after the last byte of the answer, and restarted twice."""
    payments = orders(stage, range(1, 41))
    await stage.cores[CORE].kill()
    first = await insist(stage, payments)
    await stage.restart()
    again = await ask_all(stage, payments)
    await stage.restart()
    await stage.cores[CORE].start()
    await stage.drained()
    at_last = await ask_all(stage, payments)
    assert {heard.kind for heard in first} == {"yes"}
    numbers = [heard.number for heard in first]
    assert numbers == [heard.number for heard in again] == [heard.number for heard in at_last]
    assert sorted(stage.booked(CORE)) == marks(payments)


async def test_a_kill_while_answers_leave_loses_none_of_them(stage: Stage) -> None:
    """Some have their answer, some don't: those who have one find it kept, the others get one."""
    payments = orders(stage, range(1, 201))
    asking = [asyncio.create_task(ask(stage, *payment)) for payment in payments]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    await stage.gateway.kill()
    before = await asyncio.gather(*asking)
    await stage.gateway.start()
    after = await insist(stage, payments)
    await stage.drained()
    kept = [(heard.number, later.number) for heard, later in zip(before, after, strict=True) if heard.kind == "yes"]
    assert kept
    assert [pair for pair in kept if pair[0] != pair[1]] == []
    assert sorted(stage.booked(CORE)) == marks(payments)


@pytest.mark.parametrize(
    "stage", [CorePart(name=CORE, level=Level.C, attempt_timeout_s=ATTEMPT_S)], indirect=True, ids=["level C"]
)
@pytest.mark.parametrize("point", POINTS)
async def test_a_blind_core_s_unclear_payments_are_parked_and_never_sent_again(stage: Stage, point: str) -> None:
    """Booked or not, nobody can tell: a person must look. What comes after them goes its way."""
    payments, others = orders(stage, range(1, 1 + PAYMENTS)), orders(stage, range(51, 51 + PAYMENTS))
    await stage.fault(CORE, **POINTS[point])
    asking = asyncio.create_task(ask_all(stage, payments))
    await stage.hits(CORE, PAYMENTS)
    await stage.gateway.kill()
    await asking
    await stage.heal(CORE)
    await stage.gateway.start()
    told = await insist(stage, others)
    async with asyncio.timeout(WAIT_S):
        while (states := (await stage.status())["states"]).get("in_doubt"):
            await moment()
    again = await ask_all(stage, payments)
    booked = stage.booked(CORE)
    assert {heard.kind for heard in told} == {"yes"}
    assert {state: sum(each["entries"] for each in totals) for state, totals in states.items() if totals} == {
        "parked": PAYMENTS,
        "posted": PAYMENTS,
    }
    assert {heard.kind for heard in again} == {"unknown"}
    assert len(booked) == len(set(booked))
    assert set(booked) >= set(marks(others))
    assert (await stage.verify())["ok"]


async def test_a_second_gateway_on_the_same_spool_is_refused(stage: Stage) -> None:
    """It says who holds the spool; the first goes on undisturbed."""
    code, said = await stage.command("serve")
    payments = orders(stage, range(1, 3))
    assert code == 3
    assert re.search(r"in use by .*\d+", said)
    assert {heard.kind for heard in await ask_all(stage, payments)} == {"yes"}
