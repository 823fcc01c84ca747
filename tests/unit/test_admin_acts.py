"""What a person's hold, release and retry do to entries, and what they leave alone."""

import pytest

from adapters.core import Level
from gateway.admin.duties.closing import CloseOrder, Closing
from gateway.admin.entries.acts import Act, Acts, Order, Unchanged
from gateway.admin.entries.reopening import Reopening
from gateway.admin.entries.why import Why
from gateway.clock import ManualClock
from spool import lifecycle as way
from spool.entry import Draft, Entry
from spool.errors import StorageUncertain
from spool.keys import KeyRing
from spool.lifecycle import Kind, State, Told
from spool.memory import MemoryStore
from spool.number import EPOCH_MS, id_of
from spool.spool import Spool
from spool.store import Filter, Inserted, Move
from spool.tally import Sum
from tests.unit.heart import Heart
from tests.unit.troubled_store import Trouble

NOW_US = EPOCH_MS * 1000
PLENTY = {"RUB": Sum(1_000, 10**9)}


class Remembering:
    """A forwarder that only remembers what it was told."""

    def __init__(self) -> None:
        self.lanes: list[int] = []
        self.waits: list[int] = []

    def lane_unsure(self, lane: int) -> None:
        """What waits in this lane is to be read anew."""
        self.lanes.append(lane)

    def entry_waits(self, due_at_us: int, rank: int | None = None) -> None:  # noqa: ARG002 - whichever
        """An entry waits."""
        self.waits.append(due_at_us)


class Desk:
    """Acts over a memory store, with what they are about."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = ManualClock()
        self.spool = Spool(self.store, KeyRing([(1, b"\x01" * 32)], b"\x02" * 32))
        self.forwarder = Remembering()
        #: Why some can't be asked about.
        self.unaskable: dict[int, Why] = {}
        self.acts = self.acts_of(self.spool)

    def acts_of(self, spool: Spool) -> Acts:
        """Acts that move entries of this spool."""
        reopening, unaskable = self.reopening_of(spool), lambda entry: self.unaskable.get(entry.number)
        return Acts(spool, self.store, self.clock, {"main": self.forwarder}, reopening, unaskable=unaskable)

    def reopening_of(self, spool: Spool) -> Reopening:
        """Takes refusals back in this spool."""
        return Reopening(spool, self.store, self.clock, {"main": Level.A}, self.proposed)

    async def proposed(self) -> frozenset[str]:
        """What somebody has proposed to end."""
        return frozenset()

    async def payment(self, number: int, *ways: way.Transition, amount: int = 100, route: str = "main") -> Entry:
        """A waiting payment, moved these ways; every hundred numbers share a lane."""
        draft = Draft(
            number=number,
            id=id_of(number, 0),
            kind=Kind.PAYMENT,
            channel="kiosk",
            key=f"k{number}",
            fingerprint=b"f",
            route=route,
            lane=number // 100,
            amount=amount,
            currency="RUB",
            accepted_at_us=NOW_US,
            state=State.READY,
            told=Told.PROVISIONAL,
            content=b"",
        )
        recorded = await self.spool.record(draft)
        assert isinstance(recorded, Inserted)
        entry = recorded.entry
        for step in ways:
            move = Move(entry=entry, transition=step, at_us=NOW_US)
            assert await self.spool.move([move]) == [True]
            entry = move.after()
        return entry

    async def state(self, number: int) -> State:
        """Where an entry is now."""
        found = await self.store.get(number)
        assert found is not None
        return found.state


@pytest.fixture
async def desk() -> Desk:
    """An open spool with nothing in it."""
    made = Desk()
    await made.spool.open(NOW_US)
    return made


def order(act: Act) -> Order:
    """Anna's order."""
    return Order(act=act, actor="anna", reason="the account is in dispute")


SOURCES = [
    (Act.HOLD, (), State.HELD),
    (Act.RELEASE, (way.HOLD,), State.READY),
    (Act.RETRY, (way.PARK,), State.IN_DOUBT),
    (Act.RETRY, (way.QUARANTINE,), State.IN_DOUBT),
    (Act.INQUIRE, (way.CLAIM, way.DOUBT), State.IN_DOUBT),
    (Act.INQUIRE, (way.PARK,), State.IN_DOUBT),
]


@pytest.mark.parametrize(("act", "ways", "target"), SOURCES)
async def test_an_act_moves_an_entry(desk: Desk, act: Act, ways: tuple[way.Transition, ...], target: State) -> None:
    """Each by the lifecycle's own transition."""
    entry = await desk.payment(1, *ways)
    done = await desk.acts.one(entry, order(act))
    assert (done.sums, await desk.state(1)) == ({"RUB": Sum(1, 100)}, target)


