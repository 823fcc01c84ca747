"""What data keys are needed for, counted in the commits themselves: whether a key may be destroyed is known at once.

Counting a day's entries anew takes the longer the more there are, and looks at each. So each commit says what it changes,
and an audit holds the sums against the entries.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from spool.account import AccountNote
from spool.entry import Entry
from spool.lifecycle import FINAL


class KeyUse(msgspec.Struct, frozen=True, kw_only=True):
    """What a data key is needed for."""

    #: Entries whose content is sealed under it ...
    entries: int
    #: ... of which so many are unfinished.
    waiting: int
    #: When one that is (or was, before it was sealed anew) among them last changed its state.
    changed_at_us: int
    #: Accounts of which what their core said is sealed under it.
    notes: int = 0

    @property
    def records(self) -> int:
        """Everything that is sealed under it."""
        return self.entries + self.notes

    @property
    def words(self) -> str:
        """What needs it, for persons."""
        said = f", and what the core said of {self.notes} accounts" if self.notes else ""
        return f"{self.entries} entries, {self.waiting} of them waiting{said}"


NO_USE: Final = KeyUse(entries=0, waiting=0, changed_at_us=0)


class UseChanges:
    """What one commit changes, by data key."""

    __slots__ = ("_by_key",)

    def __init__(self) -> None:
        """Nothing yet."""
        self._by_key: dict[int, tuple[int, int, int]] = {}

    def record(self, entry: Entry) -> None:
        """A new entry."""
        self._count(entry.key_id, 1, entry.state not in FINAL, entry.changed_at_us)

    def record_all(self, entries: Sequence[Entry]) -> None:
        """New entries, nearly always of one key."""
        for key_id in {entry.key_id for entry in entries}:
            mine = [entry for entry in entries if entry.key_id == key_id]
            waiting = sum([entry.state not in FINAL for entry in mine])
            self._count(key_id, len(mine), waiting, max([entry.changed_at_us for entry in mine]))

    def move(self, key_id: int, before: Entry, after: Entry) -> None:
        """An entry moved. Its mover may know it from before it was sealed anew: `key_id` is what the store knows."""
        waits = (after.state not in FINAL) - (before.state not in FINAL)
        self._count(key_id, 0, waits, after.changed_at_us)

    def forget(self, entry: Entry) -> None:
        """A finished entry is there no more."""
        self._count(entry.key_id, -1, 0, 0)

    def reseal(self, before: Entry, key_id: int) -> None:
        """An entry was sealed anew under another key."""
        waits = before.state not in FINAL
        self._count(before.key_id, -1, -waits, 0)
        self._count(key_id, 1, waits, before.changed_at_us)

    def _count(self, key_id: int, entries: int, waiting: int, changed_at_us: int) -> None:
        at = self._by_key.get(key_id, (0, 0, 0))
        self._by_key[key_id] = (at[0] + entries, at[1] + waiting, max(at[2], changed_at_us))

    def add(self, other: "UseChanges") -> None:
        """What another one gathered."""
        for key_id, entries, waiting, changed_at_us in other.rows():
            self._count(key_id, entries, waiting, changed_at_us)

    def rows(self) -> list[tuple[int, int, int, int]]:
        """Each as (key id, entries more, waiting more, when one last changed)."""
        return [(key_id, *changes) for key_id, changes in sorted(self._by_key.items())]


class Recount:
    """Counts entries by key, a stretch at a time."""

    def __init__(self, kept: dict[int, KeyUse]) -> None:
        """Beside what was kept, whose notes are counted from themselves already."""
        self._kept = kept
        self._found: dict[int, KeyUse] = {}
        #: The highest number counted.
        self.after = 0

    def add(self, rows: Iterable[Sequence[int]]) -> None:
        """A stretch, by key: (key, entries, unfinished ones, when one last changed, highest number)."""
        for key_id, entries, waiting, changed_at_us, highest in rows:
            before = self._found.get(key_id, NO_USE)
            self._found[key_id] = KeyUse(
                entries=before.entries + entries,
                waiting=before.waiting + waiting,
                changed_at_us=max(before.changed_at_us, changed_at_us),
            )
            self.after = max(self.after, highest)

    def both(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """What was kept, and what was counted."""
        notes = {key_id: use.notes for key_id, use in self._kept.items()}
        counted = {
            key_id: replace(self._found.get(key_id, NO_USE), notes=notes.get(key_id, 0))
            for key_id in sorted({*self._found, *(key_id for key_id, count in notes.items() if count)})
        }
        return self._kept, counted


def short_of(kept: Mapping[int, KeyUse], counted: Mapping[int, KeyUse]) -> list[str]:
    """Where what was kept would let a key be destroyed that is needed, or kept for nothing; in words.

    A time that is later than any entry's is none: entries were sealed anew.
    """
    found = list[str]()
    for key_id in sorted({*kept, *counted}):
        said, is_ = kept.get(key_id, NO_USE), counted.get(key_id, NO_USE)
        if (said.entries, said.waiting) != (is_.entries, is_.waiting) or said.changed_at_us < is_.changed_at_us:
            found.append(f"key {key_id}: {said.words}; there are {is_.words}")
    return found


def uses_of(entries: Iterable[Entry], notes: Iterable[AccountNote] = ()) -> dict[int, KeyUse]:
    """By data key: what of these needs it, counted one by one."""
    changes = UseChanges()
    for entry in entries:
        changes.record(entry)
    counted = {key_id: rest for key_id, *rest in changes.rows()}
    said = Counter(note.key_id for note in notes if note.sealed is not None)
    return {
        key_id: KeyUse(entries=entries_, waiting=waiting, changed_at_us=changed_at_us, notes=said[key_id])
        for key_id in sorted({*counted, *said})
        for entries_, waiting, changed_at_us in (counted.get(key_id, (0, 0, 0)),)
    }
