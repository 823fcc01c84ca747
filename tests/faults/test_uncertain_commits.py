"""What callers hear when the disk fails, hangs or is full at a commit, and that the store comes back by itself.

The moments are made (`broken_driver`), so that each falls exactly where it hurts; `test_storage_faults` meets real ones.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.lifecycle import CLAIM, POST, State
from spool.sqlite import SqliteStore
from spool.sqlite.connection import connect, driver
from spool.store import Filter, Inserted, Known, Move
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, draft, go, put, put_as, reversal
from tests.faults.broken_driver import WAIT_S, Disk, Moment, fails, fails_after, fine, is_full


@pytest.fixture
def disk() -> Disk:
    """A disk that is well until told otherwise."""
    return Disk()


@pytest.fixture
async def store(tmp_path: Path, disk: Disk) -> AsyncIterator[SqliteStore]:
    """An open store on that disk, which waits for nothing long."""
    opening = partial(connect, open_file=disk.open_file)
    path = tmp_path / "house" / "spool.db"
    store = SqliteStore(path, reserve_bytes=0, stall_s=WAIT_S, reopen_s=0.001, connect=opening)
    await store.open(NOW_US)
    yield store
    disk.ahead.clear()
    disk.released.set()
    await store.close()


async def well_again(store: SqliteStore) -> None:
    """Wait until new entries are taken."""
    async with asyncio.timeout(WAIT_S):
        while not (await store.health()).accepting:  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0)


async def kept_out(store: SqliteStore) -> None:
    """Wait until a reopening has failed."""
    async with asyncio.timeout(WAIT_S):
        while "could not be reopened yet" not in store._trouble:  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0)


def rename(path: Path, new: Path) -> None:
    """Call a file by another name."""
    path.rename(new)


def is_there(path: Path) -> bool:
    """There is such a file."""
    return path.exists()


@contextlib.contextmanager
def impatient(store: SqliteStore) -> Iterator[None]:
    """Have a commit that begins within count as hanging soon; at other times a busy machine may take its time."""
    before, store._stall_s = store._stall_s, 0.02
    yield
    store._stall_s = before


async def numbers_in(store: SqliteStore) -> list[int]:
    """Which entries there are."""
    return [entry.number for entry in await store.page(Filter(), 1_000)]


async def is_in_order(store: SqliteStore) -> bool:
    """What memory says is what the disk says, in sums and lanes."""
    tally, counted = await anext(aiter(store.recount())), (await verify(store)).ok
    lanes = [store.lane_is_clear(e.route, e.lane) for e in await store.page(Filter(), 1_000) if e.state is State.READY]
    return counted and tally == store.tally.snapshot() and not any(lanes)


async def put_all(store: SqliteStore, *numbers: int) -> list[Any]:
    """Insert payments at once; what each caller hears."""
    asked = (store.insert(draft(number), 1, b"sealed") for number in numbers)
    return await asyncio.gather(*asked, return_exceptions=True)


async def hung(disk: Disk) -> None:
    """Wait until the disk hangs."""
    assert await asyncio.to_thread(disk.hanging.wait, WAIT_S)


# The commit raises

LOST, KEPT = fails, fails_after


@pytest.mark.parametrize("moment", [LOST, KEPT])
async def test_everybody_in_a_commit_that_raised_is_told_that_nobody_knows(
    store: SqliteStore, disk: Disk, moment: Moment
) -> None:
    """Never a yes, never a no: either may be wrong (P3b)."""
    disk.will("COMMIT", moment)

    heard = await put_all(store, 1, 2, 3)

    assert [type(each) for each in heard] == [StorageUncertain] * 3


@pytest.mark.parametrize(("moment", "found"), [(LOST, []), (KEPT, [1, 2, 3])])
async def test_after_a_commit_that_raised_the_disk_decides(
    store: SqliteStore, disk: Disk, moment: Moment, found: list[int]
) -> None:
    """Entries, sums and lanes are what is there, and nothing of what memory had expected."""
    disk.will("COMMIT", moment)
    await put_all(store, 1, 2, 3)

    await well_again(store)

    assert await numbers_in(store) == found
    assert [store.lane_is_clear("billing", lane) for lane in (1, 2, 3)] == [not found] * 3
    assert await is_in_order(store)


@pytest.mark.parametrize(("moment", "answer"), [(LOST, Inserted), (KEPT, Known)])
async def test_who_asks_again_with_the_same_key_is_told_the_truth(
    store: SqliteStore, disk: Disk, moment: Moment, answer: type
) -> None:
    """That is what "nobody knows" asks of them."""
    disk.will("COMMIT", moment)
    await put_all(store, 1)
    await well_again(store)

    again = await store.insert(draft(1), 1, b"sealed")

    assert type(again) is answer
    assert await numbers_in(store) == [1]


@pytest.mark.parametrize(("moment", "state"), [(LOST, State.IN_FLIGHT), (KEPT, State.POSTED)])
async def test_a_move_that_is_uncertain_is_made_or_not_and_counted_so(
    store: SqliteStore, disk: Disk, moment: Moment, state: State
) -> None:
    """Its caller looks, and asks again with what it finds."""
    entry = await put_as(store, draft(1), State.IN_FLIGHT)
    disk.will("COMMIT", moment)

    with pytest.raises(StorageUncertain):
        await go(store, entry, POST)

    await well_again(store)
    now = await store.get(1)
    assert now is not None
    assert now.state is state
    assert store.lane_is_clear("billing", 1) == (state is State.POSTED)
    assert await is_in_order(store)


@pytest.mark.parametrize("moment", [LOST, KEPT])
async def test_a_reversal_that_is_uncertain_nets_whole_or_not_at_all(
    store: SqliteStore, disk: Disk, moment: Moment
) -> None:
    """A payment cancelled without its reversal would be money nobody has."""
    payment = await put(store, draft(1))
    disk.will("COMMIT", moment)
    with pytest.raises(StorageUncertain):
        await store.reverse(reversal(2, payment), 1, b"sealed")
    await well_again(store)

    again = await store.reverse(reversal(2, payment), 1, b"sealed")

    assert type(again) is (Inserted if moment is LOST else Known)
    assert [entry.state for entry in await store.page(Filter(), 10)] == [State.CANCELLED] * 2
    assert store.lane_is_clear("billing", 1)
    assert await is_in_order(store)


async def test_a_caller_that_gave_up_before_an_uncertain_commit_harms_nobody(store: SqliteStore, disk: Disk) -> None:
    """There is nobody to tell, and that is all."""
    disk.will("COMMIT", disk.hangs_and_fails)
    giving_up, other = asyncio.create_task(put(store, draft(1))), asyncio.create_task(put(store, draft(2)))
    await hung(disk)
    giving_up.cancel()
    disk.released.set()

    with pytest.raises(StorageUncertain):
        await other

    await well_again(store)
    await put(store, draft(3))
    assert await numbers_in(store) == [3]
    assert await is_in_order(store)


async def test_attempts_in_hand_stay_in_hand_over_a_reopening(store: SqliteStore, disk: Disk) -> None:
    """This process still knows of them: they are no former run's."""
    await put_as(store, draft(1), State.IN_FLIGHT)
    disk.will("COMMIT", LOST)
    await put_all(store, 2)
    await well_again(store)

    entry = await store.get(1)

    assert entry is not None
    assert entry.state is State.IN_FLIGHT