@pytest.mark.parametrize(("act", "ways", "target"), SOURCES)
async def test_who_and_why_stand_in_the_history(
    desk: Desk, act: Act, ways: tuple[way.Transition, ...], target: State
) -> None:
    """Promise P10."""
    entry = await desk.payment(1, *ways)
    await desk.acts.one(entry, order(act))
    last = (await desk.store.history(1))[-1]
    name = act.way(entry.state).name
    assert (last.name, last.target, last.actor, last.note) == (name, target, "anna", "the account is in dispute")


async def test_what_moved_on_meanwhile_stands(desk: Desk) -> None:
    """The forwarder claimed it between the look and the word."""
    seen = await desk.payment(1)
    await desk.spool.move([Move(entry=seen, transition=way.CLAIM, at_us=NOW_US)])
    done = await desk.acts.one(seen, order(Act.HOLD))
    assert (done.entries, done.unchanged, await desk.state(1)) == (0, {Why.CHANGED: 1}, State.IN_FLIGHT)


async def test_what_is_in_another_state_is_left_and_named(desk: Desk) -> None:
    """A filter by state that includes final ones harms nothing."""
    await desk.payment(1)
    await desk.payment(2, way.CLAIM, way.POST)
    scope = Filter(states=frozenset({State.READY, State.POSTED}))
    done = await desk.acts.step(scope, order(Act.HOLD), 100, PLENTY)
    assert (done.entries, done.examples) == (1, (Unchanged(2, State.POSTED, Why.STATE),))


async def test_a_dry_run_counts_and_changes_nothing(desk: Desk) -> None:
    """So that a person sees the sum before it happens."""
    await desk.payment(1, amount=250)
    await desk.payment(2, amount=50)
    done = await desk.acts.step(Filter(), order(Act.HOLD), 100)
    assert (done.dry_run, done.sums, await desk.state(1)) == (True, {"RUB": Sum(2, 300)}, State.READY)


async def test_a_filter_narrows(desk: Desk) -> None:
    """Only what passes it is touched."""
    await desk.payment(1)
    await desk.payment(2, route="other")
    await desk.acts.step(Filter(route="other"), order(Act.HOLD), 100, PLENTY)
    assert (await desk.state(1), await desk.state(2)) == (State.READY, State.HELD)


async def test_a_step_is_bounded_and_says_where_to_go_on(desk: Desk) -> None:
    """However many pass the filter, one step ends; not one is left out."""
    for number in range(1, 12):
        await desk.payment(number)
    first = await desk.acts.step(Filter(), order(Act.HOLD), 10, PLENTY)
    rest = await desk.acts.step(Filter(after=first.next_after), order(Act.HOLD), 10, PLENTY)
    assert (first.entries, first.next_after, rest.entries, rest.next_after) == (10, 10, 1, 0)


@pytest.mark.parametrize("room", [Sum(2, 1_000), Sum(9, 299), Sum(9, 200)])
async def test_a_step_ends_before_what_there_is_no_room_for(desk: Desk, room: Sum) -> None:
    """So that never more is moved than was confirmed, in count and in money."""
    for number in range(1, 5):
        await desk.payment(number)
    done = await desk.acts.step(Filter(), order(Act.HOLD), 100, {"RUB": room})
    assert (done.entries, done.cut, done.next_after) == (2, True, 0)
    assert (await desk.state(2), await desk.state(3)) == (State.HELD, State.READY)


async def test_what_stays_as_it_is_takes_no_room(desk: Desk) -> None:
    """Only what would change is counted."""
    await desk.payment(1, way.CLAIM, way.POST)
    await desk.payment(2)
    scope = Filter(states=frozenset({State.READY, State.POSTED}))
    done = await desk.acts.step(scope, order(Act.HOLD), 100, {"RUB": Sum(1, 100)})
    assert (done.entries, done.cut) == (1, False)


async def test_a_release_has_the_forwarder_read_the_lane_anew(desk: Desk) -> None:
    """Its cursor has long gone past the entry, and what came after it is set behind."""
    await desk.acts.one(await desk.payment(701, way.HOLD), order(Act.RELEASE))
    assert desk.forwarder.lanes == [7]


async def test_a_retry_is_due_at_once(desk: Desk) -> None:
    """The person has looked; there is nothing to wait for."""
    await desk.acts.one(await desk.payment(1, way.PARK), order(Act.RETRY))
    assert desk.forwarder.waits == [desk.clock.now_us()]
    assert [entry.number for entry in await desk.store.due("main", desk.clock.now_us(), 10)] == [1]


