"""How far a look for entries goes, and what a scope means."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from gateway.admin import asks
from gateway.admin.entries.looking import STRETCHES, leaf, patience
from gateway.admin.http.problem import Trouble
from gateway.clock import ManualClock
from spool.memory import MemoryStore
from spool.number import EPOCH_MS, Numbers, number_at
from spool.store import Filter
from tests.contracts.spool_examples import NOW_US, draft

COUNT = STRETCHES[0] + 200


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """So many entries that one stretch doesn't reach the end; the last of them is dear."""
    made = MemoryStore()
    await made.open(NOW_US)
    for number in range(1, COUNT + 1):
        await made.insert(draft(number, amount=5_000 if number == COUNT else 100), 1, b"sealed")
    yield made
    await made.close()


async def test_a_page_that_fills_goes_on_from_its_last(store: MemoryStore) -> None:
    """As pages always did."""
    found, following = await leaf(store, Filter(), 10)
    assert ([entry.number for entry in found], following) == (list(range(1, 11)), 10)


async def test_what_passes_seldom_is_found_stretch_by_stretch(store: MemoryStore) -> None:
    """In the second stretch, and then there is no more."""
    found, following = await leaf(store, Filter(amount_min=5_000), 10)
    assert ([entry.number for entry in found], following) == ([COUNT], 0)


async def test_a_look_ends_after_its_stretches(store: MemoryStore) -> None:
    """However little it found, it says where to go on, and going on misses nothing."""
    found, following = await leaf(store, Filter(amount_min=5_000), 10, (100, 200))
    assert (found, following) == ([], 300)
    wanted = Filter(amount_min=101, newest_first=True, before=COUNT)
    newest, further = await leaf(store, wanted, 10, (100, 200))
    assert (newest, further) == ([], COUNT - 300)


class Slow(MemoryStore):
    """A store whose disk is slow today."""

    clock = ManualClock()

    async def horizon(self, wanted: Filter, count: int) -> int:
        """After a while."""
        await self.clock.advance(0.06)
        return await super().horizon(wanted, count)


async def test_a_look_whose_time_is_over_ends_with_the_stretch_it_is_in() -> None:
    """A person has an answer soon, with the place to go on from; and each look gets further."""
    store = Slow()
    await store.open(NOW_US)
    for number in range(1, 11):
        await store.insert(draft(number), 1, b"sealed")
    wanted = Filter(amount_min=5_000_000)
    assert await leaf(store, wanted, 10, (2, 3, 2), goes_on=patience(store.clock)) == ([], 5)
    await store.clock.advance(1)
    over = patience(store.clock)
    await store.clock.advance(1)
    assert await leaf(store, wanted, 10, (2, 3, 2), goes_on=over) == ([], 2)
    await store.close()


@pytest.mark.parametrize("newest_first", [False, True])
async def test_stretches_together_are_the_whole(store: MemoryStore, *, newest_first: bool) -> None:
    """Nothing twice, nothing left out."""
    numbers, following = list[int](), 0
    wanted = Filter(newest_first=newest_first)
    for _ in range(COUNT // 300 + 1):
        found, following = await leaf(store, wanted, 300)
        wanted = replace(wanted, before=following) if newest_first else replace(wanted, after=following)
        numbers += [entry.number for entry in found]
    assert numbers == sorted(range(1, COUNT + 1), reverse=newest_first)


def test_times_narrow_numbers_too() -> None:
    """So that a page near a time reads nothing far from it; a minute is left for clocks that were set back."""
    at_us = EPOCH_MS * 1000 + 10**12
    scope = asks.Scope(accepted_from="2025-01-12T13:46:40Z", accepted_before="2025-01-12T13:46:41Z")
    wanted = asks.wanted(scope)
    number, _ = Numbers().mint(at_us, 2**72)
    assert wanted.accepted_from_us == at_us
    assert wanted.after < number_at(at_us - 59_000_000) < number < number_at(at_us + 59_000_000) < wanted.before
    assert wanted.after > number_at(at_us - 61_000_000)
    assert wanted.before < number_at(at_us + 62_000_000)


def test_a_page_goes_on_within_its_times() -> None:
    """The nearer of the two bounds counts."""
    scope = asks.Scope(accepted_from="2025-02-01T00:00:00Z", accepted_before="2025-03-01T00:00:00Z")
    whole = asks.wanted(scope)
    assert asks.wanted(scope, after=whole.after + 7).after == whole.after + 7
    assert asks.wanted(scope, after=1).after == whole.after
    assert asks.wanted(scope, before=whole.before - 7).before == whole.before - 7
    assert asks.wanted(scope, before=2**62).before == whole.before


@pytest.mark.parametrize(
    ("scope", "ends"),
    [
        (asks.Scope(amount="12.50"), (1_250, 1_250)),
        (asks.Scope(amount_from="12.5"), (1_250, 0)),
        (asks.Scope(amount_to="1"), (0, 100)),
        (asks.Scope(amount_from="1", amount_to="2", currency="JPY"), (1, 2)),
        (asks.Scope(state=["held"]), (0, 0)),
    ],
)
def test_amounts_are_read_in_their_currency(scope: asks.Scope, ends: tuple[int, int]) -> None:
    """The one named, else the only one there is."""
    wanted = asks.wanted(scope, currency="RUB")
    assert (wanted.amount_min, wanted.amount_max) == ends
    assert wanted.currency == (scope.currency or ("RUB" if any(ends) else ""))


def test_an_amount_without_a_currency_is_none() -> None:
    """Where there are several, it must be said."""
    with pytest.raises(Trouble, match="currency"):
        asks.wanted(asks.Scope(amount="1"))


def test_a_number_of_before_there_were_any_is_nothing() -> None:
    """Not below; and long after they all are spent, it is one that a row can have."""
    assert number_at(0) == 0
    assert number_at(10**17) == 2**63 - 1
