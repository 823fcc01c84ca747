"""Sending again what a core refused wrongly: which entries may be, and having them go. See docs/decisions/0044.

The key and the bytes stay as they were, so a core that booked it after all, or remembers its no, says so. What may stand in
the way is looked for before anything is changed, and said by its word.
"""

from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence
from typing import Final

from adapters.core import Level
from gateway import content
from gateway.admin.entries.why import Why
from gateway.clock import Clock
from gateway.returns.word import FinalWord
from spool.entry import Entry, Event
from spool.errors import RecordDamaged
from spool.lifecycle import POSITIVE, REFUSE, Kind, State
from spool.spool import Spool
from spool.store import Move, Store

_UNCLEAR: Final = frozenset({State.IN_DOUBT, State.PARKED})


class Reopening:
    """Takes refusals back."""

    def __init__(
        self,
        spool: Spool,
        shelf: Store,
        clock: Clock,
        levels: Mapping[str, Level],
        returning: Callable[[], Awaitable[Container[str]]],
    ) -> None:
        """`levels` are the cores', by route; `returning` names the entries of which somebody has said that money went back."""
        self._spool = spool
        self._shelf = shelf
        self._clock = clock
        self._levels = levels
        self._returning = returning
        self._word = FinalWord(spool.store)

    async def sift(self, entries: Sequence[Entry]) -> list[Why | None]:
        """What stands in the way of each; None where nothing does."""
        returning = await self._returning() if entries else ()
        return [await self._obstacle(entry, returning) for entry in entries]

    async def _obstacle(self, entry: Entry, returning: Container[str]) -> Why | None:
        if str(entry.number) in returning:
            return Why.RETURNING
        if not self._opens(entry):
            return Why.SEALED
        history = await self._shelf.history(entry.number)
        why = obstacle(entry, history, self._levels.get(entry.route))
        if why is None and await self._shelf.reversals_of(entry.number):
            return Why.REVERSED
        return Why.TOLD if why is None and await self._word.was_told(entry) else why

    def _opens(self, entry: Entry) -> bool:
        """Its content is there, and its account still has the lane it stands in."""
        try:
            account = content.read(self._spool.content(entry)).account
        except (RecordDamaged, ValueError):
            return False
        return self._spool.lane_of(entry.route, account) == entry.lane

    async def move(self, moves: Sequence[Move]) -> list[Why | None]:
        """Make the moves that still may be; for each that was not made, why. Errors: see `Store.move`."""
        had = await self._word.take([move.entry for move in moves], self._clock.now_us())
        left = [move for move, is_had in zip(moves, had, strict=True) if is_had]
        made = iter(await self._spool.reopen(left))
        return [(None if next(made) else await self._why_not(move)) if is_had else Why.TOLD
                for move, is_had in zip(moves, had, strict=True)]  # fmt: skip

    async def _why_not(self, move: Move) -> Why:
        now = await self._spool.store.get(move.entry.number)
        return Why.LANE if now == move.entry else Why.CHANGED


def obstacle(entry: Entry, history: Iterable[Event], level: Level | None) -> Why | None:
    """Why an entry can't be sent again after its refusal, by what is known of it; None where nothing stands in the way.

    `level` is its core's; None where no core serves its route any more.
    """
    if entry.state is not State.REFUSED or entry.kind is not Kind.PAYMENT or level is None:
        return Why.STATE
    if entry.told not in POSITIVE:
        return Why.NO_YES
    moves = [event for event in history if event.source is not event.target]
    if not moves or moves[-1].name != REFUSE.name:
        return Why.BY_HAND
    if level is Level.C and any(event.target in _UNCLEAR for event in moves):
        # The no may have been said of another attempt than the one nobody heard of.
        return Why.DOUBT
    return None
