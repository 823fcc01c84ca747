"""A core that falls over above so many at once, before two nodes: pushed over once at most by both together (P8).

Simulated time; each node has a spool of its own here, as its share of the lanes, and they hear of each other as over one.
"""

import asyncio
from functools import partial
from typing import Final

import pytest

from adapters.core import Level
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.gossip import Gossip
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import StandinSettings
from spool.memory import MemoryStore
from spool.nodes import Alone, Nodes, Share
from tests.unit.cliff_core import CliffCore
from tests.unit.fake_core import able
from tests.unit.heart import Heart

SERVICE_S: Final = 0.05
STEP_S: Final = 0.05
OUTAGE_S: Final = 5.0
DRAIN_S_MAX: Final = 240.0
NODES: Final = 2
SENDING: Final = ForwardSettings(in_flight_max=256, explore_after_s=0)


class Member(Alone):
    """A node among others."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    @property
    def seat(self) -> tuple[int, int]:
        """Its own."""
        return self.place, NODES

    @property
    def share(self) -> Share:
        """An equal part."""
        return Share(self.place, NODES)


class Talk(MemoryStore):
    """What nodes tell each other by, of one of them."""

    def __init__(self, common: MemoryStore, place: int) -> None:
        super().__init__()
        self.nodes: Nodes = Member(place)
        self.common = common

    async def remember(self, name: str, value: bytes) -> None:
        """For all."""
        await self.common.remember(name, value)

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Of all."""
        return await self.common.recall_some(prefix, after, limit)


class Fleet:
    """Nodes before one core, each with payments that wait."""

    def __init__(
        self, limit: int, payments: tuple[int, int], *, talks: bool = True, sending: ForwardSettings = SENDING
    ) -> None:
        """The core is down, and falls over above `limit` at once when it is up."""
        self.clock = ManualClock(seed=1)
        self.core = CliffCore(able(Level.A), self.clock, limit=limit, service_s=SERVICE_S)
        self.core.down = True
        self.payments = payments
        self.talks = talks
        self.hearts = [
            Heart(MemoryStore(), self.core, self.clock, StandinSettings(), sending, BreakerSettings())
            for _ in range(NODES)
        ]
        for place, heart in enumerate(self.hearts):
            heart.health.pace.share = partial(Share, place, NODES)
            heart.numbers.seat = partial(Share, place, NODES)

    async def _begun(self, place: int, common: MemoryStore) -> "list[asyncio.Task[None]]":
        heart = self.hearts[place]
        await heart.open()
        for number in range(self.payments[place]):
            await heart.pay(f"k{place}-{number}", account=f"{place}{number}")
        gossip = Gossip(Talk(common, place), [heart.health], self.clock, own=frozenset())
        loops = [heart.health.run(), heart.forwarder.run(), *([gossip.run()] if self.talks else [])]
        return [asyncio.create_task(each) for each in loops]

    async def drained(self) -> None:
        """All is taken during an outage; then the core is back, until nothing waits anywhere."""
        common = MemoryStore()
        await common.open(0)
        tasks = [task for place in range(NODES) for task in await self._begun(place, common)]
        await self.clock.advance(OUTAGE_S)
        self.core.down = False
        until = self.clock.monotonic() + DRAIN_S_MAX
        while any(heart.store.tally.exposure(heart.route.name).entries for heart in self.hearts):
            assert self.clock.monotonic() < until, "it is drained in time"
            await self.clock.advance(STEP_S)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for heart in self.hearts:
            await heart.crash()


@pytest.mark.parametrize(
    ("limit", "payments"), [(16, (1500, 1500)), (40, (1500, 1500)), (16, (2400, 600)), (24, (600, 2400))]
)
async def test_two_nodes_push_a_core_over_once_at_most(limit: int, payments: tuple[int, int]) -> None:
    """What one learns of the fall holds for both, in total; also where one of them has less to send and ends first."""
    fleet = Fleet(limit, payments)
    await fleet.drained()
    core = fleet.core
    assert core.falls <= 1
    assert set(core.bookings.values()) == {1}
    assert len(core.bookings) == sum(payments)


async def test_two_nodes_use_a_core_well_below_where_it_fell() -> None:
    """Their later half is booked at two thirds and more of what is safe: each leaves a little, and the odd place."""
    fleet = Fleet(40, (1500, 1500))
    await fleet.drained()
    booked_at = fleet.core.booked_at
    first = len(booked_at) // 2
    assert (len(booked_at) - first) / (booked_at[-1] - booked_at[first]) >= 0.65 * 40 / SERVICE_S


async def test_what_nodes_tell_each_other_is_what_keeps_them_from_pushing_again() -> None:
    """Each by itself sees half of what is there, and one learns nothing of a fall at so few."""
    fleet = Fleet(16, (1500, 1500), talks=False)
    await fleet.drained()
    assert fleet.core.falls > 1


@pytest.mark.parametrize("ceiling", [1, 2, 7, 12])
async def test_two_nodes_together_keep_to_one_limit(ceiling: int) -> None:
    """The core counts; one each is the least."""
    fleet = Fleet(1000, (150, 150), sending=ForwardSettings(in_flight_max=ceiling, slow_start_s=0.5, explore_after_s=0))
    await fleet.drained()
    assert fleet.core.most == max(ceiling, NODES)
