"""Whether an entry is where its history leads. Pure."""

from collections.abc import Sequence
from typing import Final

from spool.entry import Entry, Event
from spool.evidence.findings import Fault
from spool.evidence.resealing import RESEALED
from spool.lifecycle import TRANSITIONS, State

ADOPTED: Final = "adopt"
"""The event that tells where an entry from before the log was when it was taken into it; no move."""

_TRANSITIONS: Final = {transition.name: transition for transition in TRANSITIONS}
_FREEING: Final = frozenset(transition.name for transition in TRANSITIONS if transition.frees_key)


def fault_of(entry: Entry, history: Sequence[Event]) -> Fault | None:
    """What is wrong between an entry and its history, whose first event is its recording.

    What happened before there was a log is passed over: the event by which an entry was adopted tells where it was.
    """
    so_far = history[0]
    for event in history[1:]:
        if event.leaf >= 0 and not _follows(so_far, event):
            return Fault.HISTORY_BROKEN
        so_far = event
    if (entry.state, entry.told, entry.reason, entry.core_id) != (
        so_far.target,
        so_far.told,
        so_far.reason,
        so_far.core_id,
    ):
        return Fault.STATE_FORGED
    if (entry.epoch, entry.attempts, entry.changed_at_us) != (so_far.attempt, so_far.attempt, so_far.at_us):
        return Fault.STATE_FORGED
    return None


def freed_its_key(history: Sequence[Event]) -> bool:
    """It let go of its key."""
    return any(event.name in _FREEING for event in history)


def _follows(before: Event, event: Event) -> bool:
    if event.name == ADOPTED:
        return before.leaf < 0 or before.source is None
    if event.name == RESEALED:
        return event.source is event.target is before.target and event.attempt == before.attempt
    transition = _TRANSITIONS.get(event.name)
    begun = 1 if event.target is State.IN_FLIGHT else 0
    return (
        transition is not None
        and event.source is before.target
        and event.source in transition.sources
        and event.target is transition.target
        and event.attempt == before.attempt + begun
    )
