"""Who notes what was asked of a store, what was told of it and when, and holds that against what a disk has."""

import enum
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import astuple

from spool.entry import Entry
from spool.rows import entry_of

Row = tuple[Any, ...]

NEVER: Final = 1 << 62


class Gone(enum.Enum):
    """What a forgotten entry is."""

    GONE = enum.auto()
    """There no more, with nothing of its history."""


GONE: Final = Gone.GONE


class Found(NamedTuple):
    """What is in a spool's file."""

    #: The row of each entry, by number, in the order of an entry's fields.
    rows: Mapping[int, Row]
    #: How many events there are of each entry.
    events: Mapping[int, int]
    #: What the database's own check and the recount have to say; empty when all is well.
    damage: str = ""


EMPTY: Final = Found({}, {})


class Version:
    """What an entry becomes by one act: asked for, perhaps told; on disk with all versions of the same act or none."""

    __slots__ = ("act", "asked", "entry", "told")

    def __init__(self, act: "Act", asked: int, entry: Entry | Gone | None) -> None:
        """Note that it was asked for; an entry that the store makes is known when it is told."""
        self.act, self.asked, self.entry = act, asked, entry
        self.told = NEVER


class Act:
    """Something that was asked of the store: it happens whole or not at all."""

    def __init__(self, now: Callable[[], int]) -> None:
        """Begin with nothing."""
        self._now = now
        self.versions: list[tuple[int, int]] = []
        self._kept: list[Version] = []

    def keep(self, number: int, index: int, version: Version) -> None:
        """Take a version in."""
        self.versions.append((number, index))
        self._kept.append(version)

    def told(self, *entries: Entry) -> None:
        """The caller was told that it is so; with the entries the store made, in order."""
        now = self._now()
        for version in self._kept:
            version.told = now
        for version, entry in zip([each for each in self._kept if each.entry is None], entries, strict=False):
            version.entry = entry

    def denied(self) -> None:
        """The caller was told that nothing was stored."""
        for version in self._kept:
            version.asked = NEVER


class Witness:
    """The notes of one story. Time is the number of steps on the tape."""

    def __init__(self, now: Callable[[], int], found: Found = EMPTY) -> None:
        """Begin with what is on disk already."""
        self._now = now
        self.versions: defaultdict[int, list[Version]] = defaultdict(list)
        self._base = found
        self._of_row: dict[int, dict[Row, int]] = {}
        for number, row in found.rows.items():
            act = self.asks({number: entry_of(row)})
            act.told()

    def asks(self, entries: Mapping[int, Entry | Gone | None]) -> Act:
        """Note what one act asks for: the entries as they will be, None where the store makes them, GONE where it forgets them."""
        act = Act(self._now)
        for number, entry in entries.items():
            version = Version(act, self._now(), entry)
            act.keep(number, len(self.versions[number]), version)
            self.versions[number].append(version)
        return act

    def bounds(self, now: int) -> tuple[dict[int, int], dict[int, int]]:
        """By number: the oldest and the newest version a disk may have that loses its power now."""
        oldest: dict[int, int] = {}
        newest: dict[int, int] = {}
        for number, versions in self.versions.items():
            for index, version in enumerate(versions):
                if version.told <= now:
                    oldest[number] = index
                if version.asked <= now:
                    newest[number] = index
        return oldest, newest

    def indices(self, found: Found) -> dict[int, int | None]:
        """Which version each entry is found in; None where it is none of them: half there."""
        return {number: self._index(number, row) for number, row in found.rows.items()}

    def _index(self, number: int, row: Row) -> int | None:
        known = self._of_row.get(number)
        if known is None:
            versions = enumerate(self.versions.get(number, ()))
            known = {astuple(version.entry): i for i, version in versions if isinstance(version.entry, Entry)}
            self._of_row[number] = known
        index = known.get(row)
        return self._unknown(number) if index is None else index

    def _gone(self, found: Found, newest: Mapping[int, int]) -> dict[int, int]:
        """Which version entries are found in that may be forgotten by now, and aren't there."""
        asked = {number: index for number, index in newest.items() if number not in found.rows}
        return {number: index for number, index in asked.items() if self.versions[number][index].entry is GONE}

    def _unknown(self, number: int) -> int | None:
        """A version nobody has seen: its act was never told."""
        versions = enumerate(self.versions.get(number, ()))
        return next((index for index, version in versions if version.entry is None), None)

    def objections(self, found: Found, bounds: tuple[dict[int, int], dict[int, int]]) -> Iterator[str]:
        """What is wrong with a disk that lost its power at these bounds, in words that begin with the kind."""
        if found.damage:
            yield f"damaged: {found.damage}"
            return
        oldest, newest = bounds
        indices = self.indices(found) | self._gone(found, newest)
        for number, least in oldest.items():
            index = indices.get(number, -1)
            if index is not None and index < least:
                yield f"lost: entry {number} was told as of version {least}, and is there as of {index}"
        for number, index in indices.items():
            yield from self._objections_to(number, index, found, newest, indices)

    def _objections_to(
        self, number: int, index: int | None, found: Found, newest: dict[int, int], indices: dict[int, int | None]
    ) -> Iterator[str]:
        if index is None:
            yield f"half: entry {number} is as it never was: {found.rows[number]}"
            return
        if index > newest.get(number, -1):
            yield f"denied: entry {number} is there as of version {index}, which nobody was to have stored"
        if found.events.get(number, 0) != self._events_until(number, index):
            yield f"half: entry {number} has {found.events.get(number, 0)} events at version {index}"
        for other, at in self.versions[number][index].act.versions:
            there = indices.get(other, -1)
            if there is None or there < at:
                yield f"half: entry {number} is there as of version {index}, but {other} isn't"

    def _events_until(self, number: int, index: int) -> int:
        """Every version but the first is a move, and a move leaves an event; what is forgotten leaves none."""
        gone = self.versions[number][index].entry is GONE
        return 0 if gone else self._base.events.get(number, 0) + index
