"""A core that is well: one call in a hundred fails, and its times have a heavy tail. Does anybody take it for down?

Payments come at random, `RATE` a second. Nine in ten errors are 500s, the others broken connections. Times are lognormal
(a median of 80 ms, nine in ten below 230), and one in a hundred is from a Pareto tail (alpha 1.3 from half a second on:
one in twenty of those takes five seconds and more), cut off by the attempt's limit of 30 s, which is an error as well.

The second core is quick, so that half a second of silence is enough to take it for hung: a median of 50 ms, ninety-nine in
a hundred below a quarter of a second, and four in a thousand from the same tail.
"""

import math
from typing import Final

import msgspec

from adapters.outcome import Cause, Posted, Unknown
from bench.outages.events import Events
from gateway.route.health import RouteHealth
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone

HOUR_S: Final = 3600.0
RATE: Final = 5.0
ERRORS: Final = 0.01
LIMIT_S: Final = 30.0
DAY_HOURS: Final = 24.0

FAULT: Final = Unknown(cause=Cause.SERVER_ERROR, detail="500")
BROKEN: Final = Unknown(cause=Cause.RESET)
SILENCE: Final = Unknown(cause=Cause.ANSWER_TIMEOUT)


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long a core takes: lognormal, and for a share of the calls a Pareto tail from half a second on."""

    median_s: float
    sigma: float
    tail: float


USUAL: Final = Times(median_s=0.08, sigma=0.8, tail=0.01)
QUICK: Final = Times(median_s=0.05, sigma=0.5, tail=0.004)


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a core that was well all the time."""

    hours: float
    payments: int
    errors: int
    #: How often the route opened: each one was wrong.
    openings: int
    #: How often it turned soft, for how long in all, and payments stood in for by that.
    softenings: int
    soft_s: float
    aside: int
    #: Seconds above which an answer was sluggish in the end, and of silence after which it would have been hung.
    sluggish_s: float
    hung_s: float


class _Day:
    def __init__(self, seed: int, rate: float, times: Times) -> None:
        self._times = times
        self.events = Events(seed)
        self.health = RouteHealth("quiet", BreakerSettings(), self.events)
        self.health.on_change(lambda _old, new, _diagnosis: self._changed(new))
        self.rate = rate
        self.payments = self.errors = self.openings = self.softenings = self.aside = 0
        self.soft_s = 0.0
        self._soft_at = 0.0
        self._next()
        self.events.every(0.1, self.health.watch_once)

    def _changed(self, new: Zone) -> None:
        now = self.events.monotonic()
        if new is Zone.SOFT:
            self.softenings += 1
            self._soft_at = now
        else:
            self.soft_s += now - self._soft_at
            self.openings += new is Zone.OPEN

    def _next(self) -> None:
        self.events.after(-math.log(1.0 - self.events.fraction()) / self.rate, self._pay)

    def _pay(self) -> None:
        self._next()
        self.payments += 1
        permit = self.health.admit()
        if permit is None:
            self.aside += 1
            return
        seconds, outcome = self._answer()
        self.errors += not isinstance(outcome, Posted)
        self.events.after(seconds, lambda: self.health.report(permit, outcome, seconds))

    def _answer(self) -> tuple[float, Posted | Unknown]:
        draw, times = self.events.chance_of, self._times
        in_tail = draw.random() < times.tail
        lognormal = math.log(times.median_s), times.sigma
        seconds = 0.5 * draw.paretovariate(1.3) if in_tail else draw.lognormvariate(*lognormal)
        if seconds >= LIMIT_S:
            return LIMIT_S, SILENCE
        if draw.random() < ERRORS:
            return seconds, FAULT if draw.random() < 0.9 else BROKEN
        return seconds, Posted()


def quiet(hours: float, seed: int = 1, rate: float = RATE, times: Times = USUAL) -> Quiet:
    """So many hours of it."""
    day = _Day(seed, rate, times)
    day.events.run(hours * HOUR_S)
    return Quiet(
        hours=hours,
        payments=day.payments,
        errors=day.errors,
        openings=day.openings,
        softenings=day.softenings,
        soft_s=round(day.soft_s, 1),
        aside=day.aside,
        sluggish_s=round(day.health.sluggish_s(), 2),
        hung_s=round(day.health.hung_s(), 2),
    )
