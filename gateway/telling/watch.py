"""What stands against all being well: a look at the parts of a running service, in facts and figures. Changes nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from adapters.amount import UnknownCurrency, write_amount
from gateway.clock import Clock
from gateway.returns.duty import Stage, stage_of
from gateway.returns.settings import ReturnSettings
from gateway.route.route import Route
from gateway.route.zone import PASSING, Operation, Zone
from gateway.standin.headroom import Headroom
from gateway.standin.policy import Ceiling
from gateway.telling.condition import Condition, name_of
from gateway.telling.event import US, Facts, Kind, Severity
from gateway.telling.letter import instant
from gateway.telling.outlet import OutletState
from gateway.telling.settings import TellingSettings
from gateway.windows.plan import Plan
from gateway.windows.window import Window, concerns, following
from spool.errors import SpoolError
from spool.lifecycle import POSITIVE, WAITING, State, Told
from spool.lifecycle import Kind as EntryKind
from spool.store import Filter, Store
from spool.tally import NOTHING, Cell, Sum

AHEAD_SHOWN: Final = 3
"""Coming times of a window that are looked at."""

AHEAD_US: Final = 20 * US
"""How often it is looked which windows are to be announced."""

PROPOSALS_US: Final = 10 * US
"""How often it is looked whether proposals wait."""

PARKED_LOOKED_AT: Final = 20
"""Parked payments of a route that are looked at for the one that waits for longest."""

SINK_FAILURES: Final = 3
"""So many tries have to fail before a sink is in trouble."""

_STAGES: Final[Mapping[Stage, Severity]] = {
    Stage.DUE: Severity.INFO,
    Stage.LATE: Severity.WARNING,
    Stage.OVERDUE: Severity.CRITICAL,
}

_AWAY: Final = (Kind.ROUTE_OPEN, Kind.ROUTE_SOFT)

Cells = Sequence[tuple[Cell, Sum]]


class Proposed(NamedTuple):
    """A proposal that waits: when it was made and when it ends, microseconds since 1970 in UTC."""

    made_at_us: int
    ends_at_us: int


async def nothing_proposed() -> Sequence[Proposed]:
    """Nobody proposes anything."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What is looked at."""

    store: Store
    routes: Sequence[Route]
    plan: Plan
    headroom: Headroom
    clock: Clock
    returns: ReturnSettings
    telling: TellingSettings
    #: What stands against the house itself being well, beside its disk.
    own: Callable[[], Iterable[Condition]]
    #: Proposals that wait for a second person, oldest first.
    proposed: Callable[[], Awaitable[Sequence[Proposed]]] = nothing_proposed


