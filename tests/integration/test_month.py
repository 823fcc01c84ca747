"""A month's outage, in simulated time: nothing changes state, the limits hold to the payment, and all of it is posted (P4).

6,000 payments in the suite, `make month PAYMENTS=1000000` for the real measure. The heart of the gateway is whole and
real, on SQLite; time stands still but for what the test lets go by, and the core is a fake that remembers little.
"""

import asyncio
import os
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, cast

import pytest

from adapters.core import Delivery, Level
from adapters.outcome import Outcome, Posted
from adapters.payment import AnswerKind
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone
from gateway.standin.settings import StandinSettings
from spool.lifecycle import State, Told
from spool.memory import MemoryStore
from spool.sqlite import SqliteStore
from spool.store import Filter
from spool.tally import Sum
from spool.verify import verify
from tests.unit.fake_core import NOT_SENT, FakeCore, able
from tests.unit.heart import Heart

PAYMENTS: Final = int(os.environ.get("NIGHTSAFE_PAYMENTS", "6000"))
DAYS: Final = 30
ACCOUNTS: Final = max(1_024, PAYMENTS // 20)
"""Twice as many as a full window has entries, or more."""
AT_ONCE: Final = 256
"""Payments that race for what is left of the limits."""

HOURS: Final = 24
HOUR_S: Final = 3600.0
LIMIT: Final = PAYMENTS * 9 // 10
"""Payments that may wait provisionally: the month is longer than the limit allows for."""

WINDOW: Final = 512
IN_FLIGHT: Final = 64


class PlainCore(FakeCore):
    """Down until told otherwise; keeps no more of a payment than its number and what came before it on its account."""

    def __init__(self) -> None:
        super().__init__(able(Level.A))
        self.down = True
        #: Attempts that found it up.
        self.served = 0
        #: The last payment booked on each account, and the accounts where an earlier one came after it.
        self.last: dict[str, int] = {}
        self.disordered: set[str] = set()

    async def probe(self, timeout_s: float) -> Outcome:
        """Whether anybody is there."""
        assert timeout_s > 0, "a probe has time"
        return NOT_SENT if self.down else Posted()

    async def _order(self, operation: str, delivery: Delivery) -> Outcome:
        assert operation == "post", "nothing is reversed here"
        if self.down:
            return NOT_SENT
        self.served += 1
        self.under_way.append(delivery)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        await asyncio.sleep(0)
        self.under_way.remove(delivery)
        self.bookings[delivery.number] += 1
        if delivery.number < self.last.get(delivery.account, 0):
            self.disordered.add(delivery.account)
        self.last[delivery.account] = delivery.number
        return Posted(core_id=str(delivery.number))


class Month:
    """Thirty days without a core, a payment at a time, and the way back."""

    def __init__(self, folder: Path) -> None:
        self.core = PlainCore()
        self.clock = ManualClock()
        self.store = SqliteStore(folder / "spool.db", reserve_bytes=0)
        self.heart = Heart(
            # The heart asks for no more than the seam, but for its tests of the memory engine.
            cast("MemoryStore", self.store),
            self.core,
            self.clock,
            StandinSettings(exposure_count_max=LIMIT, exposure_sum_max="100000000000"),
            ForwardSettings(in_flight_max=IN_FLIGHT, window_entries_max=WINDOW),
            BreakerSettings(),
            lambda: self.core.probe(1.0),
        )
        self.told: dict[AnswerKind, int] = dict.fromkeys(AnswerKind, 0)
        self.provisional_amount = 0
        self._asked = 0
        #: The most entries the forwarder ever held in memory.
        self.most_held = 0

    async def pay(self, count: int) -> None:
        """So many payments, many at once."""
        for first in range(self._asked, self._asked + count, AT_ONCE):
            serials = range(first, min(first + AT_ONCE, self._asked + count))
            await asyncio.gather(*(self._pay_one(serial) for serial in serials))
        self._asked += count

    async def _pay_one(self, serial: int) -> None:
        amount = 100 + serial % 1000
        answer = await self.heart.pay(f"{serial}", account=str(serial % ACCOUNTS), amount=amount)
        self.told[answer.kind] += 1
        self.provisional_amount += amount if answer.kind is AnswerKind.PROVISIONAL else 0

    @property
    def exposure(self) -> Sum:
        """What waits, told provisional."""
        return self.store.tally.exposure(self.heart.route.name)

    async def hour(self) -> bool:
        """An hour goes by: the watch looks, the probe asks, the forwarder has its round; did anything move?"""
        before = self.store.tally.snapshot()
        await self.clock.advance(HOUR_S)
        await self.heart.health.run_once()
        done = await self.heart.forwarder.run_once()
        return (done.started, done.loaded, done.set_behind) != (0, 0, 0) or self.store.tally.snapshot() != before

    async def drain(self) -> None:
        """The core is back: probe, trial, ramp, until nothing waits."""
        self.core.down = False
        tasks = [asyncio.create_task(self.heart.health.run()), asyncio.create_task(self.heart.forwarder.run())]
        try:
            while self.exposure.entries:
                await self.clock.advance(0.01)
                self.most_held = max(self.most_held, len(self.heart.forwarder._window))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


@pytest.fixture
async def month(tmp_path: Path) -> AsyncIterator[Month]:
    """A spool of its own, opened."""
    made = Month(tmp_path)
    await made.heart.open()
    yield made
    await made.heart.crash()


async def test_a_month_without_a_core_changes_nothing_and_is_posted_afterwards(month: Month) -> None:
    """P4, and P1, P2 and P8 after it: each provisional yes is posted once, in order, from bounded memory."""
    # The outage is noticed by the first payments; whoever finds the core gone is stood in for.
    await month.pay(AT_ONCE)
    assert month.heart.health.zone is Zone.OPEN
    moved = 0
    for _day in range(DAYS):
        await month.pay((PAYMENTS - AT_ONCE) // DAYS)
        assert month.exposure.entries <= LIMIT
        moved += sum([await month.hour() for _ in range(HOURS)])
    # Nothing moved in 720 hours, and what the limits left room for was taken, to the payment.
    assert moved == 0
    assert month.told[AnswerKind.PROVISIONAL] == LIMIT == month.exposure.entries
    assert month.exposure.amount == month.provisional_amount
    assert month.told[AnswerKind.TRY_LATER] == sum(month.told.values()) - LIMIT
    assert await month.store.page(Filter(states=frozenset(State) - {State.READY, State.CANCELLED}), 1) == []
    assert (month.core.served, month.heart.health.zone) == (0, Zone.OPEN)
    await month.drain()
    verdict = await verify(month.store)
    posted = month.store.tally.exposure(month.heart.route.name)
    sys.stdout.write(
        f"{LIMIT} posted of {sum(month.told.values())} asked; at most {month.most_held} in memory,"
        f" {month.core.most_under_way} at the core; {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB\n"
    )
    assert (posted.entries, verdict.ok) == (0, True)
    assert (len(month.core.bookings), set(month.core.bookings.values())) == (LIMIT, {1})
    assert month.core.disordered == set()
    assert month.most_held <= WINDOW
    assert month.core.most_under_way <= IN_FLIGHT
    told = {cell.told for cell, total in month.store.tally.cells() if total.entries and cell.state is State.POSTED}
    assert told == {Told.PROVISIONAL}
