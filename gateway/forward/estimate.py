"""When will nothing wait any more? From how the backlog changed of late, with a low and a high end. Pure.

Each second is one sample of how many came and how many were finished. The middle of the estimate is what waits by the
mean difference of the last half minute; its ends are two standard errors away, of what was and of what is to come, at
least a twentieth. Half a minute is long enough to even out chance and short enough to follow a ramp: half way through a
drain the pace is known.
"""

import math
from collections import deque
from typing import Final, NamedTuple

import msgspec

SAMPLE_S: Final = 1.0
"""A sample is of so long at least."""

SAMPLES: Final = 30
"""So many of them are kept."""

SAMPLES_MIN: Final = 3
"""Fewer say nothing."""

ERRORS: Final = 2.0
"""The ends are so many standard errors away."""

LEAST: Final = 0.05
"""But at least such a part of the mean: what comes needn't be as what was."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """How the backlog goes; rates in entries a second."""

    rate_in: float
    rate_out: float
    #: Seconds until nothing waits; infinite while more comes than goes, or nothing is known.
    empty_s: float
    #: Its ends; the high one infinite where it may be that it never ends.
    low_s: float
    high_s: float


class _Sample(NamedTuple):
    seconds: float
    came: int
    went: int


class Flow:
    """One route's backlog over the last half minute."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES)
        self._at: tuple[float, int, int] | None = None

    def is_due(self, now: float) -> bool:
        """Is it time for a sample?"""
        return self._at is None or now - self._at[0] >= SAMPLE_S

    def look(self, now: float, waiting: int, finished: int) -> None:
        """At `now` so many wait, and so many that once waited are finished since the beginning."""
        if self._at is not None:
            seconds, went = now - self._at[0], max(0, finished - self._at[2])
            came = max(0, waiting - self._at[1] + went)
            self._samples.append(_Sample(seconds, came, went))
        self._at = (now, waiting, finished)

    def begin_anew(self) -> None:
        """The route closed or opened: what was, says nothing of what comes."""
        self._samples.clear()
        self._at = None

    def estimate(self, waiting: int) -> Estimate:
        """How long until these are gone."""
        seconds = sum(each.seconds for each in self._samples)
        if len(self._samples) < SAMPLES_MIN:
            return Estimate(rate_in=0.0, rate_out=0.0, empty_s=math.inf, low_s=math.inf, high_s=math.inf)
        rate_in = sum(each.came for each in self._samples) / seconds
        rate_out = sum(each.went for each in self._samples) / seconds
        net = rate_out - rate_in
        spread = self._error(net, waiting)
        return Estimate(
            rate_in=rate_in,
            rate_out=rate_out,
            empty_s=_until(waiting, net),
            low_s=_until(waiting, net + spread),
            high_s=_until(waiting, net - spread),
        )

    def _error(self, net: float, waiting: int) -> float:
        rates = [(each.went - each.came) / each.seconds for each in self._samples]
        squares = sum((rate - net) ** 2 for rate in rates)
        deviation = math.sqrt(squares / (len(rates) - 1))
        left_s = max(SAMPLE_S, _until(waiting, net))
        return max(ERRORS * deviation * math.sqrt(1.0 / len(rates) + 1.0 / left_s), LEAST * abs(net))


def _until(waiting: int, rate: float) -> float:
    if waiting == 0:
        return 0.0
    return waiting / rate if rate > 0 else math.inf
