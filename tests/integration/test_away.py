"""A node goes on by itself while its database is away, and what it took is in the database once, in order, afterwards."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from spool import lifecycle as way
from spool.away.allowance import Allowance
from spool.away.fate import ANSWERED_OTHERWISE, TAKEN_TWICE
from spool.away.store import BROUGHT_OVER
from spool.errors import LaneTaken, OverLimit, SpoolClosed, SpoolUnfit, StorageFull
from spool.lifecycle import State, Told, Transition
from spool.number import id_of
from spool.store import Inserted, Known, Move
from spool.tally import Limit, Sum
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, go, put, ready_numbers, reversal
from tests.integration.away_house import LONG_AGO, Place, is_sound, taken
from tests.integration.postgres_nodes import all_at_once, expire, node, until

LIVE: Final[dict[str, Any]] = {"state": State.IN_FLIGHT, "told": Told.NOTHING}
REFUSED: Final[dict[str, Any]] = {"state": State.CANCELLED, "told": Told.REFUSED}


@pytest.fixture
def dsn() -> str:
    """An empty spool."""
    return SHARED.emptied()


@pytest.fixture
def place(dsn: str, tmp_path: Path) -> Place:
    """A node's place."""
    return Place(dsn, tmp_path)


# Taking


async def test_nothing_is_taken_alone_before_the_lease_has_run_out(place: Place) -> None:
    """Until then another node would say of such a payment that there is none."""
    async with place.open() as store:
        await place.cut(store)
        store._leased_until = -LONG_AGO

        with pytest.raises(SpoolClosed):
            await store.insert(draft(1), 1, b"sealed")

        assert (store.alone, store.kept) == (False, Sum(0, 0))


async def test_a_payment_taken_alone_is_kept_counted_and_told_the_same_again(place: Place) -> None:
    """By its key, by its number, and in what limits and lanes are judged by."""
    async with place.open() as store:
        await put(store, draft(1))
        await place.cut(store)

        kept = await put(store, draft(2))
        again = await store.insert(draft(3, key="key-2"), 1, b"sealed")

        assert again == Known(entry=kept)
        assert (await store.find("kiosk", "key-2"), await store.get(2)) == (kept, kept)
        assert [event.name for event in await store.history(2)] == ["record"]
        assert store.tally.exposure("billing") == Sum(2, 20_000)
        assert not store.lane_is_clear("billing", kept.lane)
        assert (await store.health()).accepting


@pytest.mark.parametrize("how", [LIVE, REFUSED], ids=["live", "refused"])
async def test_alone_nothing_is_sent_and_nothing_refused(place: Place, how: dict[str, Any]) -> None:
    """Its key may be known: a second attempt, or a no after a yes, is what must not be."""
    async with place.open() as store:
        await place.cut(store)

        with pytest.raises(SpoolClosed, match="only stands in"):
            await store.insert(draft(1, **how), 1, b"sealed")


async def test_what_was_known_before_is_not_guessed_at(place: Place) -> None:
    """The database can't be asked, and is not in the file."""
    async with place.open() as store:
        await put(store, draft(1))
        await place.cut(store)

        with pytest.raises(SpoolClosed):
            await store.find("kiosk", "key-1")


async def test_a_node_takes_its_share_of_what_a_limit_had_left_and_no_more(place: Place) -> None:
    """Ten may be, four are there: half of the rest is this node's."""
    within = (Limit("", 10, None), Limit("kiosk", None, 10_000_000))
    async with place.open() as store:
        await taken(store, *(draft(i) for i in range(1, 5)))
        await place.cut(store)

        results = await all_at_once(*(store.insert(draft(i, within=within), 1, b"s") for i in range(11, 21)))

        assert [type(each) for each in results] == [Inserted] * 3 + [OverLimit] * 7


