"""How quickly channels were answered before, during and after an outage, and who was turned away: measured at each node.

What a node measures in one outage is a *part* of its report. Parts are counts, so those of several nodes, and of several
runs of one node, add up.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from gateway.meter import BOUNDS_S
from gateway.outages.record import US, Outage, Part

K = TypeVar("K")

MINUTES_BEFORE: Final = 60
"""So many minutes before an outage are what its answers are compared with."""

MINUTE_US: Final = 60 * US

Counts = dict[int, int]
"""Answers by the number of their bound in `gateway.meter.BOUNDS_S`."""


class Measured(NamedTuple):
    """What this process counted since it began."""

    #: Answers by their bound, of all channels of a route.
    answers: Sequence[int]
    #: Payments that got try later, by what stood in the way.
    turned_away: Mapping[str, int]


NOTHING: Final = Measured((), {})


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Times of answers: each figure is the bound below which they are, in seconds."""

    count: int
    median_s: float
    p99_s: float


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """Times of answers in the hour before, in, and after an outage; absent where nobody asked."""

    before: Spread | None
    during: Spread | None
    after: Spread | None


class Gauge:
    """Measures the parts of this node."""

    def __init__(self, measure: Callable[[str], Measured] = lambda _route: NOTHING) -> None:
        """Of what `measure` says of a route."""
        self._measure = measure
        #: By route, as of the last look of this process.
        self.parts: dict[str, Part] = {}
        self._last: dict[str, Measured] = {}
        #: By route, what was counted at the end of each of the last minutes without an outage.
        self._minutes: dict[str, deque[tuple[int, Measured]]] = {}

    def look(self, route: str, outage: Outage | None, now_us: int) -> None:
        """Count what came since the last look to where it belongs."""
        now = self._measure(route)
        last = self._last.get(route, now)
        self._last[route] = now
        minutes = self._minutes.setdefault(route, deque(maxlen=MINUTES_BEFORE))
        if outage is None:
            if not minutes or now_us - minutes[-1][0] >= MINUTE_US:
                minutes.append((now_us, now))
            return
        part = self.parts.get(route)
        if part is None or part.number != outage.number:
            first = minutes[0][1] if minutes else last
            part = Part(number=outage.number, before=_more(first, last))
        minutes.clear()
        came = _more(last, now)
        away = {why: now.turned_away[why] - last.turned_away.get(why, 0) for why in now.turned_away}
        self.parts[route] = msgspec.structs.replace(
            part,
            during=part.during if outage.ended_us else added(part.during, came),
            after=added(part.after, came) if outage.ended_us else part.after,
            turned_away=added(part.turned_away, away),
        )


def _more(before: Measured, now: Measured) -> Counts:
    counts = enumerate(zip(before.answers or [0] * len(now.answers), now.answers, strict=True))
    return {bound: after - earlier for bound, (earlier, after) in counts if after > earlier}


def added(some: Mapping[K, int], more: Mapping[K, int]) -> dict[K, int]:
    """Both counts together, without what is none."""
    both = {key: some.get(key, 0) + more.get(key, 0) for key in (*some, *more)}
    return {key: count for key, count in both.items() if count}


def joined(parts: Iterable[Part], number: int) -> Part:
    """The parts of one outage as one."""
    found = Part(number=number)
    for part in parts:
        if part.number == number:
            found = Part(
                number=number,
                before=added(found.before, part.before),
                during=added(found.during, part.during),
                after=added(found.after, part.after),
                turned_away=added(found.turned_away, part.turned_away),
            )
    return found


def answers_of(part: Part) -> Answers:
    """How quick they were."""
    return Answers(before=spread(part.before), during=spread(part.during), after=spread(part.after))


def spread(counts: Counts) -> Spread | None:
    """Median and 99th percentile; None of nothing."""
    if not (count := sum(counts.values())):
        return None
    return Spread(count=count, median_s=_quantile(counts, count, 50), p99_s=_quantile(counts, count, 99))


def _quantile(counts: Counts, count: int, percent: int) -> float:
    """The bound that so many per cent are below. What is above all bounds is told as the last of them."""
    left = -(-count * percent // 100)
    for bound in sorted(counts):
        left -= counts[bound]
        if left <= 0:
            found: float = BOUNDS_S[min(bound, len(BOUNDS_S) - 1)]
            return found
    raise AssertionError("counts add up to their sum")
