"""One sink's part: tried until it is taken, told once, and nothing of it is anybody else's affair."""

import asyncio

import structlog

from gateway.clock import ManualClock, settle
from gateway.telling.condition import News
from gateway.telling.event import Event, Kind, Phase, Severity
from gateway.telling.journal import EVENTS_KEPT, Journal
from gateway.telling.outlet import LOOK_S, Outlet
from gateway.telling.sink import NotTold, Undeliverable
from spool.memory import MemoryStore
from tests.unit.telling import AWAY, FakeSink, SlowSink, settings
from tests.unit.troubled_store import Trouble, TroubledStore


def news(subject: str = "main", severity: Severity = Severity.CRITICAL) -> News:
    """A route whose core is away."""
    return News(kind=Kind.ROUTE_OPEN, phase=Phase.RAISED, severity=severity, subject=subject, since_us=0, facts=AWAY)


class Room:
    """A journal and one sink, over a store that outlives them."""

    def __init__(self, sink: FakeSink, store: MemoryStore | None = None, **pace: float) -> None:
        self.sink = sink
        self.store = store or TroubledStore()
        self.clock = ManualClock()
        self.pace = pace

    async def open(self) -> "Room":
        """As a process does when it starts."""
        await self.store.open(0)
        await self.restart()
        return self

    async def restart(self) -> None:
        """The next process over the same store."""
        self.journal = Journal(self.store, "night")
        await self.journal.open()
        self.outlet = Outlet("ops", settings("warning", **self.pace), self.sink, self.journal, self.clock)
        await self.outlet.open()

    async def happens(self, *what: News) -> None:
        """Events come into the journal."""
        await self.journal.write({}, what or [news()], self.clock.now_us())

    async def later(self, seconds: float) -> float:
        """Time goes on, and the sink's turn comes."""
        await self.clock.advance(seconds)
        return await self.outlet.run_once()

    @property
    def told(self) -> list[list[str]]:
        """Of which routes each letter told."""
        return [[each["subject"] for each in letter.payload["data"]["events"]] for letter in self.sink.taken]


async def test_what_comes_is_told_once() -> None:
    """And what is told is not waiting any more."""
    room = await Room(FakeSink()).open()
    await room.happens()
    assert room.outlet.state.waiting == 1
    await room.later(1)
    await room.later(1)
    assert room.told == [["main"]]
    state = room.outlet.state
    assert (state.waiting, state.sent, state.error, state.failures) == (0, 1, "", 0)


async def test_a_letter_is_tried_until_it_is_taken_and_stays_the_same() -> None:
    """A receiver that had it and whose answer was lost knows it by its id; what comes meanwhile goes with the next."""
    room = await Room(FakeSink(NotTold("answered 500"), NotTold("answered 500"))).open()
    await room.happens()
    await room.later(0)
    await room.happens(news("internet"))
    await room.later(600)
    await room.later(600)
    await room.later(1)
    assert len({letter.id for letter in room.sink.tried[:3]}) == 1
    assert room.told == [["main"], ["internet"]]


async def test_waits_between_tries_grow_and_are_bounded() -> None:
    """A sink that is away for a night is neither hammered nor forgotten."""
    room = await Room(FakeSink(*[NotTold("away")] * 40), retry_first_s=1.0, retry_max_s=60.0).open()
    await room.happens()
    waits = [await room.later(60.0) for _ in range(40)]
    assert max(waits[:2]) <= 2.0
    assert 30.0 < max(waits) <= 60.0
    assert room.outlet.state.failures == 40
    await room.later(60.0)
    assert room.told == [["main"]]


async def test_no_try_is_made_before_its_time() -> None:
    """As a server asked for it."""
    room = await Room(FakeSink(NotTold("answered 429", retry_after_s=100.0))).open()
    await room.happens()
    assert await room.later(0) == 100.0
    assert await room.later(40) == 60.0
    await room.later(60)
    assert (len(room.sink.tried), room.told) == (2, [["main"]])


async def test_what_can_never_be_told_holds_nothing_up() -> None:
    """It is said why, and the next one goes."""
    room = await Room(FakeSink(Undeliverable("every address was refused"))).open()
    await room.happens()
    await room.later(1)
    assert (room.outlet.state.error, room.outlet.state.waiting) == ("every address was refused", 0)
    await room.happens(news("internet"))
    await room.later(1)
    assert room.told == [["internet"]]
    assert room.outlet.state.error == ""


async def test_a_fault_of_the_sink_itself_ends_nothing() -> None:
    """Whatever a library raises, the letter is tried again."""
    room = await Room(FakeSink(KeyError("secret"), RuntimeError("secret"))).open()
    await room.happens()
    await room.later(1)
    assert room.outlet.state.error == "a fault of its own (KeyError)"
    await room.later(600)
    await room.later(600)
    assert room.told == [["main"]]


def unsayable(subject: str = "79161234567") -> News:
    """One whose sentence needs what it lacks."""
    return News(
        kind=Kind.ROUTE_OPEN, phase=Phase.RAISED, severity=Severity.CRITICAL, subject=subject, since_us=0, facts={}
    )


