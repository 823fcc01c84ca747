"""From what stands against all being well to what is told of it. Pure.

Nobody reports beginnings and ends: each look says what is so now, and this module compares it with what was told already.
So a restart repeats nothing and loses nothing, an end is always told to whoever was told the beginning, and what comes and
goes again within a short time is told once.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.telling.event import US, Facts, Kind, Phase, Severity
from gateway.telling.settings import TimesSettings


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind is told."""

    #: Seconds it has to last before it is told.
    hold_s: int = 0
    #: It may come and go: its end is told once it has been gone for a while.
    flaps: bool = False
    #: Seconds after which it becomes critical by itself; 0 is never.
    escalates_s: int = 0
    #: It has no end that is worth telling.
    endless: bool = False
    #: Every sink is told, however little it wants to hear.
    to_all: bool = False
    #: Seconds after which it is told again when there is more of it; 0 is never.
    grows_s: int = 0


_PLAIN: Final = Manner()
MANNERS: Final[Mapping[Kind, Manner]] = {
    Kind.ROUTE_OPEN: Manner(flaps=True),
    Kind.ROUTE_SOFT: Manner(hold_s=15, flaps=True),
    Kind.OPERATION_OPEN: Manner(hold_s=15, flaps=True),
    Kind.LIMIT_NEAR: Manner(hold_s=5, flaps=True),
    Kind.LIMIT_REACHED: Manner(flaps=True),
    Kind.WINDOW_AHEAD: Manner(endless=True, to_all=True),
    Kind.WINDOW_BEGUN: Manner(to_all=True),
    Kind.WINDOW_CANCELLED: Manner(endless=True, to_all=True),
    Kind.WINDOW_OVERRUN: _PLAIN,
    Kind.RETURN_DUE: _PLAIN,
    Kind.CHANNEL_RETURNS: Manner(grows_s=3600),
    Kind.ENTRIES_PARKED: _PLAIN,
    Kind.ENTRIES_QUARANTINED: _PLAIN,
    Kind.ENTRIES_DOUBTFUL: Manner(hold_s=900, escalates_s=4 * 3600),
    Kind.PROPOSALS_WAITING: _PLAIN,
    Kind.DISK_TROUBLE: Manner(flaps=True),
    Kind.DATABASE_AWAY: Manner(flaps=True),
    Kind.KEYS_TROUBLE: Manner(hold_s=60, escalates_s=3600),
    Kind.EVIDENCE_TROUBLE: Manner(hold_s=60),
    Kind.SINK_TROUBLE: Manner(flaps=True),
    Kind.NODE_GONE: Manner(hold_s=30),
    Kind.OUTAGE_OVER: Manner(endless=True),
    Kind.TEST: Manner(endless=True),
}


def manners_of(times: TimesSettings) -> Mapping[Kind, Manner]:
    """How each kind is told where an operator says how long it may last."""
    own = {
        Kind.OPERATION_OPEN: Manner(hold_s=times.operation_after_s, flaps=True),
        Kind.ENTRIES_DOUBTFUL: Manner(hold_s=times.doubtful_after_s, escalates_s=times.doubtful_critical_after_s),
        Kind.KEYS_TROUBLE: Manner(hold_s=times.keys_after_s, escalates_s=times.keys_critical_after_s),
        Kind.CHANNEL_RETURNS: Manner(grows_s=times.returns_again_s),
    }
    return {**MANNERS, **own}


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What is so now."""

    kind: Kind
    subject: str
    severity: Severity
    facts: Facts = {}
    #: Counts that only rise, by name: at its end it is told by how much.
    counts: dict[str, int] = {}
    #: How much there is of it, where it is told again when there is more.
    size: int = 0

    @property
    def name(self) -> str:
        """What tells it from others."""
        return name_of(self.kind, self.subject)


def name_of(kind: Kind, subject: str) -> str:
    """What tells a condition from others."""
    return f"{kind.value} {subject}"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A condition as it was told."""

    kind: Kind
    subject: str
    since_us: int
    #: As last told; None while it has not been told, as it hasn't lasted for long.
    severity: Severity | None
    told_us: int
    facts: Facts
    #: Its counts when it began.
    counts: dict[str, int]
    #: Since when it is gone; 0 while it is there.
    gone_us: int = 0
    #: How much there was of it when it was told last.
    size: int = 0


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of a condition."""

    kind: Kind
    phase: Phase
    severity: Severity
    subject: str
    since_us: int
    facts: Facts


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How often it is told again while it lasts, in seconds; 0 is never."""

    critical_s: int
    warning_s: int
    #: Seconds what flaps has to be gone before its end is told: so it is told once.
    clear_s: int
    #: How each kind is told.
    manners: Mapping[Kind, Manner] = MappingProxyType(MANNERS)


