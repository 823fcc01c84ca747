"""What every engine of the spool promises of single entries: what is recorded, keys, compare-and-set."""

import asyncio

import pytest
from msgspec.structs import asdict, replace

from spool import lifecycle as way
from spool.lifecycle import TRANSITIONS, State, Told, Transition
from spool.store import Filter, Inserted, Known, Move, Store
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
)

ALLOWED = [(transition, source) for transition in TRANSITIONS for source in sorted(transition.sources)]


async def test_an_entry_is_kept_as_its_draft_said(store: Store) -> None:
    """Nothing of the header is lost or changed on its way to disk, at the edges of its ranges too."""
    new = draft(2**63 - 1, lane=-(2**63), key="ключ \U0001f511", fingerprint=bytes(range(16)), accepted_at_us=NOW_US)
    new = replace(new, amount=10**15)

    result = await store.insert(new, 2**32 - 1, bytes(range(256)))

    kept = await store.get(new.number)
    assert isinstance(result, Inserted)
    assert kept == result.entry
    header = {name: value for name, value in asdict(new).items() if name not in {"content", "heard", "within"}}
    assert {name: asdict(kept)[name] for name in header} == header
    assert (kept.key_id, kept.sealed) == (2**32 - 1, bytes(range(256)))
    assert (kept.due_at_us, kept.changed_at_us, kept.reason, kept.core_id) == (0, new.accepted_at_us, "", "")


async def test_an_entry_recorded_ready_has_begun_no_attempt(store: Store) -> None:
    """Nothing of it is at the core."""
    assert (await put(store, draft(1))).attempts == 0


async def test_an_entry_recorded_in_flight_has_begun_its_first_attempt(store: Store) -> None:
    """The attempt is on disk before its first byte leaves, in the same commit as the entry."""
    entry = await put(store, draft(1, state=State.IN_FLIGHT, told=Told.NOTHING))

    assert (entry.state, entry.attempts) == (State.IN_FLIGHT, 1)


async def test_no_entry_has_an_unknown_number(store: Store) -> None:
    """Asking for what isn't there is no error."""
    assert await store.get(1) is None
    assert await store.find("kiosk", "key-1") is None
    assert await store.history(1) == []


async def test_the_highest_number_is_none_in_an_empty_spool(store: Store) -> None:
    """Minting starts from it."""
    assert await store.highest_number() == 0


async def test_the_highest_number_is_that_of_any_entry(store: Store) -> None:
    """Finished entries count, and the order of arrival doesn't matter."""
    await put_as(store, draft(7), State.POSTED)
    await put(store, draft(3))

    assert await store.highest_number() == 7


# Keys


async def test_a_known_key_gets_the_first_entry_and_changes_nothing(store: Store) -> None:
    """A repeat of a request must find what became of it."""
    first = await put(store, draft(1, key="twin"))

    second = await store.insert(draft(2, key="twin", amount=5), 1, b"other")

    assert second == Known(entry=first)
    assert await store.get(2) is None
    assert await store.page(Filter(), 10) == [first]


async def test_a_known_key_shows_its_entry_as_it_is_now(store: Store) -> None:
    """The answer to a repeat follows the entry's present state."""
    posted = await put_as(store, draft(1, key="twin"), State.POSTED)

    assert await store.insert(draft(2, key="twin"), 1, b"") == Known(entry=posted)


async def test_keys_of_two_channels_are_two_keys(store: Store) -> None:
    """Channels number their payments without asking each other."""
    await put(store, draft(1, channel="kiosk", key="same"))
    other = await put(store, draft(2, channel="bank", key="same"))

    assert await store.find("bank", "same") == other


