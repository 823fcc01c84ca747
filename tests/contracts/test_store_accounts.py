"""What every engine of the spool promises of accounts: what is known of them, and what each was promised in a day."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.account import AccountNote, Spending
from spool.lifecycle import State, Told
from spool.store import Store
from tests.contracts.spool_examples import NOW_US, MakeStore, draft, put, spending

# Promises of a day


async def test_promises_to_an_account_are_counted_up_to_its_limit(store: Store) -> None:
    """To the last minor unit, and not above it."""
    passed = [await store.spend(spending(amount=amount)) for amount in (100, 100, 51, 50, 1)]
    assert passed == [True, True, False, True, False]


async def test_a_limit_may_be_on_the_count(store: Store) -> None:
    """Or on both, or on nothing."""
    limited = spending(sum_max=None, count_max=2)
    assert [await store.spend(limited) for _ in range(3)] == [True, True, False]
    assert await store.spend(spending(sum_max=None))


async def test_accounts_and_days_are_told_apart(store: Store) -> None:
    """One's limit is no other's, and tomorrow is another day."""
    full = spending(amount=250)
    assert await store.spend(full)
    assert not await store.spend(full)
    assert await store.spend(spending(amount=250, lane=8))
    assert await store.spend(spending(amount=250, day=20_001))


async def test_of_many_at_once_no_more_than_the_limit_pass(store: Store) -> None:
    """Two of a hundred, as two fit."""
    passed = await asyncio.gather(*(store.spend(spending()) for _ in range(100)))
    assert passed.count(True) == 2


async def test_what_is_refunded_may_be_promised_again(store: Store) -> None:
    """It was counted, and not given."""
    assert await store.spend(spending(amount=250))
    await store.refund(spending(amount=250))
    assert await store.spend(spending(amount=250))


async def test_a_refund_of_nothing_is_none(store: Store) -> None:
    """Nobody gains by it."""
    await store.refund(spending(amount=200))
    assert [await store.spend(spending(amount=250)) for _ in range(2)] == [True, False]


async def test_promises_outlive_a_process(make_store: MakeStore) -> None:
    """A restart at noon begins no new day."""
    first = make_store()
    await first.open(NOW_US)
    assert await first.spend(spending(amount=250))
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert not await second.spend(spending(amount=1))

    await second.close()


async def test_yesterday_is_kept_and_the_day_before_it_forgotten(store: Store) -> None:
    """A zone's midnight is passed by one node before the other."""
    passed = [await store.spend(spending(amount=250, day=day)) for day in (20_000, 20_001, 20_002)]
    assert passed == [True, True, True]

    assert not await store.spend(spending(amount=1, day=20_001))
    assert await store.spend(spending(amount=250, day=20_000))


async def test_what_was_promised_under_former_index_keys_counts(store: Store) -> None:
    """The account is another lane by then, and the day is the same; what is taken back is taken from where it was counted."""
    assert await store.spend(spending(lane=7))
    assert await store.spend(spending(lane=8, former=(7,)))
    newest = spending(lane=9, former=(8, 7))
    assert not await store.spend(newest)
    await store.refund(spending(lane=8, former=(7,)))
    assert [await store.spend(newest), await store.spend(newest)] == [True, False]


@given(
    entries=st.integers(0, 10),
    spent=st.integers(0, 1_000),
    amount=st.integers(1, 1_000),
    sum_max=st.none() | st.integers(0, 1_500),
    count_max=st.none() | st.integers(0, 11),
)
def test_what_fits_stays_within_every_limit(
    entries: int, spent: int, amount: int, sum_max: int | None, count_max: int | None
) -> None:
    """And what stays within them fits."""
    asked = Spending(day=1, lane=1, amount=amount, sum_max=sum_max, count_max=count_max)
    in_sum = sum_max is None or spent + amount <= sum_max
    in_count = count_max is None or entries + 1 <= count_max
    assert asked.fits(entries, spent) == (in_sum and in_count)


# What is known


def note(lane: int = 7, **says: Any) -> AccountNote:
    """A note of an account."""
    usual: dict[str, Any] = {"seen_at_us": NOW_US}
    return AccountNote(lane=lane, **usual | says)