# A statement raises


async def test_a_payment_for_which_there_is_no_room_is_surely_not_stored(store: SqliteStore, disk: Disk) -> None:
    """The statements failed before any commit, so "try later" is the truth."""
    disk.will("INSERT", is_full)

    heard = await put_all(store, 1, 2)

    assert [type(each) for each in heard] == [StorageFull] * 2
    assert await numbers_in(store) == []
    assert store.lane_is_clear("billing", 1)
    assert await is_in_order(store)


async def test_after_a_full_disk_the_next_payment_is_taken(store: SqliteStore, disk: Disk) -> None:
    """Without anybody doing anything."""
    disk.will("INSERT", is_full)
    await put_all(store, 1)

    await put(store, draft(2))

    assert await numbers_in(store) == [2]
    assert await is_in_order(store)


async def test_what_is_stored_alone_is_never_called_lost_with_its_neighbours(store: SqliteStore, disk: Disk) -> None:
    """A poisonous payment has its neighbours stored one by one; the disk that fills up between them decides for each."""
    # All together; the first alone; the poisonous one alone; the last alone.
    disk.will("BEGIN", fine, fine, fine, is_full)

    heard = await asyncio.gather(
        store.insert(draft(1), 1, b"sealed"),
        store.insert(draft(2, currency="TJSX"), 1, b"sealed"),
        store.insert(draft(3), 1, b"sealed"),
        return_exceptions=True,
    )

    assert [type(each) for each in heard] == [Inserted, driver.IntegrityError, StorageFull]
    assert await numbers_in(store) == [1]
    assert await is_in_order(store)


