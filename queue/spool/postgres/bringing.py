"""What becomes of payments that a node took by itself, as data for the transaction that brings them in. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from spool.away.fate import ANSWERED_OTHERWISE, COMES, STAYS, TAKEN_TWICE, Fate, fate_beside
from spool.entry import Entry
from spool.lifecycle import JOIN, SET_APART, Transition
from spool.store import Move
from spool.work import Planned

_MOVED_AS: Final = {Fate.JOINED: (JOIN, TAKEN_TWICE), Fate.SET_APART: (SET_APART, ANSWERED_OTHERWISE)}

Owners = Mapping[tuple[str, str], Entry]
"""Entries by the channel and key they own."""


class Incoming(NamedTuple):
    """What is done with them, in this order."""

    #: Entries that make room for one of the same key that was told last.
    first: list[Planned]
    #: Entries to be stored, and the numbers of those that don't own their keys.
    stored: list[Entry]
    keyless: set[int]
    #: Of these, what doesn't stay ready.
    then: list[Planned]


def fates_of(
    entries: Sequence[Entry], there: Mapping[int, bytes], owners: Owners, passed_over: Collection[tuple[str, int]]
) -> list[Fate]:
    """What becomes of each, given ids by number of those that are there, and lanes of which earlier ones were left."""
    left, fates = set(passed_over), list[Fate]()
    for entry in entries:
        lane = (entry.route, entry.lane)
        if entry.number in there:
            fate = Fate.THERE if there[entry.number] == entry.id else Fate.NUMBER_TAKEN
        else:
            fate = Fate.LEFT if lane in left else fate_beside(entry, owners.get((entry.channel, entry.key)))
        if fate in STAYS:
            left.add(lane)
        fates.append(fate)
    return fates


def incoming(entries: Sequence[tuple[Entry, Fate]], owners: Owners, now_us: int) -> Incoming:
    """What is done with those that come."""
    come = [(entry, fate) for entry, fate in entries if fate in COMES]
    return Incoming(
        first=[
            _planned(owners[entry.channel, entry.key], JOIN, TAKEN_TWICE, now_us)
            for entry, fate in come
            if fate is Fate.REPLACED
        ],
        stored=[entry for entry, _ in come],
        keyless={entry.number for entry, fate in come if fate in _MOVED_AS},
        then=[_planned(entry, *_MOVED_AS[fate], now_us) for entry, fate in come if fate in _MOVED_AS],
    )


def _planned(entry: Entry, transition: Transition, reason: str, now_us: int) -> Planned:
    return Planned(Move(entry=entry, transition=transition, at_us=now_us, reason=reason))