async def test_what_is_inquired_about_is_due_at_once(desk: Desk) -> None:
    """And not at its time, which may be minutes away."""
    doubtful = await desk.payment(1, way.CLAIM, way.DOUBT)
    later = Move(entry=doubtful, transition=way.POSTPONE, at_us=NOW_US, due_at_us=NOW_US * 2, reason="pending")
    assert await desk.spool.move([later]) == [True]
    await desk.payment(101, way.PARK)
    done = await desk.acts.step(Filter(), order(Act.INQUIRE), 100, PLENTY)
    now_us = desk.clock.now_us()
    assert (done.entries, desk.forwarder.waits) == (2, [now_us, now_us])
    assert [entry.number for entry in await desk.store.due("main", now_us, 10)] == [1, 101]


async def test_what_can_t_be_asked_about_stays_and_says_why(desk: Desk) -> None:
    """One that its core can't be asked about takes no other along."""
    await desk.payment(1, way.PARK)
    await desk.payment(101, way.PARK)
    desk.unaskable[1] = Why.BLIND
    dry = await desk.acts.step(Filter(), order(Act.INQUIRE), 100)
    done = await desk.acts.step(Filter(), order(Act.INQUIRE), 100, PLENTY)
    assert (dry.entries, done.entries, done.unchanged) == (1, 1, {Why.BLIND: 1})
    assert (await desk.state(1), await desk.state(101)) == (State.PARKED, State.IN_DOUBT)


async def test_what_is_damaged_or_was_not_sent_is_not_inquired_about(desk: Desk) -> None:
    """There is nothing to ask, or nothing to ask with."""
    await desk.payment(1)
    await desk.payment(101, way.QUARANTINE)
    done = await desk.acts.step(Filter(), order(Act.INQUIRE), 100, PLENTY)
    assert (done.entries, await desk.state(1), await desk.state(101)) == (0, State.READY, State.QUARANTINED)


async def test_an_entry_of_a_route_that_is_no_more_may_be_moved(desk: Desk) -> None:
    """There is nobody to tell, which is no reason to fail."""
    entry = await desk.payment(1, way.HOLD, route="gone")
    done = await desk.acts.one(entry, order(Act.RELEASE))
    assert (done.entries, desk.forwarder.lanes) == (1, [])


async def test_a_hold_tells_nobody(desk: Desk) -> None:
    """The forwarder finds out by its own compare-and-set."""
    await desk.acts.one(await desk.payment(1), order(Act.HOLD))
    assert (desk.forwarder.lanes, desk.forwarder.waits) == ([], [])


class Unsure(MemoryStore):
    """A store whose moves end in doubt."""

    async def move(self, moves: object) -> list[bool]:
        """Nobody knows."""
        raise StorageUncertain(f"the commit failed ({type(moves).__name__})")


async def test_an_uncertain_release_is_said_and_the_forwarder_looks(desk: Desk) -> None:
    """The only honest answer to the person is: look again. Should it be on disk, nobody else would ever look."""
    entry = await desk.payment(101, way.HOLD)
    unsure = Unsure()
    shaky = desk.acts_of(Spool(unsure, desk.spool.keys))
    with pytest.raises(StorageUncertain):
        await shaky.one(entry, order(Act.RELEASE))
    assert desk.forwarder.lanes == [1]


@pytest.mark.parametrize("trouble", [Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_what_a_person_ended_or_not_strands_nothing_behind_it(heart: Heart, trouble: Trouble) -> None:
    """Its commit raised; asked again, the person ends it, or finds it ended, and what waited behind it goes."""
    heart.open_route()
    for key in ("k0", "k1"):
        await heart.pay(key)
    held = Move(entry=await heart.entry("k0"), transition=way.HOLD, at_us=NOW_US)
    assert await heart.spool.move([held]) == [True]
    heart.close_route()
    await heart.forwards(2)
    closing = Closing(heart.spool, heart.clock, {heart.route.name: heart.route}.get)
    seen = held.after()
    end = CloseOrder(
        number=seen.number, state=seen.state, changed_at_us=seen.changed_at_us, ending="refused", evidence="a letter"
    )
    heart.troubles.will("move", trouble)
    with pytest.raises(StorageUncertain):
        await closing.close(end, "anna")
    await closing.close(end, "anna")
    await heart.forwards(3)
    assert (await heart.entry("k1")).state is State.POSTED
