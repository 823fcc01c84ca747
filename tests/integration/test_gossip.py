"""What nodes on one database tell each other of their routes, and that each goes by its own evidence otherwise."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from adapters.outcome import Cause, NotSent, Posted
from gateway.clock import ManualClock
from gateway.route.diagnosis import OwnCause
from gateway.route.gossip import Gossip
from gateway.route.health import RouteHealth
from gateway.route.record import KeptInMemory, Slowed, Speaker
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip, Zone
from spool.postgres import PostgresStore
from tests.contracts.postgres_server import SHARED
from tests.integration.postgres_nodes import node

HOUR_US: Final = 3_600_000_000


class Member:
    """A node with one route and its gossip."""

    def __init__(self, store: PostgresStore, clock: ManualClock, kept: KeptInMemory | None = None) -> None:
        self.store = store
        self.clock = clock
        self.health = RouteHealth("main", BreakerSettings(), clock, keeper=kept)
        self.gossip = Gossip(store, [self.health], clock, own=frozenset({"window"}))

    def fail(self) -> None:
        """Calls that don't reach the core, until the route opens."""
        while (permit := self.health.admit()) is not None:
            self.health.report(permit, NotSent(cause=Cause.REFUSED_CONNECTION), 0.01)

    async def try_well(self) -> None:
        """The core is well: time lets the route be tried, and trials close it."""
        await self.clock.advance(120.0)
        self.health.watch_once()
        while self.health.zone is Zone.TRIAL:
            permit = self.health.trial()
            assert permit is not None
            self.health.report(permit, Posted(core_id="1"), 0.01)

    def say(
        self, zone: Zone, actor: str = "anna", speaker: Speaker = Speaker.OPERATOR, lasts_us: int = HOUR_US
    ) -> None:
        """A person's word."""
        until_us = self.clock.now_us() + lasts_us
        self.health.force(zone, until_us=until_us, actor=actor, reason="a drill", speaker=speaker)


@pytest.fixture
async def members() -> AsyncIterator[tuple[Member, Member]]:
    """Two that have heard of each other."""
    dsn, clock = SHARED.schema(), ManualClock()
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        both = Member(one, clock), Member(two, clock)
        for member in (*both, *both):
            await member.gossip.run_once()
        yield both


async def hear(*members: Member) -> None:
    """A round: each tells and hears."""
    for member in (*members, *members):
        await member.gossip.run_once()


async def test_an_opening_that_one_node_saw_opens_the_route_at_the_other(members: tuple[Member, Member]) -> None:
    """So no payer there finds it out anew. It is tried as after any opening."""
    one, two = members
    one.fail()

    await hear(one, two)

    assert (two.health.zone, two.health.trip) == (Zone.OPEN, Trip.ELSEWHERE)
    assert two.health.diagnosis is not None
    assert two.health.diagnosis.cause is OwnCause.ELSEWHERE
    await two.try_well()
    assert two.health.zone is Zone.CLOSED


async def test_a_node_that_goes_on_finding_a_core_dead_does_not_keep_it_from_others(
    members: tuple[Member, Member],
) -> None:
    """It may be its own network. What is heeded is that something changed, never how another node stands."""
    one, two = members
    one.fail()
    await hear(one, two)
    await two.try_well()

    await hear(one, two)

    assert (one.health.zone, two.health.zone) == (Zone.OPEN, Zone.CLOSED)


async def test_an_opening_that_was_heard_is_not_told_on(members: tuple[Member, Member]) -> None:
    """Or two nodes would open each other for ever."""
    one, two = members
    one.fail()
    await hear(one, two)
    await one.try_well()

    await hear(one, two)

    assert one.health.zone is Zone.CLOSED


async def test_a_closing_has_an_open_route_tried_at_once(members: tuple[Member, Member]) -> None:
    """By its own trials: another node's way to the core may be open while this one's isn't."""
    one, two = members
    one.fail()
    await hear(one, two)
    await one.try_well()
    await hear(one, two)

    two.health.watch_once()

    assert two.health.zone is Zone.TRIAL


async def test_a_persons_word_holds_at_every_node_until_it_is_taken_back(members: tuple[Member, Member]) -> None:
    """With who said it, why, and until when."""
    one, two = members
    one.say(Zone.OPEN, speaker=Speaker.DRAIN)
    await hear(one, two)
    heard = two.health.forced

    two.health.release()
    await hear(one, two)

    assert heard is not None
    assert (heard.zone, heard.actor, heard.speaker) == (Zone.OPEN, "anna", Speaker.DRAIN)
    assert (one.health.forced, two.health.forced) == (None, None)


async def test_of_two_words_the_later_holds_everywhere(members: tuple[Member, Member]) -> None:
    """And no node gives it up again for the earlier one."""
    one, two = members
    one.say(Zone.OPEN, "anna")
    await one.gossip.run_once()
    await one.clock.advance(1.0)
    two.say(Zone.CLOSED, "boris")

    await hear(two, one)

    assert [each.health.forced.actor for each in members if each.health.forced] == ["boris", "boris"]
    assert (one.health.zone, two.health.zone) == (Zone.CLOSED, Zone.CLOSED)


