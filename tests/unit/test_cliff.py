"""A core that falls over above so many at once: after an outage it is pushed over once at most, and then used well (P8).

The core counts for itself, on simulated time: how often it fell, and what it booked while it was being drained to.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Final

import pytest

from adapters.core import Level
from adapters.payment import AnswerKind
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.record import KeptInMemory
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone
from gateway.standin.settings import StandinSettings
from spool.memory import MemoryStore
from tests.unit.cliff_core import CALM_S, CliffCore
from tests.unit.fake_core import able
from tests.unit.heart import Heart

SERVICE_S: Final = 0.05
STEP_S: Final = 0.05
PAYMENTS: Final = 3_000
"""As many as keep a core of 16 at once busy for ten seconds."""

OUTAGE_S: Final = 5.0
DRAIN_S_MAX: Final = 60.0


class Recovery:
    """A core that was down, and what waits for it; nobody pays meanwhile."""

    def __init__(
        self, limit: int, seed: int, calm_s: float = CALM_S, payments: int = PAYMENTS, explore_after_s: int = 0
    ) -> None:
        clock = ManualClock(seed=seed)
        self.core = CliffCore(able(Level.A), clock, limit=limit, service_s=SERVICE_S, seed=seed, calm_s=calm_s)
        sending = ForwardSettings(in_flight_max=256, explore_after_s=explore_after_s)
        self.heart = Heart(
            MemoryStore(), self.core, clock, StandinSettings(), sending, BreakerSettings(), keeper=KeptInMemory()
        )
        self.safe_rate = limit / SERVICE_S
        self.payments = payments
        #: What payers beside the drain were told.
        self.told = Counter[AnswerKind]()
        self.paying = list[asyncio.Task[None]]()

    async def taken(self) -> None:
        """The core is down, and all payments are stood in for."""
        await self.heart.open()
        self.core.down = True
        for number in range(self.payments):
            await self.heart.pay(f"k{number}", account=str(number))
        assert self.heart.health.zone is Zone.OPEN

    async def drained(self, relapses: int = 0) -> None:
        """The core comes back, perhaps to go again in the middle of it; until nothing waits."""
        heart, core = self.heart, self.core
        tasks = [asyncio.create_task(heart.health.run()), asyncio.create_task(heart.forwarder.run())]
        try:
            for relapse in range(1, relapses + 2):
                await heart.clock.advance(OUTAGE_S)
                core.down = False
                while len(core.booked_at) < self.payments * relapse // (relapses + 1):
                    await heart.clock.advance(STEP_S)
                core.down = relapse <= relapses
            while heart.store.tally.exposure(heart.route.name).entries:
                await heart.clock.advance(STEP_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await heart.crash()

    async def drained_over_a_crash(self) -> int:
        """The service is killed in the middle of the drain and starts again; bookings in the second after that."""
        core = self.core
        core.down = False
        await self._works_until(lambda: len(core.booked_at) >= self.payments // 2)
        self.heart = await self.heart.restarted()
        began, before = self.heart.clock.monotonic(), len(core.booked_at)
        await self._works_until(lambda: self.heart.clock.monotonic() - began >= 1.0)
        in_a_second = len(core.booked_at) - before
        await self._works_until(lambda: not self.heart.store.tally.exposure(self.heart.route.name).entries)
        await self.heart.crash()
        return in_a_second

    async def _works_until(self, done: Callable[[], bool]) -> None:
        heart = self.heart
        tasks = [asyncio.create_task(heart.health.run()), asyncio.create_task(heart.forwarder.run())]
        until = heart.clock.monotonic() + DRAIN_S_MAX
        try:
            while not done():
                assert heart.clock.monotonic() < until, "it is drained in time"
                await heart.clock.advance(STEP_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def drained_beside_payers(self, every_s: float) -> None:
        """The core comes back while payers go on paying, one each `every_s`; until nothing waits."""
        heart, core = self.heart, self.core
        tasks = [asyncio.create_task(heart.health.run()), asyncio.create_task(heart.forwarder.run())]
        payers = asyncio.create_task(self._pay_on(every_s))
        try:
            await heart.clock.advance(OUTAGE_S)
            core.down = False
            while heart.store.tally.exposure(heart.route.name).entries:
                await heart.clock.advance(STEP_S)
            payers.cancel()
            while not all(each.done() for each in self.paying):
                await heart.clock.advance(STEP_S)
        finally:
            for task in (*tasks, payers):
                task.cancel()
            await asyncio.wait([*tasks, payers])
            await heart.crash()

    async def _pay_on(self, every_s: float) -> None:
        for number in itertools.count():
            self.paying.append(asyncio.create_task(self._one(f"p{number}")))
            await self.heart.clock.sleep(every_s)

    async def _one(self, key: str) -> None:
        self.told[(await self.heart.pay(key, account=key)).kind] += 1

    def rate(self) -> float:
        """Bookings a second over the later half, when the core was at its pace."""
        first = PAYMENTS // 2
        return (len(self.core.booked_at) - first) / (self.core.booked_at[-1] - self.core.booked_at[first])


@pytest.mark.parametrize(("limit", "seed"), [(8, 1), (16, 1), (16, 2), (40, 1)])
async def test_a_core_with_a_cliff_is_pushed_over_once_at_most_and_then_used_well(limit: int, seed: int) -> None:
    """Where the cliff is can only be found by going over it. The drain then runs at 80 % and more of what is safe."""
    recovery = Recovery(limit, seed)
    await recovery.taken()
    await recovery.drained()
    assert recovery.core.falls <= 1
    assert recovery.rate() >= 0.8 * recovery.safe_rate
    assert set(recovery.core.bookings.values()) == {1}
    assert len(recovery.core.bookings) == PAYMENTS


@pytest.mark.parametrize("limit", [8, 16, 40])
async def test_a_core_of_which_nothing_is_known_is_not_pushed_over_without_need(limit: int) -> None:
    """Eight at once are enough for a drain that takes no longer than it may: nobody goes over the cliff to find it."""
    recovery = Recovery(limit, seed=1, payments=900, explore_after_s=1800)
    await recovery.taken()
    await recovery.drained()
    assert (recovery.core.falls, recovery.core.most) == (0, 8)
    assert len(recovery.core.bookings) == 900


async def test_what_was_learned_outlives_a_relapse() -> None:
    """The core dies twice more while it is being drained to; it is not pushed over again for that."""
    recovery = Recovery(16, seed=1)
    await recovery.taken()
    await recovery.drained(relapses=2)
    assert recovery.core.falls <= 1
    assert set(recovery.core.bookings.values()) == {1}


async def test_what_was_learned_outlives_a_crash_of_ours_in_the_middle_of_the_drain() -> None:
    """The next process neither pushes the core over again to find its cliff, nor begins with two at once again."""
    recovery = Recovery(16, seed=1, payments=900)
    await recovery.taken()
    in_a_second = await recovery.drained_over_a_crash()
    assert recovery.core.falls <= 1
    assert in_a_second >= 0.8 * recovery.safe_rate
    assert len(recovery.core.bookings) == 900
    assert set(recovery.core.bookings.values()) == {1}


@pytest.mark.parametrize(("calm_s", "every_s"), [(CALM_S, 0.00625), (30.0, 0.1)])
async def test_payers_beside_the_drain_count_against_the_same_pace(calm_s: float, every_s: float) -> None:
    """Payers come with half of what is safe; or a few, and the core takes half a minute to get up again. One fall at most.

    Both get through: payers are told posted while the backlog drains, and it drains.
    """
    recovery = Recovery(16, seed=1, calm_s=calm_s, payments=500)
    await recovery.taken()
    await recovery.drained_beside_payers(every_s)
    assert recovery.core.falls <= 1
    assert recovery.told[AnswerKind.POSTED] >= 40
    assert set(recovery.core.bookings.values()) == {1}
