"""How much may be at the core at once: grows by 1/N per success, halves on trouble, learns where the core falls.

The rule of growth is Postfix's (`default_destination_concurrency_positive_feedback = 1/concurrency`): one more per
round of answers, so a core that comes back is loaded at the speed it answers, and the limit found is kept. Two more
rules stand above it. After an outage the limit stays under a ceiling that rises in a straight line (HAProxy's
`slowstart`). And a core whose answers take longer the more it has in hand is given less: once a round, as Envoy's
adaptive concurrency has it, the limit is at most `gradient * limit + sqrt(limit)` with `gradient = (base + buffer) /
sample`, where the sample is the round's middle time and the base the best such time since the recovery, or the core's
habit where that is longer.

Growth alone pushes a core with a capacity cliff over again and again, for after each fall the limit grows back to where
it fell. So a level counts as *proved* once a whole round of attempts begun at it was answered well, and trouble that
comes at a level not proved yet, after a clean run, and that goes on, is taken for the cliff: from then on the limit stays
a little below what was proved. It is not tried again before the end of another outage that comes much later; the core may
be another one by then.

Nor is a fall risked without need: the limit grows to what the core was seen to bear while it was well, and goes on from
there only when it is told to, as the drain would take too long (`explores`; docs/decisions/0069).

Of several nodes each reckons with the whole: limits and levels are of all calls at the core, each answer stands for as many
as there are nodes that send, and what one learned of a fall holds for all (docs/decisions/0057). Pure.
"""

import math
from statistics import median
from typing import Final, NamedTuple

from gateway.route.proof import Proof

START: Final = 2.0
"""Attempts at once right after a recovery."""

CLEAN_MIN: Final = 16
"""So many good answers in a row must come before the trouble: a core that is only warming up has no cliff."""

LEVEL_MIN: Final = 9
"""Trouble at fewer at once teaches nothing: a route slowed down to a trickle by mistake costs more than a fall.

A core that falls over above fewer than eight at once needs `in_flight_max`.
"""

FAILURES_MIN: Final = 3
"""So many failures within two rounds are a fall; fewer are accidents."""

MARGIN: Final = 16
"""One in so many of what was proved, at least one, is left free: no count of what is at a core is exact to the moment."""

ROUND_MIN: Final = 32
"""Times of at least so many answers make a sample: the middle of fewer says little of a core with a long tail."""

BUFFER: Final = 0.5
"""By so much of the base a round may be slower before less is sent."""

GRADIENT_MIN: Final = 0.5
"""No round takes away more than that."""

SAME_FALL_S: Final = 5.0
"""Falls that two nodes learned of within so long are one: no core gets up and falls again in that time."""


class _Fall(NamedTuple):
    """Trouble that may be a fall: outcomes left to tell, and failures among them so far."""

    outcomes_left: int
    failures: int


class _Borne(NamedTuple):
    """So many at once the core was seen to bear in health, and when."""

    level: int
    at: float


