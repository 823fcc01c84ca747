"""One outage in figures: what was so when it began, what happened since, and the report at its end. Pure.

Money is counted by the tally: what was told provisional since it began was taken in it, and at its end each of those
payments is somewhere. So with what was waiting already when it began,

    carried + taken = posted + refused + returned + cancelled + left

holds in every report, in count and in money.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from spool.lifecycle import WAITING, Kind, State, Told
from spool.tally import NOTHING, Cell, Sum

US: Final = 1_000_000

MACHINE: Final = frozenset({State.READY, State.IN_FLIGHT, State.IN_DOUBT})
"""What the machine still has to go on with; what waits for a person ends no outage."""


POINTS_MAX: Final = 120
"""Points of the curve of what waited; with more, every other one is left out and the steps are twice as long."""

AWAY_MAX: Final = 50
"""Times in one outage at which the core went away that are told apart."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Payments of a route that were ever told provisional, by where they are. Counts and minor units."""

    by_state: dict[int, tuple[int, int]]
    by_channel: dict[str, tuple[int, int]]
    #: Reversals that ended their payments before anything was sent.
    netted: tuple[int, int] = (0, 0)

    def of(self, states: Iterable[State]) -> Sum:
        """All in these states."""
        return sum((Sum(*self.by_state.get(int(state), NOTHING)) for state in states), NOTHING)


def figures_of(cells: Iterable[tuple[Cell, Sum]], route: str, currency: str) -> Figures:
    """The figures of one route, out of the whole tally."""
    by_state: dict[int, Sum] = {}
    by_channel: dict[str, Sum] = {}
    netted = NOTHING
    for cell, total in cells:
        if (cell.route, cell.currency, cell.kind, cell.state) == (route, currency, Kind.REVERSAL, State.CANCELLED):
            netted += total
        if (cell.route, cell.currency, cell.kind, cell.told) == (route, currency, Kind.PAYMENT, Told.PROVISIONAL):
            by_state[int(cell.state)] = by_state.get(int(cell.state), NOTHING) + total
            by_channel[cell.channel] = by_channel.get(cell.channel, NOTHING) + total
    return Figures(by_state={**by_state}, by_channel={**by_channel}, netted=pair(netted))


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that isn't over yet, as it is kept over restarts."""

    number: int
    route: str
    began_us: int
    #: When the first call that met it had begun: before the outage did, as evidence has to gather.
    seen_us: int
    #: The cause first named, and for how many seconds each was.
    cause: str
    causes: dict[str, int] = {}
    planned: bool = False
    before: Figures
    #: When the route was well again; 0 while it isn't.
    ended_us: int = 0
    relapses: int = 0
    #: The most that waited at once.
    peak: tuple[int, int] = (0, 0)
    #: What waited when the route was well again.
    at_end: int = 0
    #: When half of that was gone, and how long the rest was to take by the estimate then; 0 before.
    half_us: int = 0
    estimate_s: int = 0
    looked_us: int = 0
    #: What waited: when, how many, and their sum; and how far apart these are.
    curve: tuple[tuple[int, int, int], ...] = ()
    step_us: int = US
    #: When the core was away: from and until, 0 while it still is. The first from when this one began.
    away: tuple[tuple[int, int], ...] = ()


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What is so now."""

    now_us: int
    #: The route passes payments.
    passes: bool
    cause: str
    figures: Figures
    #: Seconds until nothing waits, by the estimate; None where it can't be said.
    empty_s: int | None


def went_on(outage: Outage, look: Look) -> Outage:
    """An outage after another look."""
    waiting = look.figures.of(MACHINE)
    curve, step_us = grown(outage.curve, outage.step_us, (look.now_us, *pair(waiting)))
    changed = msgspec.structs.replace(
        outage,
        peak=max(outage.peak, pair(waiting)),
        looked_us=look.now_us,
        causes=_causes(outage, look),
        curve=curve,
        step_us=step_us,
        away=outage.away or ((outage.began_us, 0),),
    )
    if not look.passes and outage.ended_us:
        away = (*changed.away, (look.now_us, 0))[:AWAY_MAX]
        return msgspec.structs.replace(changed, ended_us=0, half_us=0, relapses=outage.relapses + 1, away=away)
    if not look.passes:
        return changed
    if not outage.ended_us:
        away = (*changed.away[:-1], (changed.away[-1][0], look.now_us))
        return msgspec.structs.replace(changed, ended_us=look.now_us, at_end=waiting.entries, half_us=0, away=away)
    if not outage.half_us and look.empty_s is not None and 0 < 2 * waiting.entries <= outage.at_end:
        return msgspec.structs.replace(changed, half_us=look.now_us, estimate_s=look.empty_s)
    return changed


def grown(
    curve: tuple[tuple[int, int, int], ...], step_us: int, point: tuple[int, int, int]
) -> tuple[tuple[tuple[int, int, int], ...], int]:
    """A curve with another point, where it is due; and its step. However long it gets, it has at most `POINTS_MAX`."""
    if curve and point[0] - curve[-1][0] < step_us:
        return curve, step_us
    if len(curve) < POINTS_MAX:
        return (*curve, point), step_us
    return grown(curve[::2], 2 * step_us, point)


def _causes(outage: Outage, look: Look) -> dict[str, int]:
    """How long each cause was the one named, in microseconds."""
    if look.passes or not look.cause or not outage.looked_us:
        return outage.causes
    passed = max(0, look.now_us - outage.looked_us)
    return {**outage.causes, look.cause: outage.causes.get(look.cause, 0) + passed}


def pair(total: Sum) -> tuple[int, int]:
    """A count and a sum as they are kept."""
    return total.entries, total.amount


def is_settled(outage: Outage, figures: Figures) -> bool:
    """It is over, and the machine has nothing left of it."""
    return bool(outage.ended_us) and not figures.of(MACHINE).entries


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a node measured of an outage: see `gateway.outages.answers`."""

    #: The outage's number.
    number: int
    #: Answers by the number of their bound in `gateway.meter.BOUNDS_S`: in the hour before, until billing was back, and from
    #: then until all was settled.
    before: dict[int, int] = {}
    during: dict[int, int] = {}
    after: dict[int, int] = {}
    #: Payments that got try later, by what stood in the way.
    turned_away: dict[str, int] = {}


