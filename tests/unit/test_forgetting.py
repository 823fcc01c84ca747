"""What is over for longer than it is kept leaves the spool in the background: a little at a time, and by one node for all."""

import asyncio

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway.clock import ManualClock, settle
from gateway.deliver import original_of
from gateway.engines.forgetting import BATCH, DAY_US, PASS_S, WAIT_S, Forgetter
from spool.errors import RecordDamaged, SpoolClosed
from spool.forgetting import Forgotten, Past
from spool.lifecycle import CLAIM, POST, Kind, State
from spool.memory import MemoryStore
from spool.nodes import Alone
from spool.number import number_at
from spool.spool import Spool
from spool.store import Filter
from tests.contracts.spool_examples import draft, go, put
from tests.unit.heart import KEYS, kept

DAYS = 40
PER_S = 100
DAY_S = DAY_US // 1_000_000


class Troubled(MemoryStore):
    """A store that may fail as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Exception | None = None

    async def forget(self, past: Past, after: int, limit: int, at_us: int) -> Forgotten:
        """Fail, or forget."""
        if self.fails is not None:
            raise self.fails
        return await super().forget(past, after, limit, at_us)


class Sitting(Alone):
    """A node among others."""

    def __init__(self, name: bytes) -> None:
        super().__init__()
        self.shared = True
        self.name = name
        self.there = {b"mine", b"other"}

    @property
    def sitting(self) -> bytes:
        """Its seat under its lease."""
        return self.name

    async def sittings(self) -> frozenset[bytes]:
        """Who is there."""
        return frozenset(self.there)


class House:
    """A spool, its clock and who forgets."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = Troubled()
        self.forgetter = Forgetter(self.store, self.clock, days=DAYS, per_s=PER_S)

    async def open(self) -> "House":
        """Begin empty."""
        await self.store.open(self.clock.now_us())
        return self

    async def take(self, days_ago: float, count: int = 1) -> None:
        """Payments taken and posted so long ago."""
        at_us = self.clock.now_us() - round(days_ago * DAY_US)
        for number in range(number_at(at_us), number_at(at_us) + count):
            await go(self.store, await put(self.store, replace(draft(number), accepted_at_us=at_us)), CLAIM, POST)

    async def kept(self) -> int:
        """How many payments are there."""
        return len(await self.store.page(Filter(states=frozenset({State.POSTED})), 10_000))


@pytest.fixture
async def house() -> House:
    """An empty house."""
    return await House().open()


async def test_what_ended_long_ago_is_forgotten_and_the_rest_is_not(house: House) -> None:
    """To the day."""
    await house.take(days_ago=DAYS + 0.01)
    await house.take(days_ago=DAYS - 0.01)

    with capture_logs() as logs:
        pauses = [await house.forgetter.run_once() for _ in range(2)]

    assert pauses == [BATCH / PER_S, PASS_S]
    assert await house.kept() == 1
    assert [(each["event"], each["entries"], each["days"]) for each in logs] == [("forgotten", 1, DAYS)]


async def test_it_goes_a_little_at_a_time(house: House) -> None:
    """No payment waits for a thousand others to be forgotten."""
    await house.take(days_ago=DAYS + 1, count=BATCH + 5)

    first = await house.forgetter.run_once()
    left = await house.kept()
    second, third = await house.forgetter.run_once(), await house.forgetter.run_once()

    assert left == 5
    assert (first, second, third) == (BATCH / PER_S, BATCH / PER_S, PASS_S)
    assert await house.kept() == 0


async def test_it_begins_again_every_hour(house: House) -> None:
    """What was not old enough, or not over, is then perhaps."""
    await house.take(days_ago=DAYS - 0.02)
    running = asyncio.create_task(house.forgetter.run())
    await settle()
    before = await house.kept()

    await house.clock.advance(PASS_S)
    await settle()

    assert (before, await house.kept()) == (1, 0)
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize(
    ("error", "event"), [(SpoolClosed("away"), "forgetting_waits"), (ValueError("a bug"), "forgetting_failed")]
)
async def test_trouble_is_told_and_waited_for(house: House, error: Exception, event: str) -> None:
    """The spool may be away, or have a bug: payments don't suffer, and it is tried again."""
    await house.take(days_ago=DAYS + 1)
    house.store.fails = error

    with capture_logs() as logs:
        assert await house.forgetter.run_once() == WAIT_S
    house.store.fails = None
    assert await house.forgetter.run_once() == BATCH / PER_S

    assert [each["event"] for each in logs] == [event]
    assert await house.kept() == 0


async def test_of_several_nodes_one_does_it(house: House) -> None:
    """And another, once that one is gone."""
    await house.take(days_ago=DAYS + 1)
    nodes = house.store.nodes = Sitting(b"other")
    await house.forgetter.run_once()
    await house.take(days_ago=DAYS + 1.5)
    nodes.name = b"mine"

    beside = await house.forgetter.run_once()
    left = await house.kept()
    nodes.there = {b"mine"}
    alone = await Forgetter(house.store, house.clock, days=DAYS, per_s=PER_S).run_once()

    assert (beside, left, alone) == (WAIT_S, 1, BATCH / PER_S)
    assert await house.kept() == 0


async def test_a_clock_that_is_a_year_ahead_at_a_start_has_nothing_forgotten_at_once(house: House) -> None:
    """Else a repeat of yesterday's payment were a new one. What was missed while nothing ran is made up for, twice as fast."""
    await house.take(days_ago=1)
    await house.take(days_ago=DAYS - 3)
    await house.forgetter.run_once()
    house.clock.jump(365 * DAY_S)
    again = Forgetter(house.store, house.clock, days=DAYS, per_s=PER_S)

    at_once = [await again.run_once(), await house.kept()]
    await house.clock.advance(DAY_S)
    a_day_later = [await again.run_once(), await house.kept()]
    await house.clock.advance(DAY_S)
    await again.run_once()

    assert (at_once, a_day_later) == ([PASS_S, 2], [PASS_S, 2])
    assert await house.kept() == 1


async def test_a_clock_that_is_far_behind_at_one_start_holds_up_nothing_at_the_next(house: House) -> None:
    """A machine whose battery is empty thinks it is another decade."""
    await house.take(days_ago=DAYS - 3)
    await house.forgetter.run_once()
    for jump_s in (-5000 * DAY_S, (5000 + 4) * DAY_S):
        house.clock.jump(jump_s)
        again = Forgetter(house.store, house.clock, days=DAYS, per_s=PER_S)
        await again.run_once()
    await house.clock.advance(2 * DAY_S)

    await again.run_once()

    assert await house.kept() == 0


async def test_who_takes_the_office_over_counts_no_time_for_which_another_had_it(house: House) -> None:
    """It has run for long, and begun by a wrong clock perhaps."""
    await house.forgetter.run_once()
    nodes = house.store.nodes = Sitting(b"other")
    other = Forgetter(house.store, house.clock, days=DAYS, per_s=PER_S)
    await other.run_once()
    await house.clock.advance(20 * DAY_S)
    await house.take(days_ago=DAYS - 15)
    nodes.name = b"mine"
    await house.forgetter.run_once()
    house.clock.jump(365 * DAY_S)
    nodes.there = {b"mine"}

    await house.forgetter.run_once()

    assert await house.kept() == 1


async def test_a_reversal_whose_payment_was_forgotten_is_a_damaged_record(house: House) -> None:
    """Where persons have it sent again just then: it is set apart for them, and its account goes on."""
    spool = Spool(house.store, KEYS)
    with pytest.raises(RecordDamaged):
        await original_of(spool, kept(draft(2, kind=Kind.REVERSAL, reverses=1)))
