"""Telling people, joined: one look after another, what is new into the journal, and an outlet for each sink.

Of several nodes on a spool one tells for all (`company.py`, docs/decisions/0046).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.clock import Clock
from gateway.log import log
from gateway.telling.channels import ChannelReturns
from gateway.telling.company import Company, Heard, merged
from gateway.telling.condition import NO_TOTALS, Condition, News, Stand, Times, Totals, compare, manners_of
from gateway.telling.event import US, Event, Facts, Kind, Phase, Severity
from gateway.telling.journal import Journal
from gateway.telling.making import make_sink
from gateway.telling.outlet import Outlet, OutletState
from gateway.telling.settings import SinkSettings, TellingSettings, tells_events
from gateway.telling.sink import Sink
from gateway.telling.watch import Watch
from spool.errors import SpoolError
from spool.store import Store

LOOK_S: Final = 1.0
OF_THE_SPOOL: Final = frozenset({Kind.DISK_TROUBLE, Kind.DATABASE_AWAY})
"""What a node that can't ask the spool goes on telling of."""

TOLD_MAX: Final = 100
"""Events of other rooms that wait for the next look; what comes beyond them is logged and not told."""

MISSED_US: Final = 86_400 * US
"""A node that went without a word is missed for so long."""


class Telling:
    """Tells what a service's people are to know."""

    def __init__(
        self,
        *,
        settings: TellingSettings,
        store: Store,
        node: str,
        clock: Clock,
        watch: Watch,
        channels: ChannelReturns,
        make: Callable[[SinkSettings, Clock], Sink] = make_sink,
    ) -> None:
        """Tell what `watch` sees, and each of the `channels` of its own returns, by the sinks of these settings."""
        self._clock = clock
        self._watch = watch
        self._channels = channels
        self._times = Times(
            critical_s=settings.repeat_critical_s,
            warning_s=settings.repeat_warning_s,
            clear_s=settings.clear_after_s,
            manners=manners_of(settings.times),
        )
        self.journal = Journal(store, node)
        self._node = node
        self._company = Company(store, node)
        #: This node tells, as of the last look; and it can't be asked whether another one does now.
        self.tells = self._company.is_alone
        self._is_cut_off = False
        self._heard = Heard()
        #: How sinks stand at the node that tells.
        self._elsewhere: tuple[OutletState, ...] = ()
        self.outlets: Mapping[str, Outlet] = {
            name: Outlet(name, each, make(each, clock), self.journal, clock, may_tell=self._may_tell)
            for name, each in settings.sinks.items()
            if tells_events(each)
        }
        self._told: list[News] = []
        #: What was taken on each route until the last look.
        self._totals: Totals = NO_TOTALS

    async def open(self) -> None:
        """Take up what the former run told, where nobody else can tell meanwhile. Errors: see `Store.recall`."""
        if self.tells:
            await self._take_up()

    async def _take_up(self) -> None:
        await self.journal.open()
        for each in self.outlets.values():
            await each.open()

    def _may_tell(self) -> bool:
        return self.tells and (self._is_cut_off or self._company.office.holds())

    def is_away_elsewhere(self, route: str) -> bool:
        """Whether another node finds a route's core away, as far as whoever tells was let know."""
        return any(
            each.kind is Kind.ROUTE_OPEN and each.subject == route
            for seen in self._heard.seen.values()
            for each in seen
        )

    def tell(self, kind: Kind, subject: str, severity: Severity, facts: Facts) -> None:
        """Have something told that has no end of its own. Never waits, and never fails whoever calls it."""
        if len(self._told) >= TOLD_MAX:
            log.error("event_left_out", kind=kind.value)
            return
        now_us = self._clock.now_us()
        self._told.append(
            News(kind=kind, phase=Phase.TOLD, severity=severity, subject=subject, since_us=now_us, facts=facts)
        )

    def states(self) -> list[OutletState]:
        """How each sink stands, at whichever node tells."""
        if self.tells or not self._elsewhere:
            return [each.state for each in self.outlets.values()]
        return list(self._elsewhere)

    async def look(self) -> list[Event]:
        """Look once, and take up what is new, or let the node that tells know of it."""
        found = await self._watch.look(self.states())
        told, self._told = self._told, []
        try:
            if not await self._is_mine():
                await self._listen(found, told)
                return []
            stand, news, taken_up = await self._compared(found)
        except SpoolError:
            self._told = [*told, *self._told][:TOLD_MAX]
            raise
        # Nothing is waited for from here until it is submitted: a node that lost its lease meanwhile writes nothing.
        keep = self._company.office.is_still_mine() and not self._is_cut_off
        events = await self.journal.write(stand, [*news, *told], self._clock.now_us(), taken_up=taken_up, keep=keep)
        if keep:
            await self._look_after_others(found)
        return events

    async def _is_mine(self) -> bool:
        """Whether this node tells now."""
        try:
            mine = await self._company.office.is_mine(self._clock.now_us())
        except SpoolError:
            # Nobody can be asked. Whoever told last says that the spool is away; the others are missed by it.
            self._is_cut_off = True
            return self.tells
        self._is_cut_off = False
        if mine and not self.tells:
            await self._take_up()
            log.warning("telling_taken_over")
        self.tells = mine
        return mine

    async def _listen(self, found: Sequence[Condition], told: Sequence[News]) -> None:
        await self._company.say(found, told)
        self._elsewhere = await self._company.states()

    async def _compared(self, found: Sequence[Condition]) -> tuple[Stand, list[News], Mapping[str, tuple[str, int]]]:
        """What stands, what is to be told, and what others wanted told that is among it."""
        before, self._totals = self._totals, {**self._watch.totals(), **self._channels.totals()}
        stand, now_us, taken_up = self.journal.stand, self._clock.now_us(), self.journal.taken_up
        if self._is_cut_off:
            # Another node may have gone on with the rest.
            left = {name: each for name, each in stand.items() if each.kind not in OF_THE_SPOOL}
            own = {name: each for name, each in stand.items() if each.kind in OF_THE_SPOOL}
            seen = [each for each in found if each.kind in OF_THE_SPOOL]
            after, news = compare(own, seen, now_us, self._times)
            return {**left, **after}, news, taken_up
        self._heard = heard = await self._company.hear(taken_up)
        found = [*merged(self._node, found, heard), *await self._channels.look(stand)]
        after, news = compare(stand, found, now_us, self._times, totals=self._totals, before=before)
        return after, [*news, *heard.news], {**taken_up, **heard.taken_up}

    async def _look_after_others(self, found: Sequence[Condition]) -> None:
        if self._company.is_alone:
            return
        await self._company.say(found, ())
        await self._company.tell_states([each.state for each in self.outlets.values()])
        for each in list(self.journal.stand.values()):
            if each.kind is Kind.NODE_GONE and self._clock.now_us() - each.since_us > MISSED_US:
                await self._company.give_up(each.subject)

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except SpoolError:
                pass
            except Exception as error:  # noqa: BLE001 - a fault in one look must not end all telling
                log.error("telling_failed", error=type(error).__name__, exc_info=True)
            await self._clock.sleep(LOOK_S)

    def tasks(self) -> Iterable["asyncio.Task[None]"]:
        """What runs: the looks, and each outlet by itself."""
        yield asyncio.create_task(self.run(), name="telling")
        for name, each in self.outlets.items():
            yield asyncio.create_task(each.run(), name=f"sink {name}")

    async def finish(self) -> None:
        """Let each outlet end what it has in hand; nothing more is told."""
        await asyncio.gather(*(each.finish() for each in self.outlets.values()))

    async def close(self) -> None:
        """Close the sinks, and say that this node ends."""
        await self._company.leave()
        for each in self.outlets.values():
            await each.sink.close()
