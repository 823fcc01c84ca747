"""The soft zone: what trouble is by a core's own habit, and how large a share of new payments it still gets. Pure.

The curve is Envoy's admission control (`envoy.filters.http.admission_control`): with `n` calls seen and `s` of them
good, the share turned aside is `((n - s / threshold) / (n + 1)) ^ (1 / aggression)`, and at most so much that there is
always evidence to come back by. Turned aside means stood in for: a payer loses nothing by it but a second's certainty.
"""

import math
from typing import Final

from gateway.route.baseline import Baseline, Kept, Usual
from gateway.route.settings import BreakerSettings
from gateway.route.window import Figures

LEARN_S: Final = 1.0
"""How often the usual times are read anew."""

KEEP_S: Final = 60.0
"""How often what was learned is kept, beside every change of zone."""


class Habit:
    """How long a core's answers usually take, and from when on one is slower than that."""

    def __init__(self, settings: BreakerSettings, now: float, kept: Kept) -> None:
        """Begin with what the former run `kept`."""
        self._settings = settings
        self._baseline = Baseline(settings.habit_half_life_s, now, kept)
        self._looked_at = self._kept_at = now
        #: Seconds above which an answer is slower than this core's habit.
        self.sluggish_s = self._sluggish_s()

    @property
    def usual(self) -> Usual | None:
        """Nothing until enough is known."""
        return self._baseline.usual

    @property
    def kept(self) -> Kept:
        """For the next run."""
        return self._baseline.kept

    def add(self, seconds: float) -> None:
        """A proper answer took so long, in whatever zone."""
        self._baseline.add(seconds)

    def look(self, now: float) -> bool:
        """Read the usual times anew, now and then; true when what was learned is to be kept."""
        if now - self._looked_at < LEARN_S:
            return False
        self._looked_at = now
        self._baseline.learn(now)
        self.sluggish_s = self._sluggish_s()
        if now - self._kept_at < KEEP_S:
            return False
        self._kept_at = now
        return True

    def _sluggish_s(self) -> float:
        return math.inf if self.usual is None else sluggish_after_s(self.usual, self._settings)


def share(figures: Figures, settings: BreakerSettings) -> float:
    """The share of new payments that pass through, 1 while nothing is wrong."""
    seen = figures.calls + figures.overdue
    bad = figures.failed + figures.slow + figures.sluggish + figures.overdue
    if seen < settings.soft_minimum_calls or bad < settings.soft_bad_calls:
        return 1.0
    aside = (seen - (seen - bad) / settings.soft_success_rate) / (seen + 1)
    if aside <= 0:
        return 1.0
    return 1.0 - min(settings.soft_aside_max, math.pow(aside, 1.0 / settings.soft_aggression))


def sluggish_after_s(usual: Usual, settings: BreakerSettings) -> float:
    """Seconds above which an answer is slower than this core's habit.

    So many times its usual best, a low percentile, which a few slow hours don't move; but never within its usual worst:
    a core with a long tail isn't in trouble because it has one.
    """
    return max(settings.sluggish_min_s, settings.sluggish_factor * usual.low_s, usual.high_s)
