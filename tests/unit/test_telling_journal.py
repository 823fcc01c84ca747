"""What was told lately, kept: over restarts nothing is lost and nothing is told anew."""

from gateway.telling.condition import News, Stand, compare
from gateway.telling.event import Kind, Phase, Severity
from gateway.telling.journal import EVENTS_KEPT, PAGES, Journal, Reached
from spool.memory import MemoryStore
from tests.unit.telling import NEVER, US, condition
from tests.unit.troubled_store import Trouble, TroubledStore


def news(subject: str = "main") -> News:
    """Something to tell."""
    return News(
        kind=Kind.ROUTE_OPEN,
        phase=Phase.RAISED,
        severity=Severity.CRITICAL,
        subject=subject,
        since_us=0,
        facts={"cause": "dns"},
    )


async def opened(store: MemoryStore, node: str = "night") -> Journal:
    """A journal as a process opens it."""
    journal = Journal(store, node)
    await journal.open()
    return journal


async def test_a_restart_goes_on_where_the_former_run_ended() -> None:
    """What stood stands, what was told is there, and the next number is another."""
    store = MemoryStore()
    await store.open(0)
    stand, told = compare({}, [condition()], 0, NEVER)
    first = await opened(store)
    (event,) = await first.write(stand, told, 5 * US)
    again = await opened(store)
    assert (again.stand, list(again.events), again.newest) == (stand, [event], 1)
    _, more = compare(again.stand, [condition()], 10 * US, NEVER)
    assert more == []
    (second,) = await again.write(stand, [news("internet")], 11 * US)
    assert (second.sequence, second.id) == (2, "night-11000000-2")


async def test_nothing_is_written_when_nothing_happened() -> None:
    """A look each second costs the disk nothing."""
    store = MemoryStore()
    await store.open(0)
    journal = await opened(store)
    await journal.write({}, [], US)
    assert await store.recall_some("telling/", "", 10) == []


async def test_the_ring_is_bounded() -> None:
    """However many events there were, so many pages are kept, and the newest are there."""
    store = MemoryStore()
    await store.open(0)
    journal = await opened(store)
    for second in range(PAGES + 10):
        await journal.write({}, [news()], second * US)
    assert len(await store.recall_some("telling/", "", 10_000)) == PAGES
    again = await opened(store)
    assert [each.sequence for each in again.events] == list(range(11, PAGES + 11))
    assert len(again.events) <= EVENTS_KEPT


async def test_what_the_disk_does_not_take_is_told_all_the_same_and_written_later() -> None:
    """That the disk is full is the first thing people have to be told of."""
    store = TroubledStore()
    await store.open(0)
    journal = await opened(store)
    store.will("remember", Trouble.CLOSED)
    stand: Stand = {}
    (event,) = await journal.write(stand, [news()], US)
    assert journal.after(0) == [event]
    assert list((await opened(store)).events) == []
    await journal.write(stand, [], 2 * US)
    assert list((await opened(store)).events) == [event]


async def test_a_new_sink_begins_with_what_comes() -> None:
    """Nobody is told of last month."""
    store = MemoryStore()
    await store.open(0)
    journal = await opened(store)
    await journal.write({}, [news()], US)
    assert await journal.reached("ops") == Reached(sequence=1)
    await journal.reach("ops", Reached(sequence=7, at_us=3))
    assert await journal.reached("ops") == Reached(sequence=7, at_us=3)


async def test_whoever_tells_next_goes_on_with_the_same_journal() -> None:
    """Of several nodes on one spool; its events have its own name."""
    store = MemoryStore()
    await store.open(0)
    await (await opened(store)).write({}, [news()], US)
    other = await opened(store, "other")
    (event,) = await other.write({}, [news("internet")], 2 * US)
    assert (event.sequence, event.id) == (2, "other-2000000-2")


async def test_what_is_not_to_be_kept_now_is_kept_with_what_comes() -> None:
    """A node that can't say whether another one tells meanwhile tells from memory."""
    store = MemoryStore()
    await store.open(0)
    journal = await opened(store)
    (event,) = await journal.write({}, [news()], US, taken_up={"two": ("1/1", 4)}, keep=False)
    assert (journal.after(0), list((await opened(store)).events)) == ([event], [])
    await journal.write({}, [], 2 * US)
    again = await opened(store)
    assert (list(again.events), again.taken_up) == ([event], {"two": ("1/1", 4)})


async def test_pages_of_a_version_with_other_kinds_are_left_out() -> None:
    """What stands is told anew then."""
    store = MemoryStore()
    await store.open(0)
    await store.remember("telling/page/0001", b'{"number": 1, "events": [], "stand": {"x": {"kind": "x.y"}}}')
    await store.remember("telling/sink/ops", b"[]")
    journal = await opened(store)
    assert (journal.newest, journal.stand) == (0, {})
    assert await journal.reached("ops") == Reached()