class Written(NamedTuple):
    """By whom a report is written, in which currency, and when."""

    node: str
    currency: str
    at_us: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """An outage that is over. Each pair is a count and a sum in minor units of its currency."""

    number: int
    node: str
    route: str
    currency: str
    began_us: int
    #: When the route was well again, and when nothing of it was left for the machine.
    ended_us: int
    drained_us: int
    #: Microseconds from the cause's first sighting to standing in.
    detection_us: int
    cause: str
    #: By cause, for how many microseconds it was the one named.
    causes: dict[str, int]
    #: It was a planned window.
    planned: bool
    relapses: int
    #: What waited already when it began.
    carried: tuple[int, int]
    taken: tuple[int, int]
    #: What was taken, by channel.
    channels: dict[str, tuple[int, int]]
    posted: tuple[int, int]
    refused: tuple[int, int]
    returned: tuple[int, int]
    cancelled: tuple[int, int]
    #: What waits for a person.
    left: tuple[int, int]
    #: The most that waited at once.
    peak: tuple[int, int]
    #: When half was drained: what the rest was to take, and what it took, in seconds; absent where it was too quick.
    estimate_s: int | None
    took_s: int | None
    #: What waited, from its beginning until nothing did: when, how many, their sum.
    curve: tuple[tuple[int, int, int], ...] = ()
    #: When the core was away, from and until: more than once where it fell over again.
    away: tuple[tuple[int, int], ...] = ()
    #: What each node measured, together.
    part: Part | None = None
    #: Of what was cancelled, what reversals ended before anything was sent.
    netted: tuple[int, int] = (0, 0)

    @property
    def error_percent(self) -> int | None:
        """How far the estimate was off, in per cent of what it took; absent where there was none."""
        if self.estimate_s is None or not self.took_s:
            return None
        return round(100 * (self.estimate_s - self.took_s) / self.took_s)


def report_of(outage: Outage, figures: Figures, written: Written, part: Part | None = None) -> Report:
    """The report of an outage that is settled."""
    now_us = written.at_us

    def since(*states: State) -> tuple[int, int]:
        now, before = figures.of(states), outage.before.of(states)
        return now.entries - before.entries, now.amount - before.amount

    return Report(
        number=outage.number,
        node=written.node,
        route=outage.route,
        currency=written.currency,
        began_us=outage.began_us,
        ended_us=outage.ended_us,
        drained_us=now_us,
        detection_us=max(0, outage.began_us - outage.seen_us),
        cause=outage.cause,
        causes=outage.causes,
        planned=outage.planned,
        relapses=outage.relapses,
        carried=pair(outage.before.of(WAITING)),
        taken=since(*State),
        channels=_channels(outage.before.by_channel, figures.by_channel),
        posted=since(State.POSTED),
        refused=since(State.REFUSED),
        returned=since(State.RETURNED),
        cancelled=since(State.CANCELLED),
        left=pair(figures.of(WAITING)),
        peak=outage.peak,
        estimate_s=outage.estimate_s if outage.half_us else None,
        took_s=(now_us - outage.half_us) // US if outage.half_us else None,
        # A relapse may just have been left out: the core was away until it was well for good.
        curve=(*outage.curve, (now_us, *pair(figures.of(MACHINE)))),
        away=(*outage.away[:-1], (outage.away[-1][0], outage.ended_us)) if outage.away else (),
        part=part,
        netted=(figures.netted[0] - outage.before.netted[0], figures.netted[1] - outage.before.netted[1]),
    )


def _channels(before: Mapping[str, tuple[int, int]], now: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for name, (entries, minor) in now.items():
        was_entries, was_minor = before.get(name, NOTHING)
        if entries > was_entries:
            found[name] = entries - was_entries, minor - was_minor
    return found
