"""The Merkle tree of RFC 9162 (2.1), grown from the right and kept as its peaks.

The *peaks* of a tree of `size` leaves are the hashes of its perfect subtrees, the largest first, one for each bit of the
size that is set (a compact range that begins at 0). They are all that is needed to go on, and the root follows from them.

Whatever a proof is made of is the hash of a *stretch*: leaves from `start` up to `end`, where `start` is a multiple of the
least power of two that is not below their number. The peaks of its beginning are the last ones of the tree up to there,
so trees kept with their peaks at a few sizes give any proof in few steps (`spool.evidence.proof`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root of a tree without leaves."""

Stretch = tuple[int, int]
"""Indexes of leaves: the first, and the one behind the last."""

_sha256: Final = hashlib.sha256


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of one leaf."""
    return _sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two hashes."""
    return _sha256(b"\1" + left + right).digest()


def append(peaks: list[bytes], size: int, hashes: Iterable[bytes]) -> int:
    """Append hashes of leaves to the peaks of a tree of `size`, in place; the size after it."""
    for top in hashes:
        rising, merged = size, top
        while rising & 1:
            merged = _sha256(b"\1" + peaks.pop() + merged).digest()
            rising >>= 1
        peaks.append(merged)
        size += 1
    return size


def root_of(peaks: Sequence[bytes]) -> bytes:
    """The root over these peaks."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in peaks[-2::-1]:
        root = node_hash(peak, root)
    return root


def peaks_of(joined: bytes) -> list[bytes]:
    """Hashes that were kept one after the other."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


# What proofs are made of


def inclusion_stretches(index: int, size: int) -> list[Stretch]:
    """Stretches whose hashes prove that leaf `index` is in the tree of `size`, from the leaf up (RFC 9162, 2.1.3.1)."""
    assert 0 <= index < size, "a leaf is in its tree"
    found: list[Stretch] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_stretches(old: int, size: int) -> list[Stretch]:
    """Stretches whose hashes prove that the tree of `old` leaves begins the tree of `size` (RFC 9162, 2.1.4.1)."""
    assert 0 < old <= size, "a tree begins with what isn't larger"
    found: list[Stretch] = []
    start, end = 0, size
    whole = True  # The old tree is all of what is looked at, so its verifier knows the hash.
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start, whole = middle, False
    return ([] if whole else [(start, end)]) + found[::-1]


def _split(count: int) -> int:
    """The largest power of two below a count above 1."""
    return 1 << (count - 1).bit_length() - 1


# Checking them


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """The root that a path leads to from the hash of leaf `index` in a tree of `size`; None when it leads nowhere.

    RFC 9162, 2.1.3.2.
    """
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for step in path:
        if not last:
            return None
        if at & 1 or at == last:
            root = node_hash(step, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, step)
        at, last = at >> 1, last >> 1
    return None if last else root


def is_consistent(old: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Does the tree of `size` with this root begin with the tree of `old` with that root? RFC 9162, 2.1.4.2."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not path and old_root == root
    steps = list(path) if old & old - 1 else [old_root, *path]
    if not steps:
        return False
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if not last:
            return False
        if at & 1 or at == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = node_hash(after, step)
        at, last = at >> 1, last >> 1
    return not last and before == old_root and after == root
