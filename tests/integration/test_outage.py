"""Through an outage and back, in one process: a real service, a scripted core, both protocols by hand."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from adapters.core import Level
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.demo.scene import CorePart, Scene
from gateway.route.zone import Zone
from gateway.service import Service
from spool.lifecycle import WAITING
from spool.verify import verify
from tests.contracts.ports import SCENES, share_of
from tests.integration.engine import both_engines, on_engine

WAIT_S: Final = 30.0
CORE: Final = "billing"
WEEK_US: Final = 7 * 86_400_000_000


@dataclass(frozen=True)
class Told:
    """An answer over HTTP."""

    status: int
    headers: Any
    text: str

    @property
    def body(self) -> Any:
        """Its JSON."""
        return json.loads(self.text)

    def tag(self, name: str) -> str:
        """The text of a tag of its XML; empty when it isn't there."""
        found = re.search(f"<{name}>([^<]*)</{name}>", self.text)
        return found[1] if found else ""


@dataclass
class Town:
    """A service, its core, and somebody who pays."""

    scene: Scene
    service: Service
    core: ScriptedCore
    client: aiohttp.ClientSession

    @property
    def health(self) -> Any:
        """The route's."""
        return self.service.routes[0].health

    async def kiosk(self, txn_id: int, *, account: str = "100", amount: str = "10.00", **more: str) -> Told:
        """`pay` by OSMP."""
        query = {"command": "pay", "txn_id": str(txn_id), "txn_date": "20260115120133", "account": account}
        url = f"{self.scene.url}/osmp/{CORE}-kiosk"
        async with self.client.get(url, params={**query, "sum": amount, **more}) as answer:
            return Told(answer.status, answer.headers, await answer.text())

    async def bank(self, key: str, *, account: str = "200", amount: str = "20.00", prefer: str = "") -> Told:
        """`POST /v1/payments`."""
        headers = {"Authorization": f"Bearer {self.scene.bank_token(CORE)}", "Idempotency-Key": key}
        body = {"account": account, "amount": amount, "currency": "RUB"}
        if prefer:
            headers["Prefer"] = prefer
        async with self.client.post(f"{self.scene.url}/v1/payments", json=body, headers=headers) as answer:
            return Told(answer.status, answer.headers, await answer.text())

    async def both(self, numbers: range) -> list[Told]:
        """A payment by each channel for each number, all at once, each on an account of its own."""
        by_kiosk = (self.kiosk(each, account=f"1{each}") for each in numbers)
        by_bank = (self.bank(f"k{each}", account=f"2{each}") for each in numbers)
        return await asyncio.gather(*by_kiosk, *by_bank)

    async def zone(self, zone: Zone) -> None:
        """Wait until the route stands so."""
        reached = asyncio.Event()
        self.health.on_change(lambda _old, new, _diagnosis: reached.set() if new is zone else None)
        if self.health.zone is not zone:
            async with asyncio.timeout(WAIT_S):
                await reached.wait()

    async def drained(self) -> None:
        """Wait until nothing waits any more."""
        async with asyncio.timeout(WAIT_S):
            while await self.waiting():
                pass

    async def looked(self) -> None:
        """Let the service work for one request's time."""
        async with self.client.get(f"{self.scene.admin_url}/livez") as answer:
            assert answer.status == 200

    async def waiting(self) -> int:
        """Entries that are not finished, by what is on disk, and by what the service knows to be on disk."""
        found = await verify(self.service.shelf, None)
        known = (total.entries for cell, total in self.service.spool.store.tally.cells() if cell.state in WAITING)
        return max(sum(balance.waiting.entries for balance in found.balances), sum(known))

    def states(self) -> dict[str, int]:
        """Entries by state."""
        counts: dict[str, int] = {}
        for cell, total in self.service.spool.store.tally.cells():
            counts[cell.state.word] = counts.get(cell.state.word, 0) + total.entries
        return {state: count for state, count in counts.items() if count}

    def booked(self) -> list[str]:
        """Marks of all bookings, sorted."""
        return sorted(booking.service for booking in self.core.ledger.bookings())


def marks(numbers: range) -> list[str]:
    """What the ledger has when each payment of `both` was booked once."""
    return sorted([*(f"{CORE}-kiosk.{each}" for each in numbers), *(f"{CORE}-bank.k{each}" for each in numbers)])


