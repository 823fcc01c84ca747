"""Telling people, joined: one look after another, what is new into the journal, and an outlet for each sink."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway.clock import Clock
from gateway.log import log
from gateway.telling.condition import NO_TOTALS, News, Times, Totals, compare
from gateway.telling.event import Event, Facts, Kind, Phase, Severity
from gateway.telling.journal import Journal
from gateway.telling.making import make_sink
from gateway.telling.outlet import Outlet, OutletState
from gateway.telling.settings import SinkSettings, TellingSettings
from gateway.telling.sink import Sink
from gateway.telling.watch import Watch
from spool.errors import SpoolError
from spool.store import Store

LOOK_S: Final = 1.0
TOLD_MAX: Final = 100
"""Events of other rooms that wait for the next look; what comes beyond them is logged and not told."""


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
        make: Callable[[SinkSettings, Clock], Sink] = make_sink,
    ) -> None:
        """Tell what `watch` sees, by the sinks of these settings."""
        self._clock = clock
        self._watch = watch
        self._times = Times(
            critical_s=settings.repeat_critical_s,
            warning_s=settings.repeat_warning_s,
            clear_s=settings.clear_after_s,
        )
        self.journal = Journal(store, node)
        self.outlets: Mapping[str, Outlet] = {
            name: Outlet(name, each, make(each, clock), self.journal, clock)
            for name, each in settings.sinks.items()
            if tells_events(each)
        }
        self._told: list[News] = []
        #: What was taken on each route until the last look.
        self._totals: Totals = NO_TOTALS

    async def open(self) -> None:
        """Take up what the former run told. Errors: see `Store.recall`."""
        await self.journal.open()
        for each in self.outlets.values():
            await each.open()

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
        """How each sink stands."""
        return [each.state for each in self.outlets.values()]

    async def look(self) -> list[Event]:
        """Look once, and take up what is new."""
        found = await self._watch.look(self.states())
        now_us = self._clock.now_us()
        before, self._totals = self._totals, self._watch.totals()
        stand, news = compare(self.journal.stand, found, now_us, self._times, totals=self._totals, before=before)
        told, self._told = self._told, []
        return await self.journal.write(stand, [*news, *told], now_us)

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

    async def close(self) -> None:
        """Close the sinks."""
        for each in self.outlets.values():
            await each.sink.close()


def tells_events(settings: SinkSettings) -> bool:
    """Whether somebody is told of events by it; a sink that names nobody is for payers alone."""
    return bool(getattr(settings, "to", True))
