"""What every engine of the spool promises of money owed back, and of small values that several write."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.lifecycle import FINAL, Kind, State, Told, Transition
from spool.store import Move, NotReversible, Owed, Store
from spool.tally import NOTHING, Sum
from tests.contracts.spool_examples import (
    NOW_US,
    WAYS,
    MakeStore,
    draft,
    go,
    name_of,
    put,
    put_as,
    ready_numbers,
    reversal,
    undo,
)


async def owed(store: Store, route: str = "billing", limit: int = 10) -> list[int]:
    """Numbers of what is owed back."""
    return [entry.number for entry in await store.returns_due(route, limit)]


# What is owed back


@pytest.mark.parametrize("told", [Told.PROVISIONAL, Told.POSTED])
async def test_what_is_refused_after_a_yes_is_owed_back(store: Store, told: Told) -> None:
    """The payer believes that it is paid."""
    await put_as(store, draft(1, told=told), State.REFUSED)
    assert await owed(store) == [1]


@pytest.mark.parametrize("told", [Told.NOTHING, Told.REFUSED])
async def test_what_is_refused_without_a_yes_is_not_owed_back(store: Store, told: Told) -> None:
    """The channel hears the no, and keeps the money with the payer."""
    await put_as(store, draft(1, told=told), State.REFUSED)
    assert await owed(store) == []


@pytest.mark.parametrize("state", sorted(set(WAYS) - {State.REFUSED}), ids=name_of)
async def test_nothing_is_owed_back_in_any_other_state(store: Store, state: State) -> None:
    """Only a refusal makes it a debt, and its return ends it."""
    await put_as(store, draft(1), state)
    assert await owed(store) == []


async def test_the_longest_owed_comes_first(store: Store) -> None:
    """By when it was refused, not by when it came."""
    first, second, third = [await put_as(store, draft(n), State.IN_FLIGHT) for n in (1, 2, 3)]
    await go(store, second, way.REFUSE, at_us=NOW_US + 100)
    await go(store, third, way.REFUSE, at_us=NOW_US + 200)
    await go(store, first, way.REFUSE, at_us=NOW_US + 300)

    assert await owed(store) == [2, 3, 1]
    assert await owed(store, limit=2) == [2, 3]


async def test_debts_are_told_apart_by_route(store: Store) -> None:
    """Each route has its own people."""
    await put_as(store, draft(1), State.REFUSED)
    await put_as(store, draft(2, route="mobile"), State.REFUSED)
    assert (await owed(store), await owed(store, "mobile"), await owed(store, "other")) == ([1], [2], [])


async def test_what_one_channel_owes_is_found_among_all(store: Store) -> None:
    """A channel is told of its own, and of nobody else's."""
    for number, channel in ((1, "kiosk"), (2, "bank"), (3, "kiosk"), (4, "bank")):
        await put_as(store, draft(number, channel=channel), State.REFUSED)

    assert [each.number for each in await store.returns_due("billing", 10, channel="bank")] == [2, 4]
    assert [each.number for each in await store.returns_due("billing", 1, channel="kiosk")] == [1]
    assert await store.returns_due("billing", 10, channel="other") == []


async def test_debts_are_read_page_by_page(store: Store) -> None:
    """Also where several were refused in one moment, and one of them is settled between two pages."""
    entries = [await put_as(store, draft(n, channel=c), State.IN_FLIGHT) for n, c in enumerate("abaaa", start=1)]
    for entry, late_us in zip(entries, (5, 5, 5, 5, 1), strict=True):
        await go(store, entry, way.REFUSE, at_us=NOW_US + late_us)

    first = await store.returns_due("billing", 2, channel="a")
    last = Owed(first[-1].changed_at_us, first[-1].number)
    await go(store, first[-1], way.CLOSE_RETURNED)
    second = await store.returns_due("billing", 2, channel="a", after=last)

    assert [each.number for each in first] == [5, 1]
    assert [each.number for each in second] == [3, 4]
    assert await store.returns_due("billing", 2, after=Owed(NOW_US + 5, 4)) == []