class Watch:
    """Looks at one service."""

    def __init__(self, parts: Parts) -> None:
        """Look at these parts."""
        self._parts = parts
        #: Windows as they were looked at, what comes of them, and when that was.
        self._ahead_of: tuple[tuple[Window, ...], list[Condition], int] = ((), [], 0)
        #: Proposals as they were looked at, and when that was.
        self._proposed: tuple[Sequence[Proposed], int] = ((), 0)

    async def look(self, outlets: Iterable[OutletState] = ()) -> list[Condition]:
        """Everything that stands against all being well, each once."""
        cells = list(self._parts.store.tally.cells())
        found = list[Condition]()
        for route in self._parts.routes:
            own = [each for each in cells if each[0].route == route.name]
            found += self._route(route, own)
            found += self._limits(route)
            found += self._entries(route, own)
            found += [each async for each in self._parked(route, own)]
        found += [each async for each in self._returns(cells)]
        found += self._announced()
        found += await self._proposals()
        found += await self._disk()
        found += self._parts.own()
        found += _sinks(outlets)
        return found

    def totals(self) -> dict[str, dict[str, int]]:
        """What was ever taken in a core's place, by the name of what is told with it."""
        cells = list(self._parts.store.tally.cells())
        taken = {
            route.name: counts_of([each for each in cells if each[0].route == route.name])
            for route in self._parts.routes
        }
        return {name_of(kind, route): counts for route, counts in taken.items() for kind in _AWAY}

    # Routes

    def _route(self, route: Route, cells: Cells) -> Iterator[Condition]:
        name, zone, plan = route.name, route.health.zone, self._parts.plan
        planned = plan.is_planned(name)
        if zone not in PASSING:
            # In a planned window nobody has to be woken for it.
            severity = Severity.INFO if planned else Severity.CRITICAL
            yield self._away(route, Kind.ROUTE_OPEN, severity, cells)
        elif zone is Zone.SOFT:
            yield self._away(route, Kind.ROUTE_SOFT, Severity.INFO if planned else Severity.WARNING, cells)
        if zone in PASSING:
            yield from self._operations(route)
        if name in plan.entered:
            ends: Facts = {"ends": instant(plan.entered[name][1].ends_us)}
            yield Condition(kind=Kind.WINDOW_BEGUN, subject=name, severity=Severity.INFO, facts=ends)
        if name in plan.overruns:
            yield Condition(kind=Kind.WINDOW_OVERRUN, subject=name, severity=Severity.CRITICAL)

    def _operations(self, route: Route) -> Iterator[Condition]:
        """Those that don't pass though payments do."""
        for operation in (Operation.CHECK, Operation.REVERSAL):
            if route.health.zone_of(operation) not in PASSING:
                facts: Facts = {"operation": operation.value, "route": route.name}
                subject = f"{route.name}/{operation.value}"
                yield Condition(kind=Kind.OPERATION_OPEN, subject=subject, severity=Severity.WARNING, facts=facts)

    def _away(self, route: Route, kind: Kind, severity: Severity, cells: Cells) -> Condition:
        diagnosis = route.health.diagnosis
        waiting = total(cells, WAITING)
        facts: Facts = {
            "cause": "" if diagnosis is None else diagnosis.cause.value,
            "example": "" if diagnosis is None else diagnosis.example,
            "waiting": waiting.entries,
            "waiting_sum": sums(cells, WAITING),
            "doubtful": total(cells, {State.IN_DOUBT}).entries,
            "currency": route.currency,
        }
        return Condition(kind=kind, subject=route.name, severity=severity, facts=facts, counts=counts_of(cells))

    def _limits(self, route: Route) -> Iterator[Condition]:
        for policy in list(route.policies.values())[:1]:
            yield from self._limit(route, "", policy.route)
        for channel, policy in route.policies.items():
            yield from self._limit(route, channel, policy.channel)

    def _limit(self, route: Route, channel: str, ceiling: Ceiling) -> Iterator[Condition]:
        parts = self._parts
        held = parts.store.tally.exposure(route.name, channel)
        share = used_percent(held, ceiling)
        full_in_s = parts.headroom.full_in_s((route.name, channel), parts.clock.monotonic(), held, ceiling)
        is_full = share >= 100  # noqa: PLR2004 - per cent
        soon = full_in_s is not None and full_in_s <= parts.telling.limit_near_s and held.entries > 0
        if not (is_full or soon or share >= parts.telling.limit_near_percent):
            return
        facts: Facts = {
            "share_percent": share,
            "held": held.entries,
            "held_sum": written(held.amount, route.currency),
            "full_in_s": 0 if full_in_s is None else round(full_in_s),
        }
        subject = f"{route.name}/{channel}" if channel else route.name
        yield Condition(kind=Kind.LIMIT_NEAR, subject=subject, severity=Severity.WARNING, facts=facts)
        if is_full:
            yield Condition(kind=Kind.LIMIT_REACHED, subject=subject, severity=Severity.CRITICAL, facts=facts)

    # Entries

    def _entries(self, route: Route, cells: Cells) -> Iterator[Condition]:
        looked_at = [
            (Kind.ENTRIES_QUARANTINED, State.QUARANTINED, Severity.CRITICAL),
        ]
        if route.health.zone in PASSING:
            looked_at.append((Kind.ENTRIES_DOUBTFUL, State.IN_DOUBT, Severity.WARNING))
        for kind, state, severity in looked_at:
            if (count := total(cells, {state}).entries) > 0:
                facts: Facts = {"count": count, "sum": sums(cells, {state})}
                yield Condition(kind=kind, subject=route.name, severity=severity, facts=facts)

    async def _parked(self, route: Route, cells: Cells) -> AsyncIterator[Condition]:
        if (count := total(cells, {State.PARKED}).entries) <= 0:
            return
        now_us, wanted = self._parts.clock.now_us(), Filter(states=frozenset({State.PARKED}), route=route.name)
        try:
            entries = await self._parts.store.page(wanted, PARKED_LOOKED_AT)
        except SpoolError:
            entries = []
        since_us = min((each.changed_at_us for each in entries), default=now_us)
        is_late = now_us - since_us >= self._parts.telling.times.parked_critical_after_s * US
        facts: Facts = {"count": count, "sum": sums(cells, {State.PARKED}), "oldest": instant(since_us)}
        severity = Severity.CRITICAL if is_late else Severity.WARNING
        yield Condition(kind=Kind.ENTRIES_PARKED, subject=route.name, severity=severity, facts=facts)

    async def _proposals(self) -> list[Condition]:
        proposed, looked_us = self._proposed
        now_us = self._parts.clock.now_us()
        if abs(now_us - looked_us) >= PROPOSALS_US:
            proposed = await self._parts.proposed()
            self._proposed = proposed, now_us
        if not proposed:
            return []
        facts: Facts = {
            "count": len(proposed),
            "oldest": instant(proposed[0].made_at_us),
            "ends": instant(min(each.ends_at_us for each in proposed)),
        }
        is_late = now_us - proposed[0].made_at_us >= self._parts.telling.times.proposals_late_after_s * US
        severity = Severity.WARNING if is_late else Severity.INFO
        return [Condition(kind=Kind.PROPOSALS_WAITING, subject="", severity=severity, facts=facts)]

    async def _returns(self, cells: Cells) -> AsyncIterator[Condition]:
        parts = self._parts
        owed: dict[str, list[tuple[Cell, Sum]]] = {}
        for cell, each in cells:
            if cell.state is State.REFUSED and cell.told in POSITIVE:
                owed.setdefault(cell.route, []).append((cell, each))
        for route, own in owed.items():
            try:
                oldest = await parts.store.returns_due(route, 1)
            except SpoolError:
                oldest = []
            since_us = oldest[0].changed_at_us if oldest else parts.clock.now_us()
            stage = stage_of(since_us, parts.clock.now_us(), parts.returns)
            facts: Facts = {
                "count": total(own, {State.REFUSED}).entries,
                "sum": sums(own, {State.REFUSED}),
                "oldest": instant(since_us),
                "stage": stage.value,
            }
            yield Condition(kind=Kind.RETURN_DUE, subject=route, severity=_STAGES[stage], facts=facts)

    # Windows

    def _announced(self) -> list[Condition]:
        """What is to be announced. A rule is followed from its beginning each time, so it isn't looked at each second."""
        windows, now_us = self._parts.plan.windows, self._parts.clock.now_us()
        known, found, at_us = self._ahead_of
        if known is not windows or abs(now_us - at_us) >= AHEAD_US:
            found = list(self._ahead())
            self._ahead_of = windows, found, now_us
        return found

    def _ahead(self) -> Iterator[Condition]:
        now_us = self._parts.clock.now_us()
        for window in self._parts.plan.windows:
            for span in following(window, now_us, AHEAD_SHOWN):
                left_s = (span.begins_us - now_us) / US
                due = [step for step in self._parts.telling.windows_ahead_s if 0 < left_s <= step]
                if due:
                    facts: Facts = {
                        "route": self._named(window),
                        "begins": instant(span.begins_us),
                        "ends": instant(span.ends_us),
                    }
                    subject = f"{window.id}/{span.begins_us // US}/{min(due)}"
                    yield Condition(kind=Kind.WINDOW_AHEAD, subject=subject, severity=Severity.INFO, facts=facts)

    def _named(self, window: Window) -> str:
        return ", ".join(route.name for route in self._parts.routes if concerns(window, route.name)) or window.route

    # The house itself

    async def _disk(self) -> list[Condition]:
        health = await self._parts.store.health()
        found, critical = list[Condition](), Severity.CRITICAL
        if health.alone or health.beside:
            kept: Facts = {"kept": health.beside, "trouble": health.trouble}
            found.append(Condition(kind=Kind.DATABASE_AWAY, subject="", severity=critical, facts=kept))
        if not health.accepting:
            facts: Facts = {"trouble": health.trouble}
            found.append(Condition(kind=Kind.DISK_TROUBLE, subject="", severity=critical, facts=facts))
        return found


