"""Follows outages: looks at each route, keeps what it saw over restarts, and writes the report at the end.

Of several nodes on a spool the one that tells people follows them for all.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.clock import Clock
from gateway.log import log
from gateway.outages.answers import NOTHING, Gauge, Measured, joined
from gateway.outages.record import (
    Figures,
    Look,
    Outage,
    Part,
    Report,
    Written,
    figures_of,
    is_settled,
    report_of,
    went_on,
)
from gateway.route.route import Route
from gateway.route.zone import PASSING
from gateway.telling.condition import Condition
from gateway.telling.event import US, Facts, Kind, Severity
from gateway.telling.watch import written
from spool.errors import SpoolError
from spool.store import Store

T = TypeVar("T", Outage, Part)

CURRENT: Final = "outage/"
PARTS: Final = "outage-parts/"
NODES_MAX: Final = 256
WAIT_US: Final = 3 * US
"""Where nodes share a spool a report waits so long after its outage, for the last of what the others measured."""

REPORTS: Final = "outages/"
LOOK_S: Final = 1.0
LOOKS_KEPT: Final = 64
"""Looks of a minute, in which one is from before the first call that met an outage."""

KEPT_MAX: Final = 500
"""Reports kept; the oldest make room."""

KEEP_US: Final = 10 * US
"""An outage that lasts is written so often, so that a restart loses at most so much of its figures."""

TOLD_FOR_US: Final = 600 * US
"""A report is new for so long; within it, whoever tells has seen it."""


class Recorder:
    """The outages of one spool's routes."""

    def __init__(
        self,
        store: Store,
        routes: Sequence[Route],
        node: str,
        clock: Clock,
        *,
        estimate_s: Callable[[str], float],
        planned: Callable[[str], bool],
        tells: Callable[[], bool] = lambda: True,
        is_away_elsewhere: Callable[[str], bool] = lambda _route: False,
        measure: Callable[[str], Measured] = lambda _route: NOTHING,
    ) -> None:
        """Keep them in `store`.

        `estimate_s` says how long a route's backlog takes, infinite where it can't; `planned`, whether it is away on purpose;
        `tells`, whether this node is the one that follows outages now; `is_away_elsewhere`, whether another finds a route's
        core away; `measure`, how channels were answered here so far.
        """
        self._store = store
        self._routes = routes
        self._node = node
        self._clock = clock
        self._estimate_s, self._planned = estimate_s, planned
        self._tells, self._is_away_elsewhere = tells, is_away_elsewhere
        #: This node followed them at the last look.
        self._follows = False
        self._gauge = Gauge(measure)
        #: By route: the part as it was written last, when, and whether its outage had ended then.
        self._parts_written: dict[str, tuple[int, bool]] = {}
        #: What isn't settled, by route.
        self.current: dict[str, Outage] = {}
        #: By route, when it was looked at last while it was well, and its figures then.
        self._while_well: dict[str, deque[tuple[int, Figures]]] = {}
        self._written_us: dict[str, int] = {}
        #: Reports of this run and the last of the former one, newest last.
        self._new: list[Report] = []
        self._last = 0

    async def open(self) -> None:
        """Take up what the former run left: an outage that isn't over began when it began. Errors: see `Store.recall`."""
        self._follows = self._tells()
        reports = await self.reports()
        self._last = max((each.number for each in reports), default=0)
        self._new = reports[:1]
        await self._recall_current()
        for name in self.current:
            kept = _read(await self._store.recall(self._part_name(name)), Part)
            if kept is not None and name not in self._gauge.parts:
                self._gauge.parts[name] = kept

    async def _recall_current(self) -> None:
        self.current = {}
        for route in self._routes:
            kept = await self._store.recall(CURRENT + route.name)
            outage = _read(kept, Outage)
            if outage is None:
                continue
            self.current[route.name] = outage
            self._last = max(self._last, outage.number)
            if not outage.ended_us:
                route.outage.went_on(outage.began_us)

    async def reports(self) -> list[Report]:
        """Every report there is, newest first. Errors: see `Store.recall_some`."""
        found = list[Report]()
        for _, value in await self._store.recall_some(REPORTS, "", KEPT_MAX):
            with contextlib.suppress(msgspec.DecodeError):
                found.append(msgspec.json.decode(value, type=Report))
        return sorted(found, key=_by_number, reverse=True)

    async def look(self) -> None:
        """Look at every route once. Errors: see `Store.remember`."""
        if self._tells() and not self._follows:
            await self.open()
        if not self._tells():
            self._follows = False
            self._while_well.clear()
            await self._recall_current()
            for route in self._routes:
                await self._measure(route.name)
            return
        cells = list(self._store.tally.cells())
        for route in self._routes:
            figures = figures_of(cells, route.name, route.currency)
            # What was answered since the last look belongs to an outage that is found now, and to one that ends now.
            went_on_before = route.name in self.current
            if went_on_before:
                await self._measure(route.name)
            await self._look(route, figures)
            if not went_on_before:
                await self._measure(route.name)

    async def _measure(self, route: str) -> None:
        """Count what this node answered, and keep that now and then."""
        now_us, outage = self._clock.now_us(), self.current.get(route)
        self._gauge.look(route, outage, now_us)
        if outage is not None:
            at_us, had_ended = self._parts_written.get(route, (0, False))
            if abs(now_us - at_us) >= KEEP_US or (outage.ended_us and not had_ended):
                await self._store.remember(self._part_name(route), msgspec.json.encode(self._gauge.parts[route]))
                self._parts_written[route] = now_us, bool(outage.ended_us)

    def _part_name(self, route: str) -> str:
        return f"{PARTS}{route}/{self._node}"

    async def _part(self, outage: Outage) -> Part:
        """What all nodes measured."""
        prefix, own = f"{PARTS}{outage.route}/", self._part_name(outage.route)
        kept = await self._store.recall_some(prefix, "", NODES_MAX)
        others = [_read(value, Part) for name, value in kept if name != own]
        mine = self._gauge.parts.get(outage.route)
        return joined([each for each in (*others, mine) if each is not None], outage.number)

    async def _look(self, route: Route, figures: Figures) -> None:
        now_us = self._clock.now_us()
        passes = route.health.zone in PASSING and not self._is_away_elsewhere(route.name)
        outage = self.current.get(route.name)
        if outage is None:
            if passes:
                self._was_well(route.name, now_us, figures)
            else:
                await self._keep(self._begun(route, figures, now_us))
            return
        empty_s = self._estimate_s(route.name)
        look = Look(
            now_us=now_us,
            passes=passes,
            cause=_cause(route),
            figures=figures,
            empty_s=None if empty_s == float("inf") else round(empty_s),
        )
        after = went_on(outage, look)
        self.current[route.name] = after
        waits = self._store.nodes.shared and now_us - after.ended_us < WAIT_US
        if is_settled(after, figures) and not waits:
            written_by = Written(self._node, route.currency, now_us)
            await self._report(report_of(after, figures, written_by, await self._part(after)))
            self._was_well(route.name, now_us, figures)
        elif after.ended_us != outage.ended_us or abs(now_us - self._written_us.get(route.name, 0)) >= KEEP_US:
            await self._keep(after)

    def _was_well(self, route: str, now_us: int, figures: Figures) -> None:
        self._while_well.setdefault(route, deque(maxlen=LOOKS_KEPT)).append((now_us, figures))

    def _before(self, route: str, seen_us: int, figures: Figures) -> Figures:
        """What was so when nobody had met an outage yet, as far back as looks are kept: what came since is taken in it."""
        looks = self._while_well.pop(route, None) or [(seen_us, figures)]
        return next((was for at_us, was in reversed(looks) if at_us <= seen_us), looks[0][1])

    def _begun(self, route: Route, figures: Figures, now_us: int) -> Outage:
        began_us = route.outage.began_us or now_us
        seen_us = min(began_us, route.health.trouble_us or began_us)
        return Outage(
            number=self._last + 1,
            route=route.name,
            began_us=began_us,
            seen_us=seen_us,
            cause=_cause(route),
            planned=self._planned(route.name),
            before=self._before(route.name, seen_us, figures),
            looked_us=now_us,
        )

    async def _keep(self, outage: Outage) -> None:
        self.current[outage.route] = outage
        self._last = max(self._last, outage.number)
        self._written_us[outage.route] = self._clock.now_us()
        await self._store.remember(CURRENT + outage.route, msgspec.json.encode(outage))

    async def _report(self, report: Report) -> None:
        """The report first: after a crash in between, it is written over by the same."""
        await self._store.remember(f"{REPORTS}{report.number % KEPT_MAX:04}", msgspec.json.encode(report))
        await self._store.remember(CURRENT + report.route, b"null")
        del self.current[report.route]
        self._new = [*self._new[-9:], report]
        log.warning("outage_over", route=report.route, outage=report.number)

    def conditions(self) -> Iterator[Condition]:
        """Reports that are new, to be told."""
        now_us = self._clock.now_us()
        for report in self._new:
            if now_us - report.drained_us < TOLD_FOR_US:
                yield Condition(
                    kind=Kind.OUTAGE_OVER,
                    subject=f"{report.route}/{report.number}",
                    severity=Severity.INFO if report.planned else Severity.WARNING,
                    facts=facts_of(report),
                )

    async def run(self) -> None:
        """Look, again and again, until cancelled."""
        while True:
            with contextlib.suppress(SpoolError):
                await self.look()
            await self._clock.sleep(LOOK_S)


def facts_of(report: Report) -> Facts:
    """A report in short."""
    return {
        "number": report.number,
        "route": report.route,
        "cause": report.cause,
        "lasted_s": (report.ended_us - report.began_us) // US,
        "taken": report.taken[0],
        "taken_sum": written(report.taken[1], report.currency),
        "posted": report.posted[0],
        "refused": report.refused[0],
        "parked": report.left[0],
        "drain_s": (report.drained_us - report.ended_us) // US,
    }


def _cause(route: Route) -> str:
    diagnosis = route.health.diagnosis
    return "" if diagnosis is None else diagnosis.cause.value


def _read(kept: bytes | None, of: type[T]) -> T | None:
    if kept is None:
        return None
    try:
        return msgspec.json.decode(kept, type=of | None)
    except msgspec.DecodeError as error:
        log.error("outage_unreadable", error=type(error).__name__)
        return None


def _by_number(report: Report) -> int:
    return report.number
