"""The log as it grows: one block for each commit, written in the same transaction as what it tells of.

A block holds the hash of each of its leaves, so that a row that was changed is known by its own, and the peaks of the
tree after it, so that any proof takes few blocks (see `spool.evidence.tree`). It holds no event: those are told by the
rows themselves, which know their place in the log.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from spool.evidence.tree import HASH_BYTES, append, leaf_hash, peaks_of, root_of


class Head(NamedTuple):
    """How far a log goes."""

    size: int
    peaks: tuple[bytes, ...]

    @property
    def root(self) -> bytes:
        """The hash over all of it."""
        return root_of(self.peaks)


NO_HEAD = Head(0, ())
"""Of a log that has not begun."""


class Block(msgspec.Struct, frozen=True, gc=False):
    """The events of one commit."""

    #: Index of its first leaf ...
    first: int
    #: ... and how many there are in the whole log after it.
    size: int
    #: When the newest of its events happened, microseconds since 1970.
    at_us: int
    #: Peaks of the tree after it, one after the other.
    peaks: bytes
    #: Hashes of its leaves, one after the other.
    leaves: bytes

    def head(self) -> Head:
        """The log up to this block."""
        return Head(self.size, tuple(peaks_of(self.peaks)))

    def leaf(self, index: int) -> bytes:
        """The hash of a leaf that is in it."""
        assert self.first <= index < self.size, "the leaf is in the block"
        at = (index - self.first) * HASH_BYTES
        return self.leaves[at : at + HASH_BYTES]


class Growth:
    """A log's end. A transaction's leaves count only once it is on disk: `begin`, `add`, `block`, then `come_true`."""

    def __init__(self, head: Head = NO_HEAD) -> None:
        """Go on behind `head`."""
        self._head = head
        self.begin()

    @property
    def head(self) -> Head:
        """The log as it is on disk."""
        return self._head

    @property
    def size(self) -> int:
        """The index the next leaf gets."""
        return self._head.size + len(self._hashes)

    def begin(self) -> None:
        """A transaction begins; one before it that did not come true is forgotten."""
        self._hashes: list[bytes] = []
        self._at_us = 0
        self._next = self._head

    def add(self, leaf: bytes, at_us: int) -> int:
        """Take an event that happened at `at_us`; the index of its leaf."""
        hashes = self._hashes
        hashes.append(leaf_hash(leaf))
        self._at_us = max(self._at_us, at_us)
        return self._head.size + len(hashes) - 1

    def add_all(self, leaves: Sequence[bytes], at_us: int) -> int:
        """Take events of which the newest happened at `at_us`; the index of the first leaf."""
        return self.add_hashed([leaf_hash(leaf) for leaf in leaves], at_us)

    def add_hashed(self, hashes: Sequence[bytes], at_us: int) -> int:
        """The same of events whose leaves were hashed before."""
        first = self.size
        self._hashes += hashes
        self._at_us = max(self._at_us, at_us)
        return first

    def block(self) -> Block | None:
        """The block of all that was added; None when nothing was."""
        if not self._hashes:
            return None
        peaks = list(self._head.peaks)
        size = append(peaks, self._head.size, self._hashes)
        self._next = Head(size, tuple(peaks))
        return Block(self._head.size, size, self._at_us, b"".join(peaks), b"".join(self._hashes))

    def come_true(self) -> None:
        """The commit is on disk."""
        self._head = self._next
