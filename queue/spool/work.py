"""What can be asked of a commit: each work as data, with what follows from it worked out on the event loop."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any, Final

from spool.account import AccountNote, Spending
from spool.entry import Act, Draft, Entry
from spool.evidence.gone import gone, name_of
from spool.evidence.settings import setting
from spool.forgetting import Past
from spool.lifecycle import FINAL, State
from spool.store import Move
from spool.tally import Cell

_IN_FLIGHT: Final = State.IN_FLIGHT  # looked up once: in an enumeration that costs as much as a call
_ARRIVAL: Final = 1
_ASIDE: Final = 2


FORGOTTEN: Final = "the payment was forgotten a moment ago; nothing was stored"
"""Of a reversal whose payment was there when it was looked for."""


class Insertion:
    """A new entry on its way to disk."""

    __slots__ = ("cell", "entry", "heard", "within")

    def __init__(self, draft: Draft, key_id: int, sealed: bytes) -> None:
        """Make the entry of a draft."""
        self.entry = entry_from(draft, key_id, sealed)
        #: Where it is counted.
        self.cell = cell_of(self.entry)
        self.within = draft.within
        self.heard = draft.heard


class Reversing:
    """A reversal on its way to disk; where it lands depends on its payment at that moment."""

    __slots__ = ("draft", "key_id", "sealed")

    def __init__(self, draft: Draft, key_id: int, sealed: bytes) -> None:
        """Keep what makes the entry."""
        self.draft, self.key_id, self.sealed = draft, key_id, sealed


class Planned:
    """A move with what it leads to, worked out once."""

    __slots__ = ("after", "from_cell", "move", "to_cell")

    def __init__(self, move: Move) -> None:
        """Look ahead."""
        self.move = move
        self.after = move.after()
        self.from_cell = cell_of(move.entry)
        self.to_cell = cell_of(self.after)


class Moves:
    """Moves that were asked for together."""

    __slots__ = ("lingers", "planned")

    def __init__(self, moves: Sequence[Move]) -> None:
        """Keep them in order."""
        self.planned = [Planned(each) for each in moves]
        #: Nobody waits for any of them.
        self.lingers = all(each.lingers for each in moves)


class Behind:
    """Entries to be taken out of arrival order."""

    __slots__ = ("entries",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Keep them."""
        self.entries = entries


class Followers:
    """A lane whose entries go back into arrival order."""

    __slots__ = ("lane", "limit", "route")

    def __init__(self, route: str, lane: int, limit: int) -> None:
        """Keep which."""
        self.route, self.lane, self.limit = route, lane, limit