Stand = dict[str, Standing]
Totals = Mapping[str, Mapping[str, int]]
NO_TOTALS: Final[Totals] = MappingProxyType({})


def compare(
    stand: Mapping[str, Standing],
    found: Iterable[Condition],
    now_us: int,
    times: Times,
    *,
    totals: Totals = NO_TOTALS,
    before: Totals = NO_TOTALS,
) -> tuple[Stand, list[News]]:
    """What stands now, and what is to be told, given what stood before and what is so now.

    `totals` are counts by a condition's name, as they are now: for what has just ended; `before` are those of the look
    before this one: for what has just begun.
    """
    after: Stand = {}
    news = list[News]()
    for condition in found:
        standing = _seen(stand.get(condition.name), condition, now_us, before)
        told = _due(standing, condition, now_us, times)
        if told is not None:
            phase, severity = told
            standing = msgspec.structs.replace(standing, severity=severity, told_us=now_us, size=condition.size)
            news.append(_news(standing, phase, severity, standing.facts))
        after[condition.name] = standing
    for name, standing in stand.items():
        if name not in after and standing.severity is not None and not times.manners[standing.kind].endless:
            going = _not_later(standing, now_us)
            if not going.gone_us:
                going = _going(going, now_us, totals.get(name, {}))
            if times.manners[standing.kind].flaps and now_us - going.gone_us < times.clear_s * US:
                after[name] = going
            else:
                news.append(_ended(going))
    return after, news


def _seen(known: Standing | None, condition: Condition, now_us: int, before: Totals) -> Standing:
    if known is None:
        known = Standing(
            kind=condition.kind,
            subject=condition.subject,
            since_us=now_us,
            severity=None,
            told_us=0,
            facts={},
            counts={**condition.counts, **before.get(condition.name, {})} if condition.counts else {},
        )
    return msgspec.structs.replace(_not_later(known, now_us), facts=_since_then(known, condition), gone_us=0)


def _not_later(standing: Standing, now_us: int) -> Standing:
    """None of its times is to come: where the clock was set back, what is waited for is counted from now on."""
    if max(standing.since_us, standing.told_us, standing.gone_us) <= now_us:
        return standing
    return msgspec.structs.replace(
        standing,
        since_us=min(standing.since_us, now_us),
        told_us=min(standing.told_us, now_us),
        gone_us=min(standing.gone_us, now_us),
    )


def _due(standing: Standing, condition: Condition, now_us: int, times: Times) -> tuple[Phase, Severity] | None:
    """Whether it is told now, and as what."""
    manner, lasted_us = times.manners[condition.kind], now_us - standing.since_us
    severity = condition.severity
    if manner.escalates_s and lasted_us >= manner.escalates_s * US:
        severity = Severity.CRITICAL
    if standing.severity is None:
        if lasted_us < manner.hold_s * US:
            return None
        return (Phase.TOLD if manner.endless else Phase.RAISED), severity
    if manner.endless:
        return None
    if severity > standing.severity:
        return Phase.ESCALATED, severity
    every_s = [{Severity.CRITICAL: times.critical_s, Severity.WARNING: times.warning_s}.get(standing.severity, 0)]
    if condition.size > standing.size:
        every_s.append(manner.grows_s)
    if any(each and now_us - standing.told_us >= each * US for each in every_s):
        return Phase.REPEATED, standing.severity
    return None


def _going(standing: Standing, now_us: int, totals: Mapping[str, int]) -> Standing:
    """It isn't there any more, with what its counts came to."""
    facts = {**standing.facts, **_risen(standing, totals)} if standing.counts else standing.facts
    return msgspec.structs.replace(standing, gone_us=now_us, facts=facts)


def _ended(standing: Standing) -> News:
    assert standing.severity is not None, "an end is told to whoever was told the beginning"
    facts: Facts = {**standing.facts, "lasted_s": (standing.gone_us - standing.since_us) // US}
    return _news(standing, Phase.CLEARED, standing.severity, facts)


def _since_then(standing: Standing, condition: Condition) -> Facts:
    """The facts, and by how much its counts rose since it began."""
    return {**condition.facts, **_risen(standing, condition.counts)}


def _risen(standing: Standing, counts: Mapping[str, int]) -> Facts:
    return {name: max(0, now - standing.counts.get(name, now)) for name, now in counts.items()}


def _news(standing: Standing, phase: Phase, severity: Severity, facts: Facts) -> News:
    return News(
        kind=standing.kind,
        phase=phase,
        severity=severity,
        subject=standing.subject,
        since_us=standing.since_us,
        facts=facts,
    )