async def test_a_node_keeps_no_more_than_it_may(place: Place) -> None:
    """A bound for the file, whatever the policy allows."""
    place.allowance = Allowance(entries_max=2, share_percent=100)
    async with place.open() as store:
        await place.cut(store)
        await taken(store, draft(1), draft(2))

        with pytest.raises(StorageFull):
            await store.insert(draft(3), 1, b"sealed")
        assert not (await store.health()).accepting


# Bringing over


async def test_what_was_taken_alone_comes_into_the_database_as_it_was_and_once(place: Place) -> None:
    """With its number, id and time, to be sent like any other; and the books, the keys and the log are sound."""
    async with place.open() as store:
        await place.cut(store)
        kept = await taken(store, *(draft(i, lane=i) for i in range(1, 4)))
        await place.mend(store)

        await store.bring_over()
        await store.bring_over()

        assert [await store.get(i) for i in (1, 2, 3)] == kept
        assert await ready_numbers(store) == [1, 2, 3]
        assert store.tally.exposure("billing") == Sum(3, 30_000)
        assert (store.kept, store.stuck) == (Sum(0, 0), 0)
        assert await is_sound(store)
    async with node(place.dsn, "two") as other:
        assert [await other.find("kiosk", f"key-{i}") for i in (1, 2, 3)] == kept


async def test_the_log_is_told_what_was_brought_and_how_far_the_file_s_own_goes(place: Place) -> None:
    """So that the file can be held against it later."""
    async with place.open() as store:
        await place.cut(store)
        await taken(store, draft(1), draft(2))
        await place.mend(store)
        await store.bring_over()

        async with store.records() as records:
            (act,) = [each.act for each in await records.acts(0, 10)]
        async with store.beside.records() as records:
            head = await records.head()

    assert (act.name, act.subject) == (BROUGHT_OVER, "one")
    assert act.detail == f"stored 2; the log beside it: 4 events, {head.root.hex()}"


class Ended(Exception):
    """The process ends here."""


@pytest.mark.parametrize("at", ["read", "brought", "noted"])
async def test_a_process_that_ends_while_bringing_over_brings_each_over_once(place: Place, at: str) -> None:
    """Whatever the database and the file had of it by then."""

    def end(step: str) -> None:
        if step == at:
            raise Ended

    async with place.open(end) as store:
        await place.cut(store)
        await taken(store, draft(1), draft(2))
        await place.mend(store)
        with pytest.raises(Ended):
            await store.bring_over()
        # What follows is another process's: this one's memory is gone.
        store._kept.clear()
    async with place.open() as store:
        await store.bring_over()

        assert await ready_numbers(store) == [1, 2]
        assert (store.kept, store.tally.exposure("billing")) == (Sum(0, 0), Sum(2, 20_000))
        assert await is_sound(store)


async def test_the_same_key_after_it_was_brought_over_gets_the_same_number(place: Place) -> None:
    """In the database, and alone once more."""
    async with place.open() as store:
        await place.cut(store)
        await put(store, draft(1))
        await place.mend(store)
        await store.bring_over()

        at_home = await store.insert(draft(2, key="key-1"), 1, b"sealed")
        await place.cut(store)
        alone = await store.insert(draft(3, key="key-1"), 1, b"sealed")

        assert [at_home.entry.number, alone.entry.number] == [1, 1]
        assert alone.entry.told is Told.PROVISIONAL
        assert store.kept == Sum(0, 0)


# Its key is known


class Twin(NamedTuple):
    """What the database has under the key, and what becomes of the payment taken alone."""

    how: dict[str, Any]
    ways: tuple[Transition, ...]
    details: dict[str, Any]
    state: State
    reason: str


