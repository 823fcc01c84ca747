"""What was told lately and what stands, kept in the spool: a ring of pages, each written whole. One for all nodes.

A page holds the events of one look and everything that stood after it, so that events and what they were made from reach
the disk together or not at all: a crash repeats nothing. The ring is short: what no sink has taken when its page is written
over is told to that sink as a number. While the disk takes nothing, events are told all the same and written later.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.telling.condition import News, Stand
from gateway.telling.event import Event
from spool.errors import SpoolError
from spool.store import Store

PREFIX: Final = "telling/"
PAGES: Final = 256
EVENTS_KEPT: Final = 2_000
"""Events held in memory for sinks that have yet to tell them."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One write."""

    #: Rises with each write.
    number: int
    events: tuple[Event, ...]
    stand: Stand
    #: By node, up to which of its wishes is taken up: see `gateway.telling.company`.
    taken_up: dict[str, tuple[str, int]] = {}


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sink has told."""

    #: The last event it told.
    sequence: int = 0
    at_us: int = 0


class Journal:
    """The journal of one spool, in the hands of whoever tells."""

    def __init__(self, store: Store, node: str) -> None:
        """Keep it in `store`; `node` is who tells."""
        self._store = store
        self._node = node
        self._begin()

    def _begin(self) -> None:
        self.stand: Stand = {}
        self.taken_up: dict[str, tuple[str, int]] = {}
        self.events: deque[Event] = deque(maxlen=EVENTS_KEPT)
        self._number = 0
        self._sequence = 0
        #: Events that aren't on disk yet.
        self._unwritten: list[Event] = []
        self._is_behind = False

    @property
    def newest(self) -> int:
        """The sequence of the last event; 0 before the first."""
        return self._sequence

    async def open(self) -> None:
        """Take up what the former run, or whoever told before, left. Errors: see `Store.recall_some`."""
        self._begin()
        pages = list[Page]()
        for _, value in await self._store.recall_some(f"{PREFIX}page/", "", PAGES):
            try:
                pages.append(msgspec.json.decode(value, type=Page))
            except msgspec.DecodeError:
                continue  # Of a version that knew other kinds: what stands is told anew.
        for page in sorted(pages, key=_by_number):
            self._number, self.stand, self.taken_up = page.number, page.stand, page.taken_up
            self.events.extend(page.events)
        self._sequence = self.events[-1].sequence if self.events else 0

    async def write(
        self,
        stand: Stand,
        news: Sequence[News],
        now_us: int,
        *,
        taken_up: Mapping[str, tuple[str, int]] | None = None,
        keep: bool = True,
    ) -> list[Event]:
        """Take these news up as events; on disk when it returns, unless the disk takes nothing, or not to `keep` them now."""
        events = [self._event(each, now_us) for each in news]
        self.events.extend(events)
        self._unwritten = [*self._unwritten, *events][-EVENTS_KEPT:]
        if taken_up is not None and taken_up != self.taken_up:
            self.taken_up, self._is_behind = {**taken_up}, True
        changed = bool(events) or _outline(stand) != _outline(self.stand)
        self.stand = stand
        self._is_behind = self._is_behind or changed
        if self._is_behind and keep:
            await self._write()
        return events

    async def _write(self) -> None:
        page = Page(number=self._number + 1, events=tuple(self._unwritten), stand=self.stand, taken_up=self.taken_up)
        try:
            await self._store.remember(f"{PREFIX}page/{page.number % PAGES:04}", msgspec.json.encode(page))
        except SpoolError:
            return
        self._number, self._unwritten, self._is_behind = page.number, [], False

    def _event(self, news: News, now_us: int) -> Event:
        self._sequence += 1
        return Event(
            sequence=self._sequence,
            node=self._node,
            at_us=now_us,
            kind=news.kind,
            phase=news.phase,
            severity=news.severity,
            subject=news.subject,
            since_us=news.since_us,
            facts=news.facts,
        )

    def after(self, sequence: int) -> list[Event]:
        """What came after an event, oldest first."""
        return [each for each in self.events if each.sequence > sequence]

    async def reached(self, sink: str) -> Reached:
        """How far a sink has told; a new one begins with what comes. Errors: see `Store.recall`."""
        kept = await self._store.recall(f"{PREFIX}sink/{sink}")
        try:
            return Reached(sequence=self.newest) if kept is None else msgspec.json.decode(kept, type=Reached)
        except msgspec.DecodeError:
            return Reached(sequence=self.newest)

    async def reach(self, sink: str, reached: Reached) -> None:
        """A sink has told so far. Errors: see `Store.remember`."""
        await self._store.remember(f"{PREFIX}sink/{sink}", msgspec.json.encode(reached))


def _outline(stand: Stand) -> list[tuple[str, int]]:
    """What has to be written when it changes: figures change all the time, and are read anew."""
    return [(name, each.gone_us) for name, each in stand.items()]


def _by_number(page: Page) -> int:
    return page.number