async def test_what_each_node_does_by_itself_is_not_told(members: tuple[Member, Member]) -> None:
    """Planned windows are in the spool: each node opens its routes for them by its own clock."""
    one, two = members
    one.say(Zone.OPEN, "window")

    await hear(one, two)

    assert two.health.forced is None


async def test_what_a_restart_finds_of_that_is_not_told_either(members: tuple[Member, Member]) -> None:
    """A window may be cancelled in the moment in which the node starts."""
    one, two = members
    kept = KeptInMemory()
    Member(one.store, one.clock, kept).say(Zone.OPEN, "window")
    await one.clock.advance(1.0)

    await hear(Member(one.store, one.clock, kept), two)

    assert two.health.forced is None


async def test_that_a_word_has_ended_takes_no_newer_one_back(members: tuple[Member, Member]) -> None:
    """Given at one node in the very moment in which the other sees the former end."""
    one, two = members
    one.say(Zone.OPEN, lasts_us=60_000_000)
    await hear(one, two)
    await one.clock.advance(59.9)
    two.say(Zone.CLOSED, "boris")
    await one.clock.advance(0.1)
    one.health.watch_once()

    await hear(one, two)

    assert [each.health.forced.actor for each in members if each.health.forced] == ["boris", "boris"]
    assert (one.health.zone, two.health.zone) == (Zone.CLOSED, Zone.CLOSED)


async def test_that_a_word_has_ended_lets_go_of_no_window(members: tuple[Member, Member]) -> None:
    """It begins as the word ends, at one node a moment before the other has seen that end."""
    one, two = members
    one.say(Zone.OPEN, lasts_us=60_000_000)
    await hear(one, two)
    await one.clock.advance(60.0)
    two.health.watch_once()
    two.say(Zone.OPEN, "window")
    one.health.watch_once()

    await hear(one, two)

    assert [each.health.forced.actor for each in members if each.health.forced] == ["window"]


async def test_that_a_window_was_cancelled_takes_no_word_of_a_person_back(members: tuple[Member, Member]) -> None:
    """Who cancels it and says himself how the route is to stand does so at one node; the other sees the former first."""
    one, two = members
    one.say(Zone.OPEN, "window")
    await one.gossip.run_once()
    two.say(Zone.CLOSED, "boris")
    await one.clock.advance(0.1)
    one.health.lapse()

    await hear(one, two)

    assert [each.health.forced.actor for each in members if each.health.forced] == ["boris", "boris"]


async def test_who_lets_go_of_a_route_within_its_window_does_so_at_every_node(members: tuple[Member, Member]) -> None:
    """The core is back early, and is tried by all."""
    one, two = members
    one.say(Zone.OPEN, "window")
    two.say(Zone.OPEN, "window")
    await hear(one, two)
    await one.clock.advance(1.0)
    two.health.release()

    await hear(one, two)

    assert (one.health.forced, two.health.forced) == (None, None)


async def test_what_was_heard_is_told_on_as_no_newer_than_it_is(members: tuple[Member, Member]) -> None:
    """Or it would stand above what was said before it was heard."""
    one, two = members
    one.say(Zone.OPEN)
    await one.gossip.run_once()
    await one.clock.advance(0.1)
    one.say(Zone.CLOSED, "boris")
    await one.clock.advance(0.1)

    await hear(two, one)
    await hear(two, one)

    assert [each.health.forced.actor for each in members if each.health.forced] == ["boris", "boris"]


async def test_what_is_said_where_the_clock_is_behind_is_newer_than_what_was_heard(
    members: tuple[Member, Member],
) -> None:
    """By less than a look, as nodes go by their database's: who has read of a word and takes it back has the last one."""
    one, two = members
    await one.clock.advance(1.0)
    behind = Member(two.store, ManualClock())
    one.say(Zone.OPEN)
    slowed(one, 6)
    await hear(one, behind)
    behind.health.release()
    behind.health.pace.say(None)

    await hear(behind, one)

    assert [(each.health.forced, each.health.pace.slowed) for each in (one, behind)] == [(None, None)] * 2


async def test_a_word_that_has_ended_before_a_window_began_lets_go_of_none(members: tuple[Member, Member]) -> None:
    """Though a node that starts within the window hears of it only then."""
    one, _ = members
    one.say(Zone.OPEN, lasts_us=1_000_000)
    await one.gossip.run_once()
    await one.clock.advance(1.0)

    late = Member(members[1].store, one.clock)
    late.say(Zone.OPEN, "window")
    await late.gossip.run_once()

    assert [each.health.forced.actor for each in (late,) if each.health.forced] == ["window"]


async def test_a_word_that_was_taken_back_before_a_window_began_lets_go_of_none(
    members: tuple[Member, Member],
) -> None:
    """The same."""
    one, _ = members
    one.say(Zone.OPEN)
    await one.gossip.run_once()
    one.health.release()
    await one.gossip.run_once()
    await one.clock.advance(1.0)

    late = Member(members[1].store, one.clock)
    late.say(Zone.OPEN, "window")
    await late.gossip.run_once()

    assert [each.health.forced.actor for each in (late,) if each.health.forced] == ["window"]