async def test_of_fifty_twins_at_once_one_is_inserted_and_all_get_it(store: Store) -> None:
    """Channels repeat when impatient, and the repeats arrive together."""
    twins = [store.insert(draft(number, key="twin"), 1, b"") for number in range(1, 51)]

    results = await asyncio.gather(*twins)

    inserted = [result for result in results if isinstance(result, Inserted)]
    assert len(inserted) == 1
    assert {result.entry.number for result in results} == {inserted[0].entry.number}
    assert len(await store.page(Filter(), 100)) == 1
    assert [total.entries for _, total in store.tally.cells()] == [1]


async def test_a_finished_entry_keeps_its_key(store: Store) -> None:
    """The same key gets the same answer for as long as the payment is kept."""
    refused = await put_as(store, draft(1, key="twin"), State.REFUSED)

    assert await store.find("kiosk", "twin") == refused


async def test_a_cancelled_entry_keeps_its_key(store: Store) -> None:
    """Only what was given back frees its key: a cancelled payment must not be paid by its repeat."""
    cancelled = await put_as(store, draft(1, key="twin"), State.CANCELLED)

    assert await store.insert(draft(2, key="twin"), 1, b"") == Known(entry=cancelled)


async def test_an_entry_given_back_owns_no_key(store: Store) -> None:
    """Nothing was sent and nobody told yes: the channel's repeat starts anew."""
    await put_as(store, draft(1, key="again", told=Told.NOTHING), State.IN_FLIGHT)
    claimed = await store.get(1)
    assert claimed is not None

    await go(store, claimed, way.GIVE_BACK)

    assert await store.find("kiosk", "again") is None
    kept = await store.get(1)
    assert kept is not None
    assert kept.state is State.CANCELLED


async def test_a_key_given_back_is_taken_by_a_new_entry(store: Store) -> None:
    """And `find` tells of the new one, while the old one stays in the books."""
    claimed = await put_as(store, draft(1, key="again", told=Told.NOTHING), State.IN_FLIGHT)
    await go(store, claimed, way.GIVE_BACK)

    second = await put(store, draft(2, key="again"))

    assert await store.find("kiosk", "again") == second
    assert [entry.number for entry in await store.page(Filter(key="again"), 10)] == [1, 2]


async def test_a_key_stays_given_back_after_reopening(make_store: MakeStore) -> None:
    """Who owns a key is on disk, not in memory."""
    first = make_store()
    await first.open(NOW_US)
    claimed = await put_as(first, draft(1, key="again", told=Told.NOTHING), State.IN_FLIGHT)
    await go(first, claimed, way.GIVE_BACK)
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await second.find("kiosk", "again") is None
    await put(second, draft(2, key="again"))

    await second.close()


# Compare and set


@pytest.mark.parametrize(("transition", "source"), ALLOWED, ids=name_of)
async def test_every_allowed_transition_is_made(store: Store, transition: Transition, source: State) -> None:
    """And the entry is then what the move said it would be."""
    before = await put_as(store, draft(1), source)
    move = Move(
        entry=before,
        transition=transition,
        at_us=NOW_US + 50,
        due_at_us=NOW_US + 60,
        told=Told.POSTED,
        reason="because",
        core_id="core-7",
    )

    assert await store.move([move]) == [True]

    after = await store.get(1)
    assert after == move.after()
    assert after.state is transition.target


@pytest.mark.parametrize("claimed", [way.CLAIM, way.RESEND], ids=name_of)
async def test_beginning_an_attempt_raises_epoch_and_attempts(store: Store, claimed: Transition) -> None:
    """An outcome counts only for the attempt it was made in."""
    (source,) = claimed.sources
    before = await put_as(store, draft(1), source)

    after = await go(store, before, claimed)

    assert await store.get(1) == after
    assert (after.epoch, after.attempts) == (before.epoch + 1, before.attempts + 1)