@pytest.fixture
async def town(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    """All of it, at work. Parametrise indirectly for another core."""
    part = getattr(request, "param", CorePart(name=CORE))
    scene = Scene(tmp_path, [part], SystemClock(), ports=share_of(SCENES))
    scene.config.write_text(on_engine(scene.config.read_text(), tmp_path))
    port, control_port = scene.core_ports(CORE)
    settings = Settings(ledger=scene.ledger(CORE), level=part.level, port=port, control_port=control_port)
    async with ScriptedCore.start(settings) as core, aiohttp.ClientSession() as client:
        service = Service(load(scene.config), SystemClock())
        await service.start()
        try:
            yield Town(scene, service, core, client)
        finally:
            await service.stop()


OUTAGES: Final = [
    FaultKind.REFUSE,
    FaultKind.HANG,
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.ERROR_BEFORE,
    FaultKind.ERROR_AFTER,
    FaultKind.MAINTENANCE,
    FaultKind.THROTTLE,
    FaultKind.UNAUTHORISED,
    FaultKind.TRUNCATED,
    FaultKind.GARBAGE,
    FaultKind.WRONG_TYPE,
    FaultKind.HUGE,
]

SPEAKERS: Final = [
    CorePart(name=CORE),
    CorePart(name=CORE, protocol="osmp"),
    CorePart(name=CORE, level=Level.B),
    CorePart(name=CORE, level=Level.B, protocol="osmp"),
]


@pytest.mark.parametrize("town", SPEAKERS, ids=lambda part: f"{part.protocol}-{part.level}", indirect=True)
@pytest.mark.parametrize("kind", OUTAGES)
async def test_every_payment_of_an_outage_is_booked_once(town: Town, kind: FaultKind) -> None:
    """Before, during and after it each gets a yes, whatever the core does, and the ledger has each once."""
    before = await town.both(range(1, 4))
    town.core.control.set(Fault(kind=kind, retry_after_s=1, size_bytes=100_000))
    during = await town.both(range(4, 12))
    town.core.control.clear()
    after = await town.both(range(12, 15))
    await town.drained()
    assert [told.status for told in [*before, *during, *after] if told.status not in (200, 201, 202)] == []
    assert {told.tag("result") for told in [*before, *during, *after] if told.status == 200} == {"0"}
    assert town.booked() == marks(range(1, 15))
    assert town.states() == {"posted": 28}
    assert (await verify(town.service.shelf, None)).ok


@both_engines
async def test_osmp_answers_alike_before_during_and_after(town: Town) -> None:
    """Result 0, and a `prv_txn` that never changes, byte for byte: the terminal can't tell the outage."""
    first = await town.kiosk(1)
    town.core.control.outage(FaultKind.REFUSE)
    again, other = await town.kiosk(1), await town.kiosk(2)
    town.core.control.clear()
    await town.drained()
    at_last = [await town.kiosk(1), await town.kiosk(2)]
    assert [told.tag("result") for told in (first, again, other, *at_last)] == ["0"] * 5
    assert first.text == again.text == at_last[0].text
    assert other.text == at_last[1].text
    assert town.booked() == [f"{CORE}-kiosk.1", f"{CORE}-kiosk.2"]


@both_engines
async def test_json_says_posted_in_health_and_provisional_in_an_outage(town: Town) -> None:
    """201 and 202, each with the place where to ask; after the outage the question is answered by posted."""
    posted = await town.bank("a")
    town.core.control.outage(FaultKind.REFUSE)
    provisional = await town.bank("b")
    assert (posted.status, posted.body["status"]) == (201, "posted")
    assert (provisional.status, provisional.body["status"]) == (202, "provisional")
    town.core.control.clear()
    await town.drained()
    headers = {"Authorization": f"Bearer {town.scene.bank_token(CORE)}"}
    async with town.client.get(town.scene.url + provisional.headers["Location"], headers=headers) as answer:
        told = await answer.json()
    assert (told["status"], told["state"]) == ("posted", "posted")


@pytest.mark.parametrize("outage", [False, True], ids=["in health", "in an outage"])
async def test_json_replays_the_first_answer(town: Town, outage: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The same body again, and a header that says so; the outage's end changes nothing about it."""
    _ = outage and town.core.control.outage(FaultKind.REFUSE)
    first, again = await town.bank("a"), await town.bank("a")
    town.core.control.clear()
    await town.drained()
    at_last = await town.bank("a")
    assert (again.status, again.text) == (at_last.status, at_last.text) == (first.status, first.text)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == at_last.headers["Idempotency-Replayed"] == "true"
    assert town.booked() == [f"{CORE}-bank.a"]


async def test_json_refuses_a_known_key_with_other_content(town: Town) -> None:
    """422 that names the fields and repeats no value; the payment stands as it was."""
    await town.bank("a", account="200", amount="20.00")
    told = await town.bank("a", account="201", amount="20.01")
    assert (told.status, told.body["type"]) == (422, "urn:nightsafe:problem:conflict")
    assert {error["pointer"] for error in told.body["errors"]} == {"#/account", "#/amount"}
    assert "201" not in told.text
    assert town.booked() == [f"{CORE}-bank.a"]


async def test_osmp_refuses_a_known_key_with_other_content(town: Town) -> None:
    """300 without a receipt; the payment stands as it was."""
    await town.kiosk(1, amount="10.00")
    told = await town.kiosk(1, amount="10.01")
    assert (told.tag("result"), told.tag("prv_txn")) == ("300", "")
    assert [booking.amount for booking in town.core.ledger.bookings()] == [1000]


async def test_a_json_twin_gets_409_or_waits_if_it_prefers(town: Town) -> None:
    """While the first is being answered, its twin is told so at once, or attaches to the same answer."""
    town.core.control.set(Fault(kind=FaultKind.LATE, delay_s=0.5, operation=Operation.PAY))
    first = asyncio.create_task(town.bank("a"))
    await town.core.arrived(1)
    at_once, attached = await asyncio.gather(town.bank("a"), town.bank("a", prefer="wait=5"))
    told = await first
    assert (at_once.status, at_once.body["type"]) == (409, "urn:nightsafe:problem:in_progress")
    assert (told.status, attached.status, attached.text) == (201, 201, told.text)
    assert town.booked() == [f"{CORE}-bank.a"]


async def test_an_osmp_twin_waits_for_the_same_answer(town: Town) -> None:
    """A terminal's repeat is no second payment, and needs no preference."""
    town.core.control.set(Fault(kind=FaultKind.LATE, delay_s=0.5, operation=Operation.PAY))
    twins = await asyncio.gather(*(town.kiosk(1) for _ in range(4)))
    assert {told.text for told in twins} == {twins[0].text}
    assert twins[0].tag("result") == "0"
    assert town.booked() == [f"{CORE}-kiosk.1"]


@both_engines
async def test_a_live_payment_that_was_not_sent_is_sent_later(town: Town) -> None:
    """Not sent just as the route opened, after later entries were read already: it is still the first of its lane."""
    for fault in (
        Fault(kind=FaultKind.SLOW, delay_s=0.5, operation=Operation.PAY),
        Fault(kind=FaultKind.THROTTLE, retry_after_s=0, operation=Operation.PAY),
    ):
        town.core.control.set(fault)
    live = asyncio.create_task(town.kiosk(1, account="100"))
    await town.core.arrived(1)
    behind = await town.kiosk(2, account="100")
    assert behind.tag("result") == "0"
    await town.looked()
    now_us = town.service.clock.now_us()
    town.health.force(Zone.OPEN, until_us=now_us + WEEK_US, actor="test", reason="a drill")
    assert (await live).tag("result") == "0"
    town.core.control.clear()
    town.health.release()
    await town.drained()
    assert [booking.service for booking in town.core.ledger.bookings()] == [f"{CORE}-kiosk.1", f"{CORE}-kiosk.2"]


@both_engines
@pytest.mark.parametrize("town", [CorePart(name=CORE, level=Level.C)], indirect=True, ids=["level C"])
@pytest.mark.parametrize("kind", [FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER, FaultKind.GARBAGE, FaultKind.HANG])
async def test_a_blind_core_s_unclear_payments_wait_for_a_person(town: Town, kind: FaultKind) -> None:
    """None is guessed: whether it was booked or not, it is parked; what comes after it is booked."""
    town.core.control.set(Fault(kind=kind, operation=Operation.PAY, count=1))
    told = await town.kiosk(1, account="100")
    after = await town.kiosk(2, account="101")
    assert (told.tag("result"), after.tag("result")) == ("0", "0")
    attempts = [attempt for attempt in town.core.ledger.attempts() if attempt.operation is Operation.PAY]
    assert town.states() == {"parked": 1, "posted": 1}
    assert len(attempts) == 2