async def test_a_word_that_is_over_before_it_is_heard_leaves_no_older_one(members: tuple[Member, Member]) -> None:
    """A node that was cut off from the database goes by its evidence then, as the others do."""
    one, two = members
    one.say(Zone.OPEN)
    await hear(one, two)
    await one.clock.advance(1.0)
    two.say(Zone.CLOSED, "boris", lasts_us=10_000_000)
    await two.gossip.run_once()
    await one.clock.advance(10.0)
    two.health.watch_once()

    await hear(two, one)

    assert (one.health.forced, two.health.forced) == (None, None)


async def test_a_restart_goes_back_to_no_older_word_of_a_node_that_is_gone(members: tuple[Member, Member]) -> None:
    """Whose note says for ever what it said last; a restart knows when what it found was said."""
    one, two = members
    kept = KeptInMemory()
    two.say(Zone.OPEN)
    slowed(two, 6)
    await two.gossip.run_once()
    before = Member(one.store, one.clock, kept)
    await before.gossip.run_once()
    await one.clock.advance(1.0)
    before.health.release()
    before.health.pace.say(None)
    before.health.keep()

    after = Member(one.store, one.clock, kept)
    await after.gossip.run_once()

    assert (after.health.forced, after.health.pace.slowed) == (None, None)


async def test_a_restart_keeps_to_what_was_said_after_the_word_of_a_node_that_is_gone(
    members: tuple[Member, Member],
) -> None:
    """The other way round."""
    one, two = members
    kept = KeptInMemory()
    two.say(Zone.OPEN, "boris")
    slowed(two, 5, "boris")
    await two.gossip.run_once()
    two.health.release()
    two.health.pace.say(None)
    await two.gossip.run_once()
    before = Member(one.store, one.clock, kept)
    await before.gossip.run_once()
    await one.clock.advance(1.0)
    before.say(Zone.OPEN)
    word = slowed(before, 6)
    before.health.keep()

    after = Member(one.store, one.clock, kept)
    await after.gossip.run_once()

    assert (after.health.forced, after.health.pace.slowed) == (before.health.forced, word)


async def test_a_node_that_starts_heeds_no_opening_of_before(members: tuple[Member, Member]) -> None:
    """The core may be well again since; but a person's word that still stands is heard."""
    one, _ = members
    one.fail()
    await one.try_well()
    one.say(Zone.CLOSED)
    await one.gossip.run_once()

    late = Member(members[1].store, one.clock)
    await late.gossip.run_once()

    assert (late.health.zone, late.health.trip) == (Zone.CLOSED, None)
    assert late.health.forced is not None


async def test_a_note_of_another_version_is_passed_over(members: tuple[Member, Member]) -> None:
    """While nodes are upgraded one after the other."""
    one, two = members
    await one.store.remember("gossip/0/main", b'{"run": "soon"}')

    await two.gossip.run_once()

    assert two.health.zone is Zone.CLOSED


def slowed(member: Member, at_once: int, actor: str = "anna", lasts_us: int = HOUR_US) -> Slowed:
    """A person's word on the pace, given there."""
    word = Slowed(until_us=member.clock.now_us() + lasts_us, actor=actor, reason="their ask", in_flight_max=at_once)
    member.health.pace.say(word)
    return word


async def test_a_word_on_the_pace_holds_at_every_node_until_it_is_taken_back(members: tuple[Member, Member]) -> None:
    """Whichever node it is taken back at."""
    one, two = members
    word = slowed(one, 6)
    await hear(one, two)
    heard = two.health.pace.slowed

    two.health.pace.say(None)
    await hear(two, one)

    assert heard == word
    assert [each.health.pace.slowed for each in members] == [None, None]


async def test_of_two_words_on_the_pace_the_later_holds_everywhere(members: tuple[Member, Member]) -> None:
    """Nobody goes back to the earlier one."""
    one, two = members
    slowed(one, 6)
    await one.gossip.run_once()
    await one.clock.advance(1.0)
    later = slowed(two, 3, "boris")

    await hear(two, one)

    assert [each.health.pace.slowed for each in members] == [later, later]


async def test_that_a_word_on_the_pace_has_ended_takes_no_newer_one_back(members: tuple[Member, Member]) -> None:
    """Given at one node in the very moment in which the other sees the former end."""
    one, two = members
    slowed(one, 6, lasts_us=60_000_000)
    await hear(one, two)
    await one.clock.advance(59.9)
    renewed = slowed(two, 5)
    await one.clock.advance(0.1)
    one.health.watch_once()

    await hear(one, two)

    assert [each.health.pace.slowed for each in members] == [renewed, renewed]


async def test_a_word_on_the_pace_that_is_over_is_heard_by_nobody(members: tuple[Member, Member]) -> None:
    """A node that starts reads of it, and goes as fast as its core bears."""
    one, two = members
    slowed(one, 6, lasts_us=60_000_000)
    await one.gossip.run_once()
    await one.clock.advance(60.0)

    await two.gossip.run_once()

    assert two.health.pace.slowed is None