async def test_a_move_leaves_what_it_does_not_name(store: Store) -> None:
    """What was told and the core's id stay; reason and time are the move's."""
    doubtful = await put_as(store, draft(1), State.IN_DOUBT)
    named = await go(store, doubtful, way.POSTPONE, core_id="core-7", reason="pending", due_at_us=NOW_US)

    after = await go(store, named, way.POST)

    assert await store.get(1) == after
    assert (after.core_id, after.told, after.reason, after.due_at_us) == ("core-7", Told.PROVISIONAL, "", 0)


async def test_a_move_of_an_entry_that_changed_state_is_not_made(store: Store) -> None:
    """Somebody was faster; the answer says so and nothing changes."""
    known = await put(store, draft(1))
    held = await go(store, known, way.HOLD)

    assert await store.move([Move(entry=known, transition=way.CLAIM, at_us=NOW_US + 9)]) == [False]

    assert await store.get(1) == held
    assert len(await store.history(1)) == 2


async def test_an_outcome_of_an_earlier_attempt_is_not_recorded(store: Store) -> None:
    """The state is the same again, but the epoch isn't."""
    first = await put_as(store, draft(1), State.IN_FLIGHT)
    second = await go(store, first, way.NOT_SENT, way.CLAIM)

    assert await store.move([Move(entry=first, transition=way.POST, at_us=NOW_US + 9)]) == [False]

    assert await store.get(1) == second


async def test_a_move_by_someone_who_missed_what_was_told_is_not_made(store: Store) -> None:
    """A yes told meanwhile must not be overrun by a decision made before it."""
    first = await put_as(store, draft(1, told=Told.NOTHING), State.IN_DOUBT)
    told = await go(store, first, way.POSTPONE, told=Told.PROVISIONAL)

    assert await store.move([Move(entry=first, transition=way.REFUSE, at_us=NOW_US + 9)]) == [False]

    assert await store.get(1) == told


async def test_a_move_of_an_entry_that_is_not_there_is_not_made(store: Store) -> None:
    """No row changed is an answer."""
    stranger = replace(await put(store, draft(1)), number=2)

    assert await store.move([Move(entry=stranger, transition=way.CLAIM, at_us=NOW_US)]) == [False]


async def test_one_stale_move_does_not_stop_the_others(store: Store) -> None:
    """Each move is answered for itself."""
    stale, fresh, other = await put(store, draft(1)), await put(store, draft(2)), await put(store, draft(3))
    await go(store, stale, way.HOLD)

    made = await store.move([Move(entry=e, transition=way.CLAIM, at_us=NOW_US) for e in (fresh, stale, other)])

    assert made == [True, False, True]
    assert await ready_numbers(store) == []
    assert [(await store.history(number))[-1].name for number in (1, 2, 3)] == ["hold", "claim", "claim"]


async def test_of_two_moves_of_one_entry_in_one_call_the_second_is_not_made(store: Store) -> None:
    """After the first it isn't as its caller knew it."""
    entry = await put_as(store, draft(1), State.IN_FLIGHT)

    made = await store.move(
        [
            Move(entry=entry, transition=way.POST, at_us=NOW_US),
            Move(entry=entry, transition=way.DOUBT, at_us=NOW_US),
        ]
    )

    assert made == [True, False]
    assert [event.name for event in await store.history(1)] == ["record", "claim", "post"]


async def test_of_many_rivals_at_once_one_wins(store: Store) -> None:
    """Exactly one of sent and cancelled can win."""
    entry = await put(store, draft(1))
    ways = [way.CLAIM, way.CANCEL, way.HOLD, way.PARK] * 10

    made = await asyncio.gather(*(store.move([Move(entry=entry, transition=t, at_us=NOW_US)]) for t in ways))

    assert sorted(made).count([True]) == 1
    assert len(await store.history(1)) == 2


async def test_no_moves_are_no_trouble(store: Store) -> None:
    """An empty batch is what a quiet moment looks like."""
    assert await store.move([]) == []


def test_there_is_a_way_to_every_state() -> None:
    """So that the examples cover the lifecycle."""
    assert set(State) == set(WAYS)
