"""A core's own habit: what is slow by it, and what silence; and how large a share of new payments it still gets. Pure.

The curve is Envoy's admission control (`envoy.filters.http.admission_control`): with `n` calls seen and `s` of them
good, the share turned aside is `((n - s / threshold) / (n + 1)) ^ (1 / aggression)`, and at most so much that there is
always evidence to come back by. Turned aside means stood in for: a payer loses nothing by it but a second's certainty.
"""

import math
from typing import Final

from gateway.route.baseline import Baseline, Kept, Usual
from gateway.route.record import PauseKept
from gateway.route.settings import BreakerSettings
from gateway.route.window import Figures, Silence

LEARN_S: Final = 1.0
"""How often the usual times are read anew."""

KEEP_S: Final = 60.0
"""How often what was learned is kept, beside every change of zone."""


PAUSE_TIMES: Final = 1.5
"""So many times the longest pause a core came back from it must say nothing to be hung; a pause is known to a tenth."""

PAUSE_KEPT_US: Final = 25 * 3_600_000_000
"""So long a pause is kept in mind: what happens each night is known each night."""

PAUSE_ALIKE: Final = 0.8
"""A pause of this part of the longest is one more of its kind."""


class Habit:
    """How long a core's answers usually take, and from when on one is slower than that; how long it says nothing."""

    def __init__(self, settings: BreakerSettings, now: float, kept: Kept, pause: PauseKept | None = None) -> None:
        """Begin with what the former run `kept`."""
        self._settings = settings
        #: The longest time it said nothing, of late, and was well.
        self.pause = pause
        self._baseline = Baseline(settings.habit_half_life_s, now, kept)
        self._looked_at = self._kept_at = now
        #: Seconds above which an answer is slower than this core's habit.
        self.sluggish_s = self._sluggish_s()
        #: Seconds of silence, with calls waiting, after which it is hung.
        self.hung_s = self._hung_s()

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

    def paused(self, seconds: float, now_us: int) -> None:
        """It said nothing for so long, and then went on as if nothing were.

        What lasts longer than any silence may, or makes no difference, isn't kept in mind.
        """
        settings, longest = self._settings, self.pause
        if not settings.hung_early_share * settings.hung_after_s < PAUSE_TIMES * seconds:
            return
        if seconds > settings.hung_after_s:
            return
        if longest is None or now_us - longest.at_us >= PAUSE_KEPT_US or seconds >= longest.seconds:
            self.pause = PauseKept(at_us=now_us, seconds=seconds)
        elif seconds >= PAUSE_ALIKE * longest.seconds:
            self.pause = PauseKept(at_us=now_us, seconds=longest.seconds)
        self.hung_s = self._hung_s()

    def look(self, now: float, now_us: int) -> bool:
        """Read the usual times anew, now and then; true when what was learned is to be kept."""
        if now - self._looked_at < LEARN_S:
            return False
        self._looked_at = now
        self._baseline.learn(now)
        self.sluggish_s = self._sluggish_s()
        if self.pause is not None and now_us - self.pause.at_us >= PAUSE_KEPT_US:
            self.pause = None
        self.hung_s = self._hung_s()
        if now - self._kept_at < KEEP_S:
            return False
        self._kept_at = now
        return True

    def _sluggish_s(self) -> float:
        return math.inf if self.usual is None else sluggish_after_s(self.usual, self._settings)

    def _hung_s(self) -> float:
        if self.usual is None:
            return self._settings.hung_after_s
        return hung_after_s(self.usual, self.pause.seconds if self.pause else 0.0, self._settings)


def silence(habit: Habit, settings: BreakerSettings, places: int, *, comes_back: bool) -> Silence:
    """What counts as silence of a core at which so many calls may be; one that comes back is cold, and has no habit yet.

    Where fewer than are needed may be there, all of them have to wait for longer than any good answer takes.
    """
    usual = habit.usual
    if places < settings.hung_calls:
        return Silence(places, settings.slow_call_s, settings.slow_call_s)
    if usual is None or comes_back:
        return Silence(settings.hung_calls, settings.hung_after_s, settings.hung_after_s)
    return Silence(settings.hung_calls, habit.hung_s, min(habit.hung_s, usual.high_s))


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


def hung_after_s(usual: Usual, pause_s: float, settings: BreakerSettings) -> float:
    """Seconds of silence after which a core of this habit is hung, if that many calls began in it and wait.

    Never within twice its usual worst, or half as much again as the longest pause it came back from; nor later than
    where nothing is known of it.
    """
    least_s = settings.hung_early_share * settings.hung_after_s
    return min(settings.hung_after_s, max(least_s, settings.hung_factor * usual.high_s, PAUSE_TIMES * pause_s))
