"""Any proof, from the blocks alone, whatever commits the log fell into."""

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spool.evidence.growth import NO_HEAD, Block, Growth
from spool.evidence.proof import NotInLog, head_at, proven, stretch_hash
from spool.evidence.tree import consistency_stretches, inclusion_stretches, leaf_hash, root_from_inclusion
from spool.lifecycle import CLAIM, POST
from spool.memory import MemoryStore
from spool.memory_records import MemoryRecords
from tests.contracts.spool_examples import NOW_US, draft, go, put
from tests.unit.test_evidence_tree import mth, some


def logged(sizes: list[int]) -> MemoryRecords:
    """A log of commits with so many events."""
    growth, blocks, leaves = Growth(), list[Block](), some(sum(sizes))
    for size in sizes:
        growth.begin()
        for _ in range(size):
            growth.add(leaves[growth.size], 1)
        block = growth.block()
        assert block is not None
        blocks.append(block)
        growth.come_true()
    return MemoryRecords([], blocks, [])


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.data())
async def test_the_blocks_tell_every_hash_a_proof_needs(sizes: list[int], data: st.DataObject) -> None:
    """Of leaf in log, of log in log, and of any head there ever was."""
    records, leaves = logged(sizes), some(sum(sizes))
    size = data.draw(st.integers(1, len(leaves)))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))

    for stretch in (*inclusion_stretches(index, size), *consistency_stretches(old, size)):
        assert await stretch_hash(records, stretch) == mth(leaves[slice(*stretch)])

    head = await head_at(records, size)
    assert (head.size, head.root) == (size, mth(leaves[:size]))


async def test_a_log_that_does_not_go_so_far_proves_nothing() -> None:
    """Nor does one with a gap."""
    records = logged([2, 2])
    gap = MemoryRecords([], [(await records.blocks(2, 1))[0]], [])

    assert await head_at(records, 0) == NO_HEAD
    with pytest.raises(NotInLog):
        await head_at(records, 5)
    with pytest.raises(NotInLog):
        await head_at(gap, 4)
    with pytest.raises(NotInLog):
        await head_at(gap, 1)


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    """A payment that was sealed anew, among others."""
    store = MemoryStore()
    await store.open(NOW_US)
    entry = await put(store, draft(1))
    await put(store, draft(2))
    await store.reseal([(entry, b"anew")], 9)
    sealed = await store.get(1)
    assert sealed is not None
    await go(store, sealed, CLAIM, POST)
    yield store
    await store.close()


async def test_every_event_of_an_entry_leads_to_the_root(store: MemoryStore) -> None:
    """Up to the head that is asked for, and no further."""
    async with store.records() as records:
        (kept,) = await records.kept(0, 1)
        head = await head_at(records, 4)
        steps = await proven(records, kept, 4)

    assert [step.index for step in steps] == [0, 2, 3]
    for step in steps:
        found = root_from_inclusion(step.index, 4, leaf_hash(step.leaf.encode()), step.path)
        assert found == head.root


async def test_an_entry_whose_record_is_another_has_no_proof(store: MemoryStore) -> None:
    """What would it prove?"""
    async with store.records() as records:
        (kept,) = await records.kept(0, 1)
        other = replace(kept, entry=replace(kept.entry, sealed=b"another"))

        with pytest.raises(NotInLog):
            await proven(records, other, 4)