TWINS: Final = [
    Twin(LIVE, (way.POST,), {"told": Told.POSTED}, State.CANCELLED, TAKEN_TWICE),
    Twin(LIVE, (way.POST,), {}, State.CANCELLED, TAKEN_TWICE),
    Twin({}, (way.CLAIM,), {}, State.CANCELLED, TAKEN_TWICE),
    Twin({}, (way.CLAIM, way.REFUSE), {}, State.CANCELLED, TAKEN_TWICE),
    Twin({}, (way.CANCEL,), {}, State.CANCELLED, TAKEN_TWICE),
    Twin({}, (), {}, State.READY, ""),
    Twin(LIVE, (way.NOT_SENT,), {}, State.READY, ""),
    Twin(LIVE, (way.REFUSE,), {"told": Told.REFUSED}, State.PARKED, ANSWERED_OTHERWISE),
    Twin(LIVE, (way.REFUSE,), {}, State.PARKED, ANSWERED_OTHERWISE),
    Twin(REFUSED, (), {}, State.PARKED, ANSWERED_OTHERWISE),
    Twin({"fingerprint": b"other"}, (), {}, State.PARKED, ANSWERED_OTHERWISE),
]


@pytest.mark.parametrize("twin", TWINS)
async def test_a_payment_whose_key_was_taken_before_is_one_payment_or_a_person_s(place: Place, twin: Twin) -> None:
    """Two answers that say yes are one payment, sent once; a yes beside a no is neither sent nor dropped."""
    async with place.open() as store:
        first = await go(store, await put(store, draft(1, key="twin", lane=1, **twin.how)), *twin.ways, **twin.details)
        await place.cut(store)
        await put(store, draft(2, key="twin", lane=1))
        await place.mend(store)
        await store.bring_over()

        second = await store.get(2)
        owner = await store.find("kiosk", "twin")
        unsent = await ready_numbers(store)

        assert second is not None
        assert owner is not None
        assert (second.state, second.reason, second.told) == (twin.state, twin.reason, Told.PROVISIONAL)
        # One that was not sent yet makes room: the number that was told last is the one that stands.
        assert owner.number == (2 if twin.state is State.READY else 1)
        assert unsent == ([2] if twin.state is State.READY else [1] if first.state is State.READY else [])
        assert store.kept == Sum(0, 0)
        assert await is_sound(store)


async def test_while_nobody_knows_what_its_twin_will_be_told_it_stays_and_what_follows_it_too(place: Place) -> None:
    """Other lanes go. When the twin is told, the rest follows in order."""
    async with place.open() as store:
        twin = await put(store, draft(1, key="twin", lane=1, **LIVE))
        await place.cut(store)
        await taken(store, draft(2, key="twin", lane=1), draft(3, lane=1), draft(4, lane=4))
        await place.mend(store)

        await store.bring_over()
        first = await ready_numbers(store)
        await go(store, twin, way.POST, told=Told.POSTED)
        await store.bring_over()

        assert (first, await ready_numbers(store)) == ([4], [3, 4])
        joined = await store.get(2)
        assert joined is not None
        assert (joined.state, joined.reason) == (State.CANCELLED, TAKEN_TWICE)


async def test_two_nodes_that_took_the_same_key_alone_have_one_payment(dsn: str, tmp_path: Path) -> None:
    """Both said yes, each with its number; one of them is sent."""
    one, two = Place(dsn, tmp_path, "one"), Place(dsn, tmp_path, "two")
    async with one.open() as first, two.open() as second:
        for place, store, number in ((one, first, 1), (two, second, 2)):
            await place.cut(store)
            await put(store, draft(number, key="twin", lane=1))
        for place, store in ((one, first), (two, second)):
            await place.mend(store)
            await store.bring_over()

        assert await ready_numbers(first) == [2]
        assert await is_sound(first)


async def test_a_number_that_is_another_entry_s_is_left_where_it_is_and_said(place: Place) -> None:
    """It can't be, as seats are kept; were it so, nothing may be lost over it."""
    async with place.open() as store:
        await put(store, draft(1))
        await place.cut(store)
        await put(store, draft(1, key="other", lane=9, id=id_of(1, 77)))
        await place.mend(store)

        await store.bring_over()

        assert (store.stuck, store.kept.entries) == (1, 1)
        assert await ready_numbers(store) == [1]


# Between there and here