async def test_debts_outlive_a_process(make_store: MakeStore) -> None:
    """A return is due for days."""
    first = make_store()
    await first.open(NOW_US)
    await put_as(first, draft(1), State.REFUSED)
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await owed(second) == [1]

    await second.close()


# Ending by hand

ENDINGS = [way.CLOSE_POSTED, way.CLOSE_REFUSED, way.CLOSE_RETURNED]


@pytest.mark.parametrize("ending", ENDINGS, ids=name_of)
@pytest.mark.parametrize("state", sorted(way.BY_PERSONS), ids=name_of)
async def test_what_a_person_ends_leaves_its_lane_and_its_sum(store: Store, state: State, ending: Transition) -> None:
    """As with any other end: the next of its account may go, and nothing of it is exposure any more."""
    entry = await put_as(store, draft(1, lane=7), state)

    ended = await go(store, entry, ending, actor="amina", note="statement 17")

    assert ended.state in FINAL
    assert store.nodes.shared or store.lane_is_clear("billing", 7)
    assert store.tally.exposure("billing") == store.tally.waiting("billing") == NOTHING
    assert (await store.history(1))[-1].note == "statement 17"


async def test_a_return_takes_nothing_more_from_its_lane(store: Store) -> None:
    """It left the lane when it was refused; another payment of the account waits there now."""
    refused = await put_as(store, draft(1, lane=7), State.REFUSED)
    await put(store, draft(2, lane=7))

    await go(store, refused, way.CLOSE_RETURNED)

    assert not store.lane_is_clear("billing", 7)
    assert store.tally.exposure("billing") == Sum(1, 10_000)


async def test_a_reversal_settled_by_hand_stays_in_the_way_of_another(store: Store) -> None:
    """What a person settled with the channel must not be undone a second time at the core."""
    payment = await put_as(store, draft(1), State.POSTED)
    refused = await go(store, await undo(store, reversal(2, payment)), way.CLAIM, way.REFUSE)
    settled = await go(store, refused, way.CLOSE_RETURNED)

    assert await store.reverse(reversal(3, payment), 1, b"") == NotReversible(entry=payment, reversal=settled)


async def test_of_two_settled_reversals_the_first_stands_in_the_way(store: Store) -> None:
    """The second was possible while the first was only refused."""
    payment = await put_as(store, draft(1), State.POSTED)
    first = await go(store, await undo(store, reversal(2, payment)), way.CLAIM, way.REFUSE)
    second = await undo(store, reversal(3, payment))
    settled = await go(store, first, way.CLOSE_RETURNED)
    assert await store.reversal_of(1) == settled

    await go(store, second, way.CLAIM, way.REFUSE)

    assert await store.reversal_of(1) == settled
    assert settled.kind is Kind.REVERSAL


# Refusals that are taken back


async def test_a_refusal_taken_back_waits_in_its_old_place(store: Store) -> None:
    """Owed to nobody, exposed, before what came later, and alone in its lane."""
    refused = await put_as(store, draft(1, lane=7), State.REFUSED)
    await put(store, draft(2, lane=8))

    ready = await go(store, refused, way.REOPEN, actor="amina+boris", note="ticket 991")

    assert await store.get(1) == ready
    assert (ready.state, ready.attempts, ready.told, ready.due_at_us) == (State.READY, 1, Told.PROVISIONAL, 0)
    assert await ready_numbers(store) == [1, 2]
    assert await owed(store) == []
    assert not store.lane_is_clear("billing", 7)
    assert store.tally.exposure("billing") == Sum(2, 20_000)
    assert (await store.history(1))[-1].actor == "amina+boris"