async def test_when_not_even_going_back_works_nobody_knows(store: SqliteStore, disk: Disk) -> None:
    """A connection in which something half done stands can't be used, or believed."""
    disk.will("INSERT", is_full)
    disk.will("ROLLBACK", fails)

    heard = await put_all(store, 1)

    assert type(heard[0]) is StorageUncertain
    await well_again(store)
    assert await numbers_in(store) == []
    await put(store, draft(2))
    assert await is_in_order(store)


# The reopening fails too


async def test_a_store_that_can_not_be_reopened_tries_until_it_can(store: SqliteStore, disk: Disk) -> None:
    """A disk that is full for an hour is full for many attempts; nobody restarts the service for it."""
    await put(store, draft(1))
    disk.will("COMMIT", KEPT)
    disk.will("open", fails, fails, fails)
    await put_all(store, 2)

    await well_again(store)

    await put(store, draft(3))
    assert await numbers_in(store) == [1, 2, 3]
    assert await is_in_order(store)


async def test_a_store_is_not_well_before_the_disk_takes_writes_again(store: SqliteStore, disk: Disk) -> None:
    """Opening and reading work on a full disk too."""
    disk.will("COMMIT", LOST, LOST, KEPT, LOST)
    await put_all(store, 1)

    await well_again(store)

    assert not disk.ahead["COMMIT"]
    await put(store, draft(2))
    assert await numbers_in(store) == [2]


async def test_while_it_can_not_be_reopened_everything_is_refused_in_words(store: SqliteStore, disk: Disk) -> None:
    """Nothing new is stored, nothing is read, and both are said so: never a raw error of the driver."""
    disk.will("COMMIT", LOST)
    disk.will("open", *[fails] * 1_000_000)
    await put_all(store, 1)
    await kept_out(store)

    with pytest.raises(SpoolClosed, match="unable to open database file"):
        await put(store, draft(2))
    with pytest.raises(SpoolClosed):
        await store.get(1)

    disk.ahead.clear()
    await well_again(store)
    assert await numbers_in(store) == []


async def test_reads_during_a_reopening_are_answered_or_refused_in_words(store: SqliteStore, disk: Disk) -> None:
    """Whatever moment of it they fall into."""
    await put(store, draft(1))
    disk.will("COMMIT", LOST)
    writing = asyncio.create_task(put_all(store, 2))
    heard = list[Any]()

    async with asyncio.timeout(WAIT_S):
        while not writing.done() or not (await store.health()).accepting:
            heard += await asyncio.gather(store.get(1), return_exceptions=True)

    assert {type(each) for each in heard} <= {type(await store.get(1)), SpoolClosed}


async def test_while_it_can_not_be_reopened_a_payment_is_found_by_what_is_on_disk(tmp_path: Path, disk: Disk) -> None:
    """What memory held of keys is forgotten by then: a payment that is on disk must not be called unknown."""
    opening = partial(connect, open_file=disk.open_file)
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, reopen_s=WAIT_S, connect=opening)
    await store.open(NOW_US)
    await put(store, draft(1))
    disk.will("COMMIT", KEPT)
    disk.will("BEGIN", fine, fails)
    await put_all(store, 2)
    await kept_out(store)

    found = [await store.find("kiosk", f"key-{number}") for number in (1, 2, 3)]

    assert [entry and entry.number for entry in found] == [1, 2, None]
    async with asyncio.timeout(WAIT_S):
        await store.close()


async def test_a_spool_that_vanished_is_not_begun_anew(store: SqliteStore, disk: Disk) -> None:
    """An empty spool in its place would accept the twins of what it held."""
    await put(store, draft(1))
    away = store.path.with_name("away.db")
    rename(store.path, away)
    disk.will("COMMIT", LOST)
    await put_all(store, 2)
    await kept_out(store)
    assert not is_there(store.path)

    rename(away, store.path)

    await well_again(store)
    assert await numbers_in(store) == [1]