async def test_as_long_as_something_of_a_lane_is_in_the_file_the_lane_goes_on_there(place: Place) -> None:
    """A payment must not overtake what its sender was told yes for; other lanes are the database's."""
    async with place.open() as store:
        await place.cut(store)
        await put(store, draft(1, lane=1))
        await place.mend(store)

        with pytest.raises(LaneTaken):
            await store.insert(draft(2, lane=1, **LIVE), 1, b"sealed")
        await put(store, draft(3, lane=1))
        await put(store, draft(4, lane=4, **LIVE))

        assert store.kept.entries == 2
        await store.bring_over()
        assert await ready_numbers(store) == [1, 3]


async def test_a_key_in_the_database_is_known_there_though_something_of_its_lane_is_in_the_file(place: Place) -> None:
    """Its sender asks once more, and was told a number: it is told that one again."""
    async with place.open() as store:
        told = await put(store, draft(1, lane=1))
        await place.cut(store)
        await put(store, draft(2, lane=1))
        await place.mend(store)

        again = await store.insert(draft(3, key="key-1", lane=1), 1, b"sealed")
        new = await store.insert(draft(4, lane=1), 1, b"sealed")

        assert again == Known(entry=told)
        assert isinstance(new, Inserted)
        assert store.kept == Sum(2, 20_000)


async def test_a_key_in_the_file_is_known_whichever_way_it_comes_again(place: Place) -> None:
    """Other content on another lane, say, on its way to the core."""
    async with place.open() as store:
        await place.cut(store)
        kept = await put(store, draft(1, lane=1))
        await place.mend(store)

        again = await store.insert(draft(2, key="key-1", lane=2, **LIVE), 1, b"sealed")

        assert again == Known(entry=kept)
        assert await ready_numbers(store) == []


async def test_a_reversal_waits_until_its_payment_is_in_the_database(place: Place) -> None:
    """Nothing is stored of it before."""
    async with place.open() as store:
        await place.cut(store)
        kept = await put(store, draft(1))
        await place.mend(store)
        with pytest.raises(SpoolClosed, match="yet to be brought over"):
            await store.reverse(reversal(2, kept), 1, b"sealed")

        await store.bring_over()
        undone = await store.reverse(reversal(2, kept), 1, b"sealed")

        assert isinstance(undone, Inserted)
        assert undone.entry.state is State.CANCELLED


async def test_while_the_database_is_away_nothing_is_brought_anywhere(place: Place) -> None:
    """And it is still there afterwards."""
    async with place.open() as store:
        await place.cut(store)
        await put(store, draft(1))

        await store.bring_over()

        assert store.kept == Sum(1, 10_000)


# What the others see


async def test_others_know_of_a_node_that_may_have_payments_they_can_t_find(place: Place) -> None:
    """From its lease's end until it has brought everything over; so nobody says "there is none" meanwhile."""
    async with place.open() as store, node(place.dsn, "two") as other:
        await store.bring_over()
        await other.look_round()
        told = [other.unheard]
        await place.cut(store)
        await put(store, draft(1))
        expire(place.dsn, "one")
        await other.look_round()
        told.append(other.unheard)
        await place.mend(store)
        await other.look_round()
        told.append(other.unheard)
        await store.bring_over()
        await other.look_round()
        told.append(other.unheard)

    assert told == [False, True, True, False]


async def test_the_seat_of_a_node_that_may_have_payments_is_nobody_else_s(place: Place) -> None:
    """Numbers are made by seats: two nodes with one seat could make the same."""
    async with place.open() as store:
        seat = store.seat
        await place.cut(store)
        await put(store, draft(1))
        expire(place.dsn, "one")
        async with node(place.dsn, "two") as second:
            second._takes_over_from = 0.0
            await second.look_round()
            async with node(place.dsn, "three") as third:
                assert seat not in {second.seat, third.seat}
                await third.look_round()
                assert third.unheard
        await place.mend(store)
        assert store.seat == seat


