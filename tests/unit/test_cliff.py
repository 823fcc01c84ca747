"""A core that falls over above so many at once: after an outage it is pushed over once at most, and then used well (P8).

The core counts for itself, on simulated time: how often it fell, and what it booked while it was being drained to.
"""

import asyncio
from typing import Final

import pytest

from adapters.core import Level
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone
from gateway.standin.settings import StandinSettings
from spool.memory import MemoryStore
from tests.unit.cliff_core import CliffCore
from tests.unit.fake_core import able
from tests.unit.heart import Heart

SERVICE_S: Final = 0.05
STEP_S: Final = 0.05
PAYMENTS: Final = 3_000
"""As many as keep a core of 16 at once busy for ten seconds."""

OUTAGE_S: Final = 5.0


class Recovery:
    """A core that was down, and what waits for it; nobody pays meanwhile."""

    def __init__(self, limit: int, seed: int) -> None:
        clock = ManualClock(seed=seed)
        self.core = CliffCore(able(Level.A), clock, limit=limit, service_s=SERVICE_S, seed=seed)
        sending = ForwardSettings(in_flight_max=256)
        self.heart = Heart(MemoryStore(), self.core, clock, StandinSettings(), sending, BreakerSettings())
        self.safe_rate = limit / SERVICE_S

    async def taken(self) -> None:
        """The core is down, and all payments are stood in for."""
        await self.heart.open()
        self.core.down = True
        for number in range(PAYMENTS):
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
                while len(core.booked_at) < PAYMENTS * relapse // (relapses + 1):
                    await heart.clock.advance(STEP_S)
                core.down = relapse <= relapses
            while heart.store.tally.exposure(heart.route.name).entries:
                await heart.clock.advance(STEP_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await heart.crash()

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


async def test_what_was_learned_outlives_a_relapse() -> None:
    """The core dies twice more while it is being drained to; it is not pushed over again for that."""
    recovery = Recovery(16, seed=1)
    await recovery.taken()
    await recovery.drained(relapses=2)
    assert recovery.core.falls <= 1
    assert set(recovery.core.bookings.values()) == {1}
