"""What becomes of a payment that a node took by itself, when it meets what the database has of its key. Pure.

Such a payment was told provisional. Its key may have been taken before, or at another node meanwhile; a sender that was
told to ask again is the usual case. The money moves once whichever entry stands for it, so what counts is what its sender
was told: two answers that both say yes are one payment, and a yes beside a no is a matter for a person.
"""

import enum
from typing import Final

from spool.entry import Entry
from spool.lifecycle import FINAL, POSITIVE, State, Told

TAKEN_TWICE: Final = "taken_twice"
"""The reason of an entry that another one of the same key stands for."""

ANSWERED_OTHERWISE: Final = "answered_otherwise"
"""The reason of an entry told yes whose key was told no, or belongs to other content."""


class Fate(enum.Enum):
    """What became of it."""

    STORED = enum.auto()
    """Its key is new: it waits like any other, and is sent in its turn."""
    REPLACED = enum.auto()
    """The entry that had its key was not sent, and was joined to it: the number told last is the one that stands."""
    JOINED = enum.auto()
    """The entry that has its key stands for both."""
    SET_APART = enum.auto()
    """Its key was answered otherwise: it is a person's to decide."""
    THERE = enum.auto()
    """It was brought over before."""
    LEFT = enum.auto()
    """Nobody knows yet what the entry that has its key will be told, or an earlier one of its lane was left."""
    NUMBER_TAKEN = enum.auto()
    """Another entry has its number, which can't be while seats are kept: it stays where it is, and a person is told."""


COMES: Final = frozenset({Fate.STORED, Fate.REPLACED, Fate.JOINED, Fate.SET_APART})
"""Those that bring an entry in."""

STAYS: Final = frozenset({Fate.LEFT, Fate.NUMBER_TAKEN})
"""Those that leave it where it is."""


def fate_beside(kept: Entry, owner: Entry | None) -> Fate:
    """What becomes of a payment kept by a node alone, given the entry that owns its key."""
    if owner is None:
        return Fate.STORED
    if owner.kind is not kept.kind or owner.fingerprint != kept.fingerprint:
        return Fate.SET_APART
    if owner.state is State.READY:
        return Fate.REPLACED
    if owner.told in POSITIVE or (owner.told is Told.NOTHING and owner.state is State.POSTED):
        return Fate.JOINED
    return Fate.SET_APART if owner.state in FINAL else Fate.LEFT