class Memo:
    """A small named value to keep."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: bytes) -> None:
        """Keep it."""
        self.name, self.value = name, value


class Exchange:
    """A small named value to keep in the place of the one its caller knew."""

    __slots__ = ("known", "name", "told", "value")

    def __init__(self, name: str, known: bytes | None, value: bytes, at_us: int) -> None:
        """Keep all of them, and what the log is told."""
        self.name, self.known, self.value = name, known, value
        self.told = Acting(setting(name, value, at_us))


class Acting:
    """What a person did that moves no entry."""

    __slots__ = ("act",)

    def __init__(self, act: Act) -> None:
        """Keep it."""
        self.act = act


class Resealing:
    """Contents sealed anew, to be put in their old ones' places."""

    __slots__ = ("anew", "key_id")

    def __init__(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> None:
        """Keep them, and the key they are sealed under."""
        self.anew, self.key_id = anew, key_id


class Spend:
    """A promise to an account to be counted, or taken back."""

    __slots__ = ("refunded", "spending")

    def __init__(self, spending: Spending, *, refunded: bool = False) -> None:
        """Keep it."""
        self.spending, self.refunded = spending, refunded


class Notes:
    """What was heard of accounts."""

    __slots__ = ("notes",)

    def __init__(self, notes: Sequence[AccountNote]) -> None:
        """Keep them."""
        self.notes = notes


class Forgetting:
    """Finished entries to be forgotten, of a stretch of numbers."""

    __slots__ = ("after", "at_us", "cells", "limit", "past")

    def __init__(self, past: Past, after: int, limit: int, at_us: int) -> None:
        """Keep which."""
        self.past, self.after, self.limit, self.at_us = past, after, limit, at_us
        #: Entries and amounts taken out of each cell, once they are.
        self.cells: dict[Cell, tuple[int, int]] = {}

    def take(self, entries: Sequence[Entry]) -> None:
        """These are forgotten, if the commit is made."""
        self.cells = {}
        for entry in entries:
            count, amount = self.cells.get(cell_of(entry), (0, 0))
            self.cells[cell_of(entry)] = (count + 1, amount + entry.amount)

    def told(self, entries: Sequence[Entry], places: Collection[int], size: int) -> tuple[str, bytes, Acting]:
        """The name and the value by which it is told what went (at least one entry), and the act; the log is so long."""
        name, value = name_of(size), gone([entry.number for entry in entries], self.cells, places)
        return name, value, Acting(setting(name, value, self.at_us))


Work = (
    Insertion
    | Reversing
    | Moves
    | Behind
    | Followers
    | Memo
    | Exchange
    | Acting
    | Resealing
    | Spend
    | Notes
    | Forgetting
)

Batch = list[tuple[Work, "asyncio.Future[Any]"]]
"""Works that share a commit, each with who waits for its result."""


def numbers_of(batch: Batch) -> set[int]:
    """Numbers of the entries a commit of these writes or changes."""
    numbers = set[int]()
    for work, _ in batch:
        if isinstance(work, Insertion):
            numbers.add(work.entry.number)
        elif isinstance(work, Moves):
            numbers.update(each.after.number for each in work.planned)
        elif isinstance(work, Reversing):
            numbers.update((work.draft.number, work.draft.reverses))
        elif isinstance(work, Resealing):
            numbers.update(each.number for each, _ in work.anew if isinstance(each, Entry))
    return numbers


def pages_of(batch: Batch) -> int:
    """About how many pages a commit of these writes: some for each commit, and half a one for each entry."""
    return 6 + sum(_entries_of(work) for work, _ in batch) // 2


def _entries_of(work: Work) -> int:
    """How many entries a work writes, about; an account, whose place is a hash, has a page of its own as two of them have."""
    if isinstance(work, Moves):
        return len(work.planned)
    if isinstance(work, Notes):
        return 2 * len(work.notes)
    if isinstance(work, Forgetting):
        return 2 * work.limit
    return len(work.anew) if isinstance(work, Resealing) else 1


def tell(answer: "asyncio.Future[Any]", result: Any) -> None:
    """Answer whoever still waits; a caller that was cancelled harms nobody."""
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)


def entry_from(draft: Draft, key_id: int, sealed: bytes) -> Entry:
    """The entry a draft becomes. One recorded in flight has begun its first attempt."""
    begun = 1 if draft.state is _IN_FLIGHT else 0
    at_us = draft.accepted_at_us
    return Entry(
        draft.number,
        draft.id,
        draft.kind,
        draft.channel,
        draft.key,
        draft.fingerprint,
        draft.route,
        draft.lane,
        draft.amount,
        draft.currency,
        at_us,
        draft.state,
        begun,  # epoch
        begun,  # attempts
        0,  # due_at_us
        at_us,  # changed_at_us
        draft.told,
        "",  # reason
        draft.policy,
        draft.reverses,
        "",  # core_id
        key_id,
        sealed,
        draft.rank,
    )


def cell_of(entry: Entry) -> Cell:
    """The cell an entry is counted in."""
    # Not by its name's own call, which costs three times as much.
    return tuple.__new__(  # pyright: ignore[reportUnknownMemberType] - its parameter's type is open
        Cell, (entry.route, entry.channel, entry.currency, entry.kind, entry.state, entry.told)
    )


def place_of(state: State, due_at_us: int) -> int:
    """Where an entry waits: 0 nowhere, 1 in arrival order, 2 aside."""
    if state in FINAL:
        return 0
    return _ARRIVAL if state is State.READY and not due_at_us else _ASIDE