async def test_a_refusal_taken_back_is_sent_booked_and_leaves_its_lane(store: Store) -> None:
    """As if it had never been refused, but for its attempts."""
    posted = await go(store, await put_as(store, draft(1, lane=7), State.REFUSED), way.REOPEN, way.CLAIM, way.POST)

    assert (posted.state, posted.attempts) == (State.POSTED, 2)
    assert store.nodes.shared or store.lane_is_clear("billing", 7)
    assert store.tally.waiting("billing") == NOTHING


async def test_a_refusal_that_moved_on_is_not_taken_back(store: Store) -> None:
    """The money went back at the same moment: the lane is as clear as it was."""
    refused = await put_as(store, draft(1, lane=7), State.REFUSED)
    await go(store, refused, way.CLOSE_RETURNED)

    assert await store.move([Move(entry=refused, transition=way.REOPEN, at_us=NOW_US)]) == [False]
    assert store.nodes.shared or store.lane_is_clear("billing", 7)
    assert store.tally.waiting("billing") == NOTHING


async def test_what_a_refusal_taken_back_needs_its_key_for_is_counted(store: Store) -> None:
    """A key isn't destroyed while something sealed under it waits."""
    refused = await put_as(store, draft(1), State.REFUSED)
    assert (await store.key_uses())[1].waiting == 0

    await go(store, refused, way.REOPEN)

    kept, counted = await store.recount_keys()
    assert kept[1].waiting == counted[1].waiting == 1


async def test_a_refusal_taken_back_outlives_a_process(make_store: MakeStore) -> None:
    """On disk, in its lane."""
    first = make_store()
    await first.open(NOW_US)
    await go(first, await put_as(first, draft(1, lane=7), State.REFUSED), way.REOPEN)
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await ready_numbers(second) == [1]
    assert not second.lane_is_clear("billing", 7)
    await second.close()


async def test_all_reversals_of_a_payment_are_found(store: Store) -> None:
    """Also those that came to nothing, which stand in nobody's way."""
    payment = await put_as(store, draft(1), State.POSTED)
    refused = await go(store, await undo(store, reversal(2, payment)), way.CLAIM, way.REFUSE)
    second = await undo(store, reversal(3, payment))

    assert await store.reversals_of(1) == [refused, second]
    assert await store.reversals_of(2) == await store.reversals_of(0) == []


# Small values that several write


async def test_a_value_is_put_where_there_was_none(store: Store) -> None:
    """Whoever comes first."""
    assert await store.exchange("policy", None, b"one")
    assert await store.recall("policy") == b"one"


@pytest.mark.parametrize("known", [None, b"other"])
async def test_a_value_somebody_else_changed_stays(store: Store, known: bytes | None) -> None:
    """Its writer looks again and decides anew."""
    await store.remember("policy", b"one")

    assert not await store.exchange("policy", known, b"two")
    assert await store.recall("policy") == b"one"


async def test_a_value_is_not_put_where_one_was_expected(store: Store) -> None:
    """Nothing is no value."""
    assert not await store.exchange("policy", b"", b"two")
    assert await store.recall("policy") is None


async def test_of_many_writers_one_wins(store: Store) -> None:
    """At the same moment, from the same knowledge."""
    await store.remember("policy", b"0")

    done = await asyncio.gather(*(store.exchange("policy", b"0", bytes([n])) for n in range(1, 20)))

    assert done.count(True) == 1
    assert await store.recall("policy") == bytes([done.index(True) + 1])


async def test_values_are_listed_by_the_beginning_of_their_names(store: Store) -> None:
    """In order, a page at a time."""
    for name in ("paper/2", "paper/1", "paper/3", "papers", "other/1"):
        await store.remember(name, name.encode())

    assert await store.recall_some("paper/", "", 2) == [("paper/1", b"paper/1"), ("paper/2", b"paper/2")]
    assert await store.recall_some("paper/", "paper/2", 2) == [("paper/3", b"paper/3")]
    assert await store.recall_some("none/", "", 2) == []
