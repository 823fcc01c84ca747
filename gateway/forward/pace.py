"""How many attempts may be under way at once: grows by 1/N per success, halves on trouble, learns where the core falls.

The rule of growth is Postfix's (`default_destination_concurrency_positive_feedback = 1/concurrency`): one more per
round of answers, so a core that comes back is loaded at the speed it answers, and the limit found is kept.

Growth alone pushes a core with a capacity cliff over again and again, for after each fall the limit grows back to where
it fell. So a level counts as *proved* once a whole round of attempts begun at it was answered well, and trouble that
comes at a level not proved yet, after a clean run, and that goes on, is taken for the cliff: from then on the limit stays
a little below what was proved. It is not tried again before the end of another outage that comes much later; the core may
be another one by then. Pure.
"""

from collections import Counter
from typing import Final, NamedTuple

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
"""One in so many of what was proved, at least one, is left free: the pace isn't alone at the core."""

KEPT_FOR: Final = 10_000
"""After so many further successes the end of an outage finds nothing learned."""


class Begun(NamedTuple):
    """An attempt that was begun: the how many-th at once it was, and how much trouble there had been by then."""

    level: int
    failures: int


class _Fall(NamedTuple):
    """Trouble that may be a fall: outcomes left to tell, and failures among them so far."""

    outcomes_left: int
    failures: int


class Pace:
    """The concurrency of one route."""

    def __init__(self, ceiling: int) -> None:
        """Begin slowly; never above `ceiling`."""
        self._ceiling = float(ceiling)
        self._limit = min(START, self._ceiling)
        self._under_way = 0
        #: Where the core is thought to be safe; None while it never fell.
        self._learned: int | None = None
        self._successes_since = 0
        #: The most at once that a whole round of good answers spoke for since the last recovery.
        self._proved = 0
        #: Good answers to attempts begun at a level above that, by level.
        self._witnesses: Counter[int] = Counter()
        #: Good answers since the last failure, and failures so far.
        self._clean = 0
        self._failures = 0
        self._fall: _Fall | None = None

    @property
    def limit(self) -> int:
        """Attempts that may be under way at once."""
        return int(self._limit)

    @property
    def learned(self) -> int | None:
        """Where the limit stops since the core fell over above it; None when it never did."""
        return self._learned

    def begun(self) -> Begun:
        """An attempt goes to the core; hand this back with what became of it."""
        self._under_way += 1
        return Begun(self._under_way, self._failures)

    def dropped(self) -> None:
        """An attempt that was begun ended without saying anything of the core."""
        self._under_way -= 1

    def succeeded(self, begun: Begun | None = None) -> None:
        """The core answered properly. Where the attempt wasn't told of, it is thought to be of the last round."""
        self._end(begun)
        attempt = begun or Begun(self.limit - 1, self._failures)
        self._clean += 1
        self._successes_since += 1
        if attempt.failures == self._failures:
            self._bear_witness(attempt.level)
        self._tell(failed=False)
        self._limit = min(self._highest, self._limit + 1.0 / self._limit)

    def failed(self, begun: Begun | None = None) -> None:
        """The core did not: half as many, at least one."""
        self._end(begun)
        level = begun.level if begun else self.limit
        unproved = level >= LEVEL_MIN and level > self._proved
        if self._fall is None and unproved and self._clean >= CLEAN_MIN:
            self._fall = _Fall(2 * level, 0)
        self._clean = 0
        self._failures += 1
        self._witnesses.clear()
        self._tell(failed=True)
        self._limit = max(1.0, self._limit / 2)

    def restart(self) -> None:
        """The route closed after an outage: begin slowly again, knowing where it fell, but not that it is as strong."""
        if self._fall is not None:
            # It fell, and the route opened for it.
            self._learn()
        elif self._successes_since >= KEPT_FOR:
            self._learned = None
        self._proved = self._clean = 0
        self._witnesses.clear()
        self._limit = min(START, self._highest)

    @property
    def _highest(self) -> float:
        return self._ceiling if self._learned is None else min(self._ceiling, float(self._learned))

    def _end(self, begun: Begun | None) -> None:
        if begun is not None:
            self._under_way -= 1

    def _bear_witness(self, level: int) -> None:
        """A level is proved by as many good answers to attempts begun at it or above as it is high."""
        if level <= self._proved:
            return
        self._witnesses[level] += 1
        while self._witnesses.total() > self._proved:
            self._proved += 1
            del self._witnesses[self._proved]

    def _tell(self, *, failed: bool) -> None:
        """Was it a fall, or an accident? Two rounds of outcomes tell."""
        if self._fall is None:
            return
        left, failures = self._fall.outcomes_left - 1, self._fall.failures + failed
        self._fall = _Fall(left, failures) if left else None
        if failures >= FAILURES_MIN:
            self._learn()

    def _learn(self) -> None:
        self._learned = max(LEVEL_MIN - 2, self._proved - max(1, self._proved // MARGIN))
        self._limit = min(self._limit, self._highest)
        self._successes_since = 0
        self._fall = None