class Ramp:
    """The limit of one route. `level` is the how many-th at once an attempt was, `failures` what was failed by then."""

    def __init__(self, ceiling: int, *, slow_start_s: float = 0.0, kept_s: float = math.inf, now: float = 0.0) -> None:
        """Begin slowly; never above `ceiling`. What was learned of a fall is kept for `kept_s`."""
        self._ceiling = float(ceiling)
        #: The same, or less while a person says so.
        self._most = self._ceiling
        self._slow_start_s = slow_start_s
        self._kept_s = kept_s
        self._limit = min(START, self._ceiling)
        self._begun_at = -math.inf
        #: Where the core is thought to be safe; None while it never fell.
        self._learned: int | None = None
        self._learned_at = now
        #: The most at once that a whole round of good answers spoke for since the last recovery.
        self._proof = Proof()
        #: The same of this node's calls while nothing was limited: what the core bears when it is well.
        self._health = Proof()
        self._borne = _Borne(0, now)
        #: Each of so many nodes is taken to have had as many there in health as this one: its part is what it had.
        self.of = 1
        #: It may grow beyond what the core was seen to bear.
        self.explores = True
        #: Good answers since the last failure.
        self._clean = 0
        #: The most at once that was begun and that no round of good answers came after yet, and good answers since.
        self._peak = self._since_peak = 0
        self._fall: _Fall | None = None
        #: Times of this round's answers, and the best middle of a round since the recovery.
        self._times: list[float] = []
        self.best_s = math.inf
        #: What answers take by the core's habit; 0 while that isn't known.
        self.habit_s = 0.0
        #: Nodes that send to the core now: of its answers each hears one in so many.
        self.nodes = 1
        #: Failures so far; an attempt that begins notes them.
        self.failures = 0

    @property
    def limit(self) -> int:
        """Attempts that may be under way at once."""
        return int(self._limit)

    @property
    def learned(self) -> int | None:
        """Where the limit stops since the core fell over above it; None when it never did."""
        return self._learned

    @property
    def learned_at(self) -> float:
        """When that was learned."""
        return self._learned_at

    @property
    def is_full(self) -> bool:
        """It has grown as far as it ever will."""
        return self._limit >= self._highest

    def bound_to(self, most: int) -> None:
        """A person says that there be no more than `most`; 0: that is over, and the limit grows on from where it is."""
        self._most = min(self._ceiling, float(most)) if most else self._ceiling
        self._limit = min(self._limit, self._highest)

    def begun(self, level: int) -> None:
        """An attempt goes to the core, as the `level`-th at once."""
        if level > self._peak:
            self._peak, self._since_peak = level, 0

    def saw_health(self, level: int, failures: int) -> None:
        """A good answer in good time, while nothing is limited."""
        if failures == self.failures:
            self._health.bear(level)

    def noted(self, level: int, failures: int) -> None:
        """A good answer while nothing is limited: it bears witness, and the limit stays as it is."""
        self._clean += 1
        self._since_peak += 1
        if self._since_peak >= self._peak:
            self._peak = self._since_peak = 0
        if failures == self.failures:
            self._proof.bear(level, self.nodes)
        if self._fall is not None:
            self._tell(0.0, failed=False)

    def succeeded(self, level: int, failures: int, now: float, seconds: float = 0.0) -> None:
        """The core answered properly, in `seconds` where that says something of its load."""
        self.noted(level, failures)
        self._limit = min(self._highest, self._slow_start(now), self._limit + self.nodes / self._limit)
        if seconds > 0:
            self._time(seconds)

    def failed(self, now: float, *, teaches: bool = True) -> None:
        """The core did not answer properly: half as many, at least one. Where it wasn't there at all that teaches nothing.

        A core that falls takes down what was begun before, at levels that are proved: what counts is the most at once.
        """
        level = self._peak
        unproved = level >= LEVEL_MIN and level > self._proof.level
        if teaches and self._fall is None and unproved and self._clean >= CLEAN_MIN:
            self._fall = _Fall(2 * level, 0)
        self._clean = 0
        self.failures += 1
        self._proof.doubt()
        self._health.doubt()
        if self._fall is not None:
            self._tell(now, failed=True)
        self._limit = max(1.0, self._limit / 2)

    def restart(self, now: float) -> None:
        """The route closed after an outage: begin slowly again, knowing where it fell, but not that it is as strong."""
        self._borne = self.borne(now)
        if self._fall is not None:
            # It fell, and the route opened for it.
            self._learn(now)
        else:
            self.forget_old(now)
        self._clean = self._peak = 0
        self._proof.forget()
        self._health.forget()
        self._times.clear()
        self.best_s = math.inf
        self._begun_at = now
        self._limit = min(START, self._highest)

    def resume(self, limit: int, now: float) -> float:
        """Go on from a former run's limit; the seconds of the slow start that are over by then."""
        self.explores = self.explores or limit > self._highest
        self._limit = min(self._highest, max(START, float(limit)))
        grown = (self._limit - START) / max(1.0, self._ceiling - START)
        self._begun_at = now - grown * self._slow_start_s
        return now - self._begun_at

    def recall(self, learned: int, at: float, now: float) -> None:
        """A former run learned that it falls above so many."""
        self._learned, self._learned_at = max(1, learned), at
        self.forget_old(now)
        self._limit = min(self._limit, self._highest)

    def borne(self, now: float) -> "_Borne":
        """The most calls of this node that the core was seen to bear in health, of late, and when it last was so many."""
        seen = self._health.level
        if seen < self._borne.level and now - self._borne.at < self._kept_s:
            return self._borne
        return _Borne(seen, now)

    def recall_borne(self, level: int, at: float) -> None:
        """A former run saw it bear so many."""
        self._borne = _Borne(level, at)

    def hear(self, learned: int, at: float, now: float) -> None:
        """Another node learned at `at` that the core falls above so many.

        Of one fall, whoever had seen more go well knows better; what this node still wonders about was that fall.
        """
        if now - at >= self._kept_s:
            return
        if self._learned is not None and abs(at - self._learned_at) <= SAME_FALL_S:
            self._learned = max(self._learned, learned)
        elif self._learned is None or at > self._learned_at:
            self._learned, self._learned_at, self._fall = max(1, learned), at, None
        self._limit = min(self._limit, self._highest)

    def forget_old(self, now: float) -> None:
        """What was learned long ago is of another core by now."""
        if self._learned is not None and now - self._learned_at >= self._kept_s:
            self._learned = None

    @property
    def _highest(self) -> float:
        if self._learned is not None:
            return min(self._most, float(self._learned))
        if self.explores:
            return self._most
        return min(self._most, float(max(LEVEL_MIN - 1, self._borne.level * self.of)))

    def _slow_start(self, now: float) -> float:
        passed_s = now - self._begun_at
        if passed_s >= self._slow_start_s:
            return self._ceiling
        return START + (self._ceiling - START) * passed_s / self._slow_start_s

    def _time(self, seconds: float) -> None:
        self._times.append(seconds)
        if len(self._times) < max(ROUND_MIN, self._limit / self.nodes):
            return
        sample = median(self._times)
        self._times.clear()
        self.best_s = min(self.best_s, sample)
        gradient = (1.0 + BUFFER) * max(self.best_s, self.habit_s) / sample
        if gradient < 1.0:
            bound = max(GRADIENT_MIN, gradient) * self._limit + math.sqrt(self._limit)
            self._limit = min(self._limit, bound)

    def _tell(self, now: float, *, failed: bool) -> None:
        """Was it a fall, or an accident? Two rounds of outcomes tell."""
        assert self._fall is not None, "only while that is asked"
        left, failures = self._fall.outcomes_left - 1, self._fall.failures + failed
        self._fall = _Fall(left, failures) if left else None
        if failures >= FAILURES_MIN:
            self._learn(now)

    def _learn(self, now: float) -> None:
        proved = self._proof.level
        self._learned = max(LEVEL_MIN - 2, proved - max(1, proved // MARGIN))
        self._learned_at = now
        self._limit = min(self._limit, self._highest)
        self._fall = None
