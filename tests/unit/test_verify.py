"""The conservation check finds every penny that is not where it should be, and nothing else."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from spool import lifecycle as way
from spool import verify as module
from spool.entry import Entry
from spool.evidence.findings import Fault, Finding
from spool.keys import KeyRing
from spool.lifecycle import Kind, State, Told
from spool.memory import MemoryStore
from spool.seal import Sealer
from spool.store import Filter
from spool.tally import NOTHING, Cell, Sum
from spool.verify import balances, differences, verify
from tests.contracts.spool_examples import NOW_US, WAYS, draft, go, put, put_as, reversal, undo

CELL = Cell("billing", "kiosk", "TJS", Kind.PAYMENT, State.READY, Told.PROVISIONAL)


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """An open spool with a payment in every state, a netted pair and a second currency."""
    store = MemoryStore()
    await store.open(NOW_US)
    for number, state in enumerate(sorted(WAYS), start=1):
        await put_as(store, draft(number, amount=2**number), state)
    await undo(store, reversal(100, await put(store, draft(99, amount=5))))
    await put(store, draft(101, currency="USD", amount=3))
    yield store
    await store.close()


@pytest.fixture
def sealer() -> Sealer:
    """A sealer of one key."""
    return Sealer(KeyRing([(1, b"\x01" * 32)], b"\x02" * 32))


async def put_sealed(store: MemoryStore, sealer: Sealer, number: int) -> None:
    """Insert a payment with a true seal."""
    new = draft(number)
    await store.insert(new, *sealer.seal(new))


async def test_an_empty_spool_is_in_order() -> None:
    """Nothing is conserved."""
    store = MemoryStore()
    await store.open(NOW_US)

    verdict = await verify(store)

    assert verdict.ok
    assert (verdict.counted, verdict.balances, verdict.opened) == (0, (), 0)


async def test_a_sound_spool_is_in_order(store: MemoryStore) -> None:
    """Every entry is counted, every currency and kind balances."""
    verdict = await verify(store)

    assert verdict.ok
    assert verdict.counted == 10 + 3
    assert [(b.kind, b.currency, b.accepted) for b in verdict.balances] == [
        (Kind.PAYMENT, "TJS", Sum(11, 2**11 - 2 + 5)),
        (Kind.PAYMENT, "USD", Sum(1, 3)),
        (Kind.REVERSAL, "TJS", Sum(1, 5)),
    ]


async def test_a_balance_says_where_the_money_is(store: MemoryStore) -> None:
    """Each state is in exactly one of its parts."""
    balance = (await verify(store)).balances[0]

    assert (balance.posted, balance.refused, balance.returned) == (Sum(1, 2**7), Sum(1, 2**8), Sum(1, 2**9))
    assert (balance.cancelled, balance.waiting) == (Sum(2, 2**10 + 5), Sum(6, 2**7 - 2))


async def test_a_spool_that_changes_meanwhile_is_in_order(store: MemoryStore) -> None:
    """The check runs always, on a service at work."""
    recount = store.recount()
    await anext(recount)
    await put(store, draft(500))

    assert (await verify(store)).ok


@pytest.mark.parametrize("wrong", [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 10_000)])
async def test_a_tally_that_is_wrong_is_found(store: MemoryStore, wrong: tuple[int, int]) -> None:
    """By one entry or by one minor unit, up or down."""
    store.tally.add(CELL, *wrong)

    verdict = await verify(store)

    assert not verdict.ok
    (found,) = verdict.differences
    assert found.cell == CELL
    assert found.tally == found.counted + Sum(*wrong)
    assert not verdict.balances[0].holds


async def test_money_counted_in_the_wrong_state_is_found(store: MemoryStore) -> None:
    """Though the sum of all states is right."""
    store.tally.add(CELL, -1, -2)
    store.tally.add(CELL._replace(state=State.POSTED), 1, 2)

    verdict = await verify(store)

    assert not verdict.ok
    assert [found.cell.state for found in verdict.differences] == [State.READY, State.POSTED]
    assert all(balance.holds for balance in verdict.balances)


async def test_an_entry_that_vanished_is_found(store: MemoryStore) -> None:
    """The tally still knows of it."""
    del store._entries[1]
    store._numbers.remove(1)

    verdict = await verify(store)

    assert [(found.tally, found.counted) for found in verdict.differences] == [(Sum(1, 2), NOTHING)]


async def test_seals_are_not_opened_unless_asked_for(store: MemoryStore) -> None:
    """Counting needs no key."""
    assert (await verify(store)).opened == 0


async def test_every_seal_is_opened(sealer: Sealer) -> None:
    """Page by page, beyond one page."""
    store = MemoryStore()
    await store.open(NOW_US)
    for number in range(1, module.PAGE_ENTRIES + 3):
        await put_sealed(store, sealer, number)

    verdict = await verify(store, sealer)

    assert verdict.ok
    assert (verdict.opened, verdict.damaged) == (module.PAGE_ENTRIES + 2, ())


class Busy(MemoryStore):
    """Takes another payment each time it is looked through."""

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """A page with one more entry at its end."""
        await put(self, draft(await self.highest_number() + 1))
        return await super().page(wanted, limit)


async def test_what_comes_while_seals_are_opened_is_left_for_the_next_check(sealer: Sealer) -> None:
    """A check of a busy service has an end."""
    store = Busy()
    await store.open(NOW_US)
    await put_sealed(store, sealer, 1)
    await put_sealed(store, sealer, 2)

    verdict = await verify(store, sealer)

    assert (verdict.opened, verdict.damaged_count) == (2, 0)
    assert await store.highest_number() > 2


async def test_damaged_records_are_named_and_the_rest_goes_on(sealer: Sealer) -> None:
    """One that was edited, one that was swapped with another, one of a missing key."""
    store = MemoryStore()
    await store.open(NOW_US)
    for number in range(1, 7):
        await put_sealed(store, sealer, number)
    second, third = store._entries[2], store._entries[3]
    store._entries[1] = replace(store._entries[1], sealed=b"edited")
    store._entries[2] = replace(second, sealed=third.sealed)
    store._entries[3] = replace(third, sealed=second.sealed)
    store._entries[5] = replace(store._entries[5], key_id=9)

    verdict = await verify(store, sealer)

    assert not verdict.ok
    assert (verdict.opened, verdict.damaged, verdict.damaged_count) == (6, (1, 2, 3, 5), 4)


async def test_an_edited_amount_is_found_twice(sealer: Sealer) -> None:
    """By the sums, and by the seal it no longer fits."""
    store = MemoryStore()
    await store.open(NOW_US)
    await put_sealed(store, sealer, 1)
    store._entries[1] = replace(store._entries[1], amount=1)

    verdict = await verify(store, sealer)

    assert (len(verdict.differences), verdict.damaged) == (1, (1,))


async def test_so_many_damaged_records_are_counted_and_the_first_named(sealer: Sealer) -> None:
    """A limit on everything."""
    store = MemoryStore()
    await store.open(NOW_US)
    for number in range(1, module.DAMAGED_SHOWN_MAX + 3):
        await put(store, draft(number))

    verdict = await verify(store, sealer)

    assert len(verdict.damaged) == module.DAMAGED_SHOWN_MAX
    assert verdict.damaged_count == module.DAMAGED_SHOWN_MAX + 2


def test_equal_sums_have_no_differences() -> None:
    """An empty cell is no cell."""
    assert differences({CELL: Sum(1, 7)}, {CELL: Sum(1, 7)}) == ()
    assert differences({CELL: NOTHING}, {}) == ()


def test_differences_come_in_order_of_their_cells() -> None:
    """Two runs can be compared line by line."""
    later = CELL._replace(route="mobile")

    assert [found.cell for found in differences({later: Sum(1, 1)}, {CELL: Sum(1, 1)})] == [CELL, later]


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_part_of_the_balance(state: State) -> None:
    """A state nobody added to the equation would break it."""
    sums = {CELL._replace(state=state): Sum(1, 7)}

    assert [balance.holds for balance in balances(sums, sums)] == [True]


async def test_what_was_found_before_the_check_is_counted_with_what_it_finds(store: MemoryStore) -> None:
    """A kept checkpoint that isn't signed by the log's key: the check alone would call the spool sound."""
    forged = Finding(fault=Fault.CHECKPOINT_UNSIGNED, detail="in the file")

    verdict = await verify(store, told=[forged])

    assert (verdict.ok, verdict.findings, verdict.faults) == (False, (forged,), {Fault.CHECKPOINT_UNSIGNED: 1})


async def test_a_check_after_moves_is_in_order(store: MemoryStore) -> None:
    """Also when what was told changes with the state."""
    held = await store.get(sorted(WAYS).index(State.HELD) + 1)
    assert held is not None
    await go(store, held, way.RELEASE, way.CLAIM, way.POST, told=Told.POSTED)

    assert (await verify(store)).ok
