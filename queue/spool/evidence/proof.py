"""Proofs: hashes of any stretch of a log, from the blocks that are kept, and what they prove of an entry.

The peaks of a stretch up to some place within it are the last ones of the tree up to that place (see
`spool.evidence.tree`). So its hash takes at most two blocks: the one that holds its last leaf, and the one before that.
"""

import msgspec

from spool.evidence import leaf
from spool.evidence.growth import NO_HEAD, Block, Head
from spool.evidence.records import Kept, Records
from spool.evidence.resealing import first_seal
from spool.evidence.tree import HASH_BYTES, Stretch, append, inclusion_stretches, peaks_of, root_of


class NotInLog(Exception):
    """The log doesn't go so far, or has a gap there."""


class Step(msgspec.Struct, frozen=True):
    """One event and its way to the root."""

    index: int
    #: The leaf: a line of JSON that says what happened.
    leaf: str
    #: Hashes from the leaf up.
    path: tuple[bytes, ...]


async def head_at(records: Records, size: int) -> Head:
    """The log as it was when it was so long.

    Raises:
        NotInLog: it never was, or the blocks are gone.
    """
    return Head(size, tuple(await _peaks_over(records, (0, size)))) if size else NO_HEAD


async def stretch_hash(records: Records, stretch: Stretch) -> bytes:
    """The hash over a stretch.

    Raises:
        NotInLog: the log doesn't hold it.
    """
    return root_of(await _peaks_over(records, stretch))


async def _peaks_over(records: Records, stretch: Stretch) -> list[bytes]:
    """The peaks of a stretch by itself: those the log had up to the last block within it, grown by that block's leaves."""
    start, end = stretch
    last = await _block_with(records, end - 1)
    begun = max(start, last.first)
    peaks: list[bytes] = []
    if begun > start:
        before = await _block_with(records, begun - 1)
        # As many leaves of the stretch as that, and one more: its last peaks are not yet merged with what was before.
        peaks = peaks_of(before.peaks)[-(begun - start).bit_count() :]
    leaves = last.leaves[(begun - last.first) * HASH_BYTES : (end - last.first) * HASH_BYTES]
    append(peaks, begun - start, peaks_of(leaves))
    return peaks


async def _block_with(records: Records, index: int) -> Block:
    block = await records.block_at(index)
    if block is None or index >= block.size:
        raise NotInLog(f"no block tells of event {index}")
    return block


async def proven(records: Records, kept: Kept, size: int) -> tuple[Step, ...]:
    """Everything that happened to an entry up to a head of the log, each event with its path to that head's root.

    Raises:
        NotInLog: the log isn't whole.
    """
    history = [each.event for each in kept.history]
    seal = first_seal(kept.entry, history)
    if seal is None:
        raise NotInLog("what is sealed in the entry is not what the log tells of")
    steps = list[Step]()
    for event in history:
        if not 0 <= event.leaf < size:
            continue
        text = leaf.accepted(kept.entry, event.target, event.told, seal) if event.source is None else leaf.moved(event)
        path = [await stretch_hash(records, each) for each in inclusion_stretches(event.leaf, size)]
        steps.append(Step(event.leaf, text.decode(), tuple(path)))
    return tuple(steps)
