"""Channels that are told of the money they have to give back: how many payments, how much, and since when.

Looked at by the node that tells alone, as what a channel is told of is written down as told before (`gateway.returns.owing`).
"""

import asyncio
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.log import log
from gateway.returns.duty import Stage, stage_of
from gateway.returns.owing import Owing
from gateway.returns.settings import ReturnSettings
from gateway.telling.condition import Condition, Standing, name_of
from gateway.telling.event import US, Facts, Kind, Severity
from gateway.telling.letter import instant
from gateway.telling.settings import SinkSettings
from gateway.telling.watch import written_all
from spool.entry import Entry
from spool.errors import SpoolError
from spool.store import FIRST, Store

LOOK_US: Final = 5 * US
"""How often a channel's returns are read."""

PAGE_ENTRIES: Final = 256
DUE_MAX: Final = 10_000
"""Returns of one channel that are counted; where there are more, it is told so."""

NEW_MAX: Final = 1_024
"""About so many of them are written down as told in one look."""

WITHIN_S: Final = 3.0
"""A look takes so long at most: a disk that hangs is to be told of, and not waited for."""

_STAGES: Final[Mapping[Stage, Severity]] = {
    Stage.DUE: Severity.WARNING,
    Stage.LATE: Severity.WARNING,
    Stage.OVERDUE: Severity.CRITICAL,
}
"""It is the channel's own affair from the first, so it is told by a sink that hears of warnings."""


class _Told:
    """What one channel is told of, in figures."""

    def __init__(self) -> None:
        self.numbers = set[int]()
        self.by_currency: dict[str, int] = {}
        self.since_us = 0
        #: There is more than this.
        self.is_more = False

    def add(self, entry: Entry) -> None:
        """One more; they come refused first first."""
        self.since_us = self.since_us or entry.changed_at_us
        self.numbers.add(entry.number)
        self.by_currency[entry.currency] = self.by_currency.get(entry.currency, 0) + entry.amount


class _Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One channel as it was read."""

    at_us: int
    #: Numbers of what is on disk as told.
    told: AbstractSet[int]
    found: Condition | None


class ChannelReturns:
    """What the channels that have sinks of their own are told."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: ReturnSettings,
        channels: Iterable[str],
        *,
        within_s: float = WITHIN_S,
    ) -> None:
        """Look at what these channels have to give back, for so many seconds at a time."""
        self._owing = Owing(store, clock, settings)
        self._clock = clock
        self._settings = settings
        self._channels = tuple(dict.fromkeys(channels))
        self._within_s = within_s
        self._seen: dict[str, _Seen] = {}
        #: When it failed last, in microseconds since 1970; it is tried again some time later.
        self._failed_us: int | None = None

    def totals(self) -> dict[str, dict[str, int]]:
        """How many went back, by the name of what is told with it."""
        return {name_of(Kind.CHANNEL_RETURNS, channel): self._counts(channel) for channel in self._channels}

    def _counts(self, channel: str) -> dict[str, int]:
        return {"returned": self._owing.returned(channel)}

    async def look(self, stand: Mapping[str, Standing]) -> list[Condition]:
        """What each is told of; what can't be read or written down now stands as it did."""
        try:
            async with asyncio.timeout(self._within_s):
                found = [await self._look(channel, stand) for channel in self._channels]
        except TimeoutError:
            self._fail("TimeoutError")
            found = [self._as_it_stood(channel, stand) for channel in self._channels]
        return [each for each in found if each is not None]

    async def _look(self, channel: str, stand: Mapping[str, Standing]) -> Condition | None:
        if not self._owing.owes(channel):
            self._seen.pop(channel, None)
            return None
        seen, now_us = self._seen.get(channel), self._clock.now_us()
        if seen is not None and abs(now_us - seen.at_us) < LOOK_US:
            return seen.found
        if self._failed_us is not None and abs(now_us - self._failed_us) < LOOK_US:
            return self._as_it_stood(channel, stand)
        try:
            told = await self._told(channel, frozenset() if seen is None else seen.told)
        except SpoolError as error:
            self._fail(type(error).__name__)
            return self._as_it_stood(channel, stand)
        found = self._condition(channel, told) if told.numbers else None
        self._seen[channel] = _Seen(at_us=now_us, told=told.numbers, found=found)
        return found

    def _fail(self, error: str) -> None:
        self._failed_us = self._clock.now_us()
        log.warning("channel_returns_unread", error=error)

    def _as_it_stood(self, channel: str, stand: Mapping[str, Standing]) -> Condition | None:
        standing = stand.get(name_of(Kind.CHANNEL_RETURNS, channel))
        if standing is None:
            return None
        return Condition(
            kind=standing.kind,
            subject=channel,
            severity=standing.severity or Severity.WARNING,
            facts=standing.facts,
            size=standing.size,
        )

    async def _told(self, channel: str, known: AbstractSet[int]) -> _Told:
        """What the channel is told of, as much as may be written down in one look."""
        told, place = _Told(), FIRST
        while len(told.numbers) < DUE_MAX and len(told.numbers - known) < NEW_MAX:
            page = await self._owing.page(channel, place, PAGE_ENTRIES, known)
            for entry in page.entries:
                told.add(entry)
            if page.next is None:
                return told
            place = page.next
        told.is_more = True
        return told

    def _condition(self, channel: str, told: _Told) -> Condition:
        stage = stage_of(told.since_us, self._clock.now_us(), self._settings)
        facts: Facts = {
            "count": len(told.numbers),
            "sum": written_all(told.by_currency),
            "more": int(told.is_more),
            "oldest": instant(told.since_us),
            "stage": stage.value,
        }
        return Condition(
            kind=Kind.CHANNEL_RETURNS,
            subject=channel,
            severity=_STAGES[stage],
            facts=facts,
            counts=self._counts(channel),
            size=len(told.numbers),
        )


def channels_told(sinks: Iterable[SinkSettings]) -> list[str]:
    """The channels that have sinks of their own."""
    return [each.channel for each in sinks if each.channel is not None]