async def test_a_node_that_stops_with_payments_in_its_file_keeps_its_seat_and_brings_them_at_its_next_start(
    place: Place,
) -> None:
    """A stop is no loss, and the others go on knowing."""
    async with place.open() as store:
        await place.cut(store)
        await put(store, draft(1))
        await place.mend(store)
    async with node(place.dsn, "two") as other:
        await other.look_round()
        assert other.unheard
        async with place.open() as store:
            assert store.tally.exposure("billing") == Sum(1, 10_000)
            await store.bring_over()
            assert await ready_numbers(other) == [1]


async def test_a_node_that_stops_with_nothing_in_its_file_keeps_its_seat_as_it_may_start_alone(place: Place) -> None:
    """The others go on knowing that; a start without leave to go on alone, and a stop, ends it."""
    async with place.open() as store:
        seat = store.seat
        await store.bring_over()
    async with node(place.dsn, "two") as other:
        await other.look_round()
        assert (other.unheard, other.seat == seat) == (True, False)
        async with node(place.dsn, "one") as again:
            assert again.seat == seat
        await other.look_round()

        assert not other.unheard


async def test_a_node_starts_alone_by_what_its_file_tells_of_the_database(place: Place) -> None:
    """Its seat, the highest number, and what all nodes held of each limit; taken is what a share of the rest allows."""
    async with place.open() as store:
        await taken(store, draft(1), draft(2))
        await store.remember("key-ids", b"1")
        await store.remember("other", b"1")
        seat = store.seat
    alone = place.store()
    await alone.open_alone(NOW_US)
    limit = Limit("", 6, None)
    with pytest.raises(SpoolClosed):
        await put(alone, draft(3, within=(limit,)))
    alone._leased_until = LONG_AGO
    await taken(alone, draft(3, within=(limit,)), draft(4, within=(limit,)))
    with pytest.raises(OverLimit):
        await put(alone, draft(5, within=(limit,)))
    seen = alone.seat, await alone.highest_number(), alone.tally.exposure("billing"), alone.holds()
    memos = [await alone.recall(name) for name in ("key-ids", "other")]
    await alone.close()
    with pytest.raises(SpoolClosed):
        await put(alone, draft(6))

    assert seen == (seat, 4, Sum(4, 40_000), False)
    assert memos == [b"1", None]
    async with place.open() as store:
        await store.bring_over()
        assert await ready_numbers(store) == [1, 2, 3, 4]


async def test_a_node_that_was_never_at_its_database_does_not_start_alone(place: Place) -> None:
    """Another node may have the seat it would take; and the file is let go of."""
    with pytest.raises(SpoolUnfit, match="never at its database"):
        await place.store().open_alone(NOW_US)
    async with place.open() as store:
        assert store.seat


async def test_what_the_file_tells_of_the_database_is_kept_up_while_it_runs(place: Place) -> None:
    """A node that is killed knows what it knew some seconds before."""
    async with place.open(poll_s=0.01) as store:
        await taken(store, draft(7))
        await until(lambda: bool(store._copied_next))
        store._copied_next = 0.0
        await until(lambda: bool(store._copied_next))
        seen = await store._copies.seen()

        assert seen is not None
        assert (seen.highest, seen.seat) == (7, store.seat[0])


async def test_whether_the_database_answers_is_found_by_connecting(place: Place) -> None:
    """Also one that can't be opened answers: opening it then says why."""
    store = place.store()
    whole = await store.answers()
    place.line.is_cut = True

    assert (whole, await store.answers()) == (True, False)


async def test_what_is_brought_over_is_moved_on_like_any_other(place: Place) -> None:
    """Claimed, posted, and the sums follow."""
    async with place.open() as store:
        await place.cut(store)
        kept = await put(store, draft(1))
        await place.mend(store)
        await store.bring_over()

        done = await go(store, kept, way.CLAIM, way.POST)
        made = await store.move([Move(entry=kept, transition=way.CLAIM, at_us=LATER_US)])

        assert (done.state, made) == (State.POSTED, [False])
        assert store.tally.exposure("billing") == Sum(0, 0)
        assert done.changed_at_us >= NOW_US