async def test_of_a_stranger_nothing_is_known(store: Store) -> None:
    """None is no note."""
    assert await store.account(7) is None
    assert (await store.accounts_counted(), await store.denies()) == ((0, 0), False)


async def test_what_was_heard_is_kept(store: Store) -> None:
    """Whole."""
    heard = note(known=True, key_id=3, sealed=b"sealed")
    await store.note_accounts([heard, note(lane=-(2**63), known=False)])
    assert await store.account(7) == heard
    assert await store.accounts_counted() == (1, 0)


@pytest.mark.parametrize(
    ("later", "then"),
    [
        (note(denied=True), note(known=True, denied=True, key_id=3, sealed=b"first")),
        (note(known=False), note(known=False, key_id=3, sealed=b"first")),
        (note(key_id=4, sealed=b"second"), note(known=True, key_id=4, sealed=b"second")),
        (note(seen_at_us=NOW_US + 1), note(known=True, seen_at_us=NOW_US + 1, key_id=3, sealed=b"first")),
        (note(seen_at_us=NOW_US - 1), note(known=True, key_id=3, sealed=b"first")),
    ],
)
async def test_a_note_changes_what_it_says_and_leaves_the_rest(
    store: Store, later: AccountNote, then: AccountNote
) -> None:
    """The last answer of a core outlives a person's denial."""
    await store.note_accounts([note(known=True, key_id=3, sealed=b"first")])
    await store.note_accounts([later])
    assert await store.account(7) == then


async def test_a_later_note_of_the_same_call_comes_over_an_earlier(store: Store) -> None:
    """A file may name an account twice."""
    await store.note_accounts([note(known=True), note(denied=True), note(known=False)])
    assert await store.account(7) == note(known=False, denied=True)


async def test_the_negative_list_says_whether_there_is_any(store: Store) -> None:
    """Until the last one is taken off it."""
    await store.note_accounts([note(denied=True)])
    assert (await store.denies(), await store.accounts_counted()) == (True, (0, 1))
    await store.note_accounts([note(denied=False)])
    assert (await store.denies(), await store.accounts_counted()) == (False, (0, 0))


async def test_many_notes_are_one_call(store: Store) -> None:
    """An import comes by the thousand."""
    await store.note_accounts([note(lane=lane, known=True) for lane in range(-1_000, 1_000)])
    assert await store.accounts_counted() == (2_000, 0)


async def test_notes_outlive_a_process(make_store: MakeStore) -> None:
    """They are for the night after."""
    first = make_store()
    await first.open(NOW_US)
    await first.note_accounts([note(known=True)])
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await second.account(7) == note(known=True)

    await second.close()


async def test_what_is_kept_of_accounts_is_read_of_one_moment(store: Store) -> None:
    """Page by page, for whoever carries it elsewhere."""
    await store.note_accounts([note(lane=lane, known=True) for lane in (-8, 7)])
    await store.spend(spending())
    async with store.records() as records:
        await records.head()
        await store.note_accounts([note(lane=9, known=True)])
        accounts, later = await records.accounts(None, 10), await records.accounts(-8, 10)
        promised = await records.promised((-1, 0), 10)
        assert await records.promised((promised[0].day, promised[0].lane), 10) == []

    assert [each.lane for each in accounts] == [-8, 7]
    assert later == accounts[1:]
    assert [(each.lane, each.entries, each.amount) for each in promised] == [(spending().lane, 1, spending().amount)]


def test_a_note_does_not_show_whose_it_is() -> None:
    """A lane is a keyed hash, and still nobody's business."""
    assert "7" not in repr(note(known=True))


# A no of our own


async def test_a_payment_refused_here_is_over_and_says_so(store: Store) -> None:
    """A rule's no is kept, so that the same key gets it again for ever."""
    entry = await put(store, draft(1, state=State.CANCELLED, told=Told.REFUSED))

    assert (entry.state, entry.told) == (State.CANCELLED, Told.REFUSED)
    assert await store.find("kiosk", "key-1") == entry == await store.get(1)
    assert store.nodes.shared or store.lane_is_clear("billing", 1)