async def test_what_can_not_be_put_into_words_holds_up_no_other_event() -> None:
    """It is passed, said in the log by its kind, counted as a fault, and as missed in the next letter."""
    room = await Room(FakeSink()).open()
    with structlog.testing.capture_logs() as logs:
        await room.happens(news(), unsayable(), news("internet"))
        await room.later(1)
        await room.happens(unsayable())
        await room.later(1)
        assert room.outlet.state.waiting == 0
        await room.happens(news("mobile"))
        await room.later(1)
    assert room.told == [["main", "internet"], ["mobile"]]
    assert [letter.payload["data"]["lost"] for letter in room.sink.taken] == [1, 1]
    assert room.outlet.state.faults == 2
    assert [(each["event"], each.get("kind", "")) for each in logs if each["log_level"] == "error"] == [
        ("sink_failed", ""),
        ("event_unsaid", "route.open"),
    ] * 2
    assert "79161234567" not in str(logs)


class Upset(Journal):
    """Once, it can't even say what waits."""

    upset = True

    def after(self, sequence: int) -> list[Event]:
        """Events after this one."""
        if self.upset:
            self.upset = False
            raise KeyError("79161234567")
        return super().after(sequence)


async def test_whatever_goes_wrong_in_one_look_an_outlet_goes_on() -> None:
    """It waits as after a failed try, then tells."""
    room = await Room(FakeSink()).open()
    journal = Upset(room.store, "night")
    await journal.open()
    room.outlet = Outlet("ops", settings("warning"), room.sink, journal, room.clock)
    await room.outlet.open()
    await journal.write({}, [news()], room.clock.now_us())
    running = asyncio.create_task(room.outlet.run())
    with structlog.testing.capture_logs() as logs:
        await room.clock.advance(60.0)
        await room.clock.advance(60.0)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    assert room.told == [["main"]]
    assert (room.outlet.state.faults, room.outlet.state.error) == (1, "")
    assert "79161234567" not in str(logs)


async def test_a_restart_tells_nothing_twice_and_forgets_nothing() -> None:
    """What was told is told; what came while it was away is told after it."""
    room = await Room(FakeSink()).open()
    await room.happens()
    await room.later(1)
    await room.happens(news("internet"))
    await room.restart()
    await room.later(1)
    await room.restart()
    await room.later(1)
    assert room.told == [["main"], ["internet"]]


async def test_a_restart_before_a_letter_was_taken_tells_it() -> None:
    """At least once."""
    room = await Room(FakeSink(NotTold("away"))).open()
    await room.happens()
    await room.later(1)
    await room.restart()
    await room.later(1)
    assert room.told == [["main"]]


async def test_where_the_disk_does_not_take_how_far_it_is_a_restart_tells_it_again() -> None:
    """And the running service does not."""
    room = await Room(FakeSink()).open()
    await room.happens()
    assert isinstance(room.store, TroubledStore)
    room.store.will("remember", Trouble.CLOSED)
    await room.later(1)
    await room.later(1)
    assert room.told == [["main"]]
    await room.restart()
    await room.later(1)
    assert room.told == [["main"], ["main"]]


async def test_what_was_never_told_is_counted() -> None:
    """A sink that was shut for longer than the journal remembers is told how much it missed."""
    room = await Room(FakeSink()).open()
    await room.happens(*[news(f"r{number}") for number in range(EVENTS_KEPT + 5)])
    await room.later(1)
    assert room.sink.taken[0].payload["data"]["lost"] == 5


async def test_a_journal_put_back_is_told_from_its_beginning() -> None:
    """After a restore from a copy numbers begin again."""
    room = await Room(FakeSink()).open()
    await room.happens()
    await room.later(1)
    room.store = TroubledStore()
    await room.store.open(0)
    await room.store.remember("telling/sink/ops", b'{"sequence": 9, "at_us": 1}')
    await room.restart()
    await room.happens(news("internet"))
    await room.later(1)
    assert room.told == [["main"], ["internet"]]


async def test_a_storm_is_one_letter() -> None:
    """However many events it has."""
    room = await Room(FakeSink(), gather_s=5.0, interval_s=60.0).open()
    for second in range(5):
        await room.happens(*[news(f"r{number}") for number in range(20)])
        await room.later(1)
        assert len(room.sink.taken) == (second == 4)
    assert len(room.sink.taken[0].payload["data"]["events"]) == 100
    await room.happens()
    assert await room.later(10) == 50.0


async def test_what_is_not_wanted_does_not_wait() -> None:
    """It is passed, and after a restart too."""
    room = await Room(FakeSink()).open()
    await room.happens(news(severity=Severity.INFO))
    await room.later(1)
    assert (room.outlet.state.waiting, room.told) == (0, [])


async def test_a_service_that_ends_lets_the_letter_in_hand_end_and_begins_with_no_other() -> None:
    """Cut off, it would come again after the restart: as a mail or a short message it would be read twice."""
    room = await Room(sink := SlowSink()).open()
    await room.happens()
    running = asyncio.create_task(room.outlet.run())
    await sink.has_taken.wait()
    await room.happens(news("internet"))

    finishing = asyncio.create_task(room.outlet.finish())
    await settle()
    assert not finishing.done()
    sink.may_say.set()
    await finishing
    running.cancel()
    assert (room.told, await room.later(1)) == ([["main"]], LOOK_S)

    await room.restart()
    await room.later(1)
    assert room.told == [["main"], ["internet"]]