async def test_a_store_may_be_closed_while_it_can_not_be_reopened(store: SqliteStore, disk: Disk) -> None:
    """SIGTERM ends the service whatever the disk does."""
    disk.will("COMMIT", LOST)
    disk.will("open", *[fails] * 1_000_000)
    await put_all(store, 1)

    async with asyncio.timeout(WAIT_S):
        await store.close()

    with pytest.raises(SpoolClosed):
        await put(store, draft(2))


# The commit hangs


async def test_who_waits_for_a_hanging_commit_is_told_that_nobody_knows(store: SqliteStore, disk: Disk) -> None:
    """Within the stall limit; the disk may take minutes more."""
    disk.will("COMMIT", disk.hangs)

    with impatient(store):
        heard = await put_all(store, 1, 2)

    assert [type(each) for each in heard] == [StorageUncertain] * 2


async def test_who_waits_for_the_commit_after_a_hanging_one_is_told_that_nothing_was_stored(
    store: SqliteStore, disk: Disk
) -> None:
    """It was not begun."""
    disk.will("COMMIT", disk.hangs)
    with impatient(store):
        first = asyncio.create_task(put_all(store, 1))
        await hung(disk)

    (heard,) = await put_all(store, 2)

    assert type(heard) is SpoolClosed
    assert store.lane_is_clear("billing", 2)
    await first


async def test_while_a_commit_hangs_nothing_new_is_taken(store: SqliteStore, disk: Disk) -> None:
    """It would wait for the same disk."""
    disk.will("COMMIT", disk.hangs)
    with impatient(store):
        await put_all(store, 1)

    with pytest.raises(SpoolClosed, match="a commit has been hanging for over"):
        await put(store, draft(2))


async def test_while_a_commit_hangs_reading_goes_on(store: SqliteStore, disk: Disk) -> None:
    """Readers have connections of their own, and what was committed before is theirs."""
    await put(store, draft(1))
    disk.will("COMMIT", disk.hangs)
    with impatient(store):
        await put_all(store, 2)

    assert await numbers_in(store) == [1]


async def test_a_hanging_commit_that_ends_well_is_stored_and_all_goes_on(store: SqliteStore, disk: Disk) -> None:
    """Who was told that nobody knows finds it by its key."""
    disk.will("COMMIT", disk.hangs)
    with impatient(store):
        await put_all(store, 1)

    disk.released.set()

    await well_again(store)
    await put(store, draft(2))
    assert isinstance(await store.insert(draft(1), 1, b"sealed"), Known)
    assert await is_in_order(store)


async def test_a_hanging_commit_that_fails_in_the_end_is_uncertain_as_any_other(store: SqliteStore, disk: Disk) -> None:
    """The store is reopened, and the disk decides."""
    disk.will("COMMIT", disk.hangs_and_fails)
    with impatient(store):
        await put_all(store, 1)

    disk.released.set()

    await well_again(store)
    assert await numbers_in(store) == []
    assert store.lane_is_clear("billing", 1)
    assert await is_in_order(store)


@pytest.mark.parametrize("ends", ["hangs", "hangs_and_fails"])
async def test_a_store_closed_while_a_commit_hangs_closes_when_it_ends(
    store: SqliteStore, disk: Disk, ends: str
) -> None:
    """And takes nothing more in between."""
    disk.will("COMMIT", getattr(disk, ends))
    with impatient(store):
        await put_all(store, 1)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)

    disk.released.set()

    async with asyncio.timeout(WAIT_S):
        await closing
    with pytest.raises(SpoolClosed):
        await put(store, draft(2))


async def test_moves_are_told_apart_as_payments_are(store: SqliteStore, disk: Disk) -> None:
    """In the hanging commit nobody knows; behind it nothing was changed."""
    one, two = await put(store, draft(1)), await put(store, draft(2))
    disk.will("COMMIT", disk.hangs)
    with impatient(store):
        first = asyncio.ensure_future(store.move([Move(entry=one, transition=CLAIM, at_us=NOW_US)]))
        await hung(disk)

    with pytest.raises(SpoolClosed):
        await store.move([Move(entry=two, transition=CLAIM, at_us=NOW_US)])

    with pytest.raises(StorageUncertain):
        await first
    disk.released.set()
    await well_again(store)
    assert [entry.state for entry in await store.page(Filter(), 10)] == [State.IN_FLIGHT, State.READY]
    assert await is_in_order(store)
