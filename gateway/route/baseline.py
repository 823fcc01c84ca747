"""How long a core usually takes: a histogram of its proper answers over a long past, kept across restarts. Pure.

A core that turns slow is known by its own habit, not by a number somebody wrote down once: a system that answers in
20 ms is in trouble at half a second, one that always takes two seconds isn't. The histogram's steps grow by a tenth, so
that every figure read from it is right to five per cent, whatever the scale; old answers fade by half-lives.
"""

import math
from collections.abc import Iterable
from typing import Final

import msgspec

FIRST_S: Final = 0.0005
"""Answers quicker than this are one."""

GROWTH: Final = 1.1
"""Each step is so many times as long as the one before."""

STEPS: Final = 160
"""So many steps reach beyond half an hour."""

ENOUGH: Final = 100.0
"""Below so many answers nothing is known yet."""

LOW: Final = 0.1
"""The share of answers that are quicker than the core's usual best."""

HIGH: Final = 0.99
"""The share of answers that are quicker than the core's usual worst: a long tail is part of its habit."""

FADING_PARTS: Final = 32
"""A half-life is taken in so many steps."""

_STEP: Final = math.log(GROWTH)
Kept = tuple[tuple[int, float], ...]
"""The histogram as it is kept: step and weight of those that have any."""


class Usual(msgspec.Struct, frozen=True):
    """What a core's answers usually take, in seconds."""

    low_s: float
    median_s: float
    high_s: float


class Baseline:
    """What was learned of one operation's times."""

    def __init__(self, half_life_s: float, now: float, kept: Kept = ()) -> None:
        """Begin with what was `kept`; an answer counts half after `half_life_s`."""
        self._half_life_s = half_life_s
        self._faded_at = now
        self._weights = [0.0] * STEPS
        for step, weight in kept:
            if 0 <= step < STEPS and 0 < weight < math.inf:
                self._weights[step] = weight
        #: Nothing until enough is known.
        self.usual: Usual | None = None
        self.learn(now)

    def add(self, seconds: float) -> None:
        """A proper answer took so long."""
        self._weights[step_of(seconds)] += 1.0

    def learn(self, now: float) -> None:
        """Let the past fade, and read the usual times anew."""
        faded_s = now - self._faded_at
        if faded_s * FADING_PARTS >= self._half_life_s:
            left = math.pow(0.5, faded_s / self._half_life_s)
            self._weights = [weight * left for weight in self._weights]
            self._faded_at = now
        known = sum(self._weights)
        if known >= ENOUGH:
            self.usual = Usual(*self._quantiles(known * LOW, known * 0.5, known * HIGH))

    @property
    def kept(self) -> Kept:
        """For the next run."""
        return tuple((step, round(weight, 3)) for step, weight in enumerate(self._weights) if weight >= 0.001)  # noqa: PLR2004 - what rounds to nothing isn't kept

    def _quantiles(self, *marks: float) -> Iterable[float]:
        """The time below which each of the `marks` (rising weights) lies."""
        left, passed, step = list(marks), 0.0, 0
        while left:
            passed += self._weights[step] if step < STEPS else math.inf
            while left and passed >= left[0]:
                del left[0]
                yield time_of(min(step, STEPS - 1))
            step += 1


def step_of(seconds: float) -> int:
    """The step a time falls into."""
    return min(STEPS - 1, max(0, math.ceil(math.log(max(seconds, FIRST_S) / FIRST_S) / _STEP - 1e-9)))


def time_of(step: int) -> float:
    """The longest time of a step, in seconds."""
    return FIRST_S * GROWTH**step
