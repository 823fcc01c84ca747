"""Contents that were sealed anew, as evidence: which record took which one's place, from the first to the one that is kept.

A resealing is an event of the entry like its moves, though it moves nothing. Its note holds both records' key ids and
SHA-256, so the acceptance's own is still known when its record is long gone.
"""

import hashlib
from collections.abc import Iterable
from typing import Final, NamedTuple

from spool.entry import Entry, Event

RESEALED: Final = "reseal"
"""The event's name."""


class Seal(NamedTuple):
    """A sealed record, by what tells it from any other."""

    key_id: int
    sha256: bytes


def seal_of(entry: Entry) -> Seal:
    """The one an entry holds."""
    return Seal(entry.key_id, hashlib.sha256(entry.sealed).digest())


def resealed(before: Entry, after: Entry, leaf: int) -> Event:
    """The event by which another record took the place of one, nothing else changing."""
    old, new = seal_of(before), seal_of(after)
    return Event(
        number=after.number,
        at_us=after.changed_at_us,
        name=RESEALED,
        source=after.state,
        target=after.state,
        attempt=after.attempts,
        reason=after.reason,
        actor="",
        note=f"{old.key_id} {old.sha256.hex()} {new.key_id} {new.sha256.hex()}",
        told=after.told,
        core_id=after.core_id,
        leaf=leaf,
    )


def first_seal(entry: Entry, history: Iterable[Event]) -> Seal | None:
    """The record an entry was accepted with; None when what is kept now isn't what its resealings led to."""
    kept = seal_of(entry)
    for event in reversed(list(history)):
        if event.name == RESEALED:
            step = _step_in(event.note)
            if step is None or step[1] != kept:
                return None
            kept = step[0]
    return kept


def _step_in(note: str) -> tuple[Seal, Seal] | None:
    """Both records a note names."""
    try:
        old_id, old, new_id, new = note.split(" ")
        return Seal(int(old_id), bytes.fromhex(old)), Seal(int(new_id), bytes.fromhex(new))
    except ValueError:
        return None