def _sinks(outlets: Iterable[OutletState]) -> Iterator[Condition]:
    for each in outlets:
        if each.failures >= SINK_FAILURES:
            facts: Facts = {"trouble": each.error, "waiting": each.waiting}
            yield Condition(kind=Kind.SINK_TROUBLE, subject=each.name, severity=Severity.WARNING, facts=facts)


def counts_of(cells: Cells) -> dict[str, int]:
    """Payments that were taken in the core's place, whatever became of them: this only rises."""
    taken = NOTHING
    for cell, each in cells:
        if cell.kind is EntryKind.PAYMENT and cell.told is Told.PROVISIONAL:
            taken += each
    return {"taken": taken.entries, "taken_minor": taken.amount}


def total(cells: Cells, states: Iterable[State]) -> Sum:
    """All that is in these states."""
    among = frozenset(states)
    return sum((each for cell, each in cells if cell.state in among), NOTHING)


def sums(cells: Cells, states: Iterable[State]) -> str:
    """The sums of all that is in these states, with their currencies."""
    among = frozenset(states)
    by_currency: dict[str, int] = {}
    for cell, each in cells:
        if cell.state in among:
            by_currency[cell.currency] = by_currency.get(cell.currency, 0) + each.amount
    return written_all(by_currency)


def written_all(by_currency: Mapping[str, int]) -> str:
    """Sums of several currencies as people write them."""
    return " + ".join(written(minor, currency) for currency, minor in sorted(by_currency.items()))


def written(minor: int, currency: str) -> str:
    """A sum as people write it; one below nothing, as memory may have it while an unsure commit is looked into, with its sign."""
    sign = "-" if minor < 0 else ""
    try:
        return f"{sign}{write_amount(abs(minor), currency)} {currency}"
    except UnknownCurrency:
        return f"{minor} {currency}"


def used_percent(held: Sum, ceiling: Ceiling) -> int:
    """How much of the tighter of two limits is used, in whole per cent, rounded down."""
    shares = [
        100 * now // most if most else 100
        for now, most in ((held.amount, ceiling.sum_max), (held.entries, ceiling.count_max))
        if most is not None
    ]
    return max(shares, default=0)
