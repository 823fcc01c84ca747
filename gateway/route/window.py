"""The recent past of one route: a window sliding in time and in count, streaks, and calls that still wait. Pure.

The window holds single calls, not buckets of seconds: with at most `window_calls` of them that is as cheap, and exact
in both measures. Times are seconds of a clock that only goes forward, handed in by the caller.
"""

import math
from collections import deque
from itertools import islice
from typing import Final, NamedTuple

from gateway.route.evidence import ANSWERED, FAILED, Evidence
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip

FORGOTTEN_S: Final = 900.0
"""A call that waits longer was lost by its caller (no core is waited for so long) and is not counted any more."""

_ANSWERED: Final = tuple(kind in ANSWERED for kind in Evidence)
_FAILED: Final = tuple(kind in FAILED for kind in Evidence)
_BAD: Final = frozenset({*FAILED, Evidence.SLOW})
_IN_A_ROW: Final = frozenset({Trip.UNREACHED, Trip.FAILING, Trip.AWAY})
_BY_SHARE: Final = frozenset({Trip.FAILURE_RATE, Trip.SLOW_RATE})


class Figures(NamedTuple):
    """The window at one moment, as `decide` needs it and as status shows it."""

    #: Calls in the window that say something of health.
    calls: int
    #: Of these: did not reach, no answer, fault.
    failed: int
    #: Of these: answered properly, too late.
    slow: int
    #: Of these: answered properly, slower than the core's habit.
    sluggish: int
    #: Calls that could not reach the core since the last proper answer.
    unreached_in_a_row: int
    #: Failed calls of any kind since the last proper answer.
    failed_in_a_row: int
    #: Calls still waiting for longer than `slow_call_s`.
    overdue: int
    #: Calls still waiting for longer than `hung_after_s`.
    hung: int
    #: Seconds since the last proper answer, or since the window was begun.
    silent_s: float
    #: Seconds, up to the last look, for which the first and the last of so many calls wait as have to wait for a silence,
    #: which all began after the last proper answer; 0 where so many don't.
    unheard_s: float
    latest_unheard_s: float


class Silence(NamedTuple):
    """What silence a core never keeps while it is well."""

    #: So many calls wait that all began after its last proper answer ...
    calls: int
    #: ... the first of them for so many seconds ...
    first_s: float
    #: ... and the last for so many.
    last_s: float


NEVER: Final = Silence(1, math.inf, math.inf)
"""Nothing is known of its habit."""


class Window:
    """What is known of one route's calls since it last changed its zone."""

    def __init__(self, settings: BreakerSettings, now: float) -> None:
        """Begin, empty, at `now`."""
        self._settings = settings
        self._calls_max = settings.window_calls
        #: When each ended, what it said, and when it had begun.
        self._ring: deque[tuple[float, Evidence, float]] = deque()
        self._counts = [0] * len(Evidence)
        self._waiting: dict[object, float] = {}
        self._unreached = 0
        self._failed = 0
        #: When the first of the failed calls since the last proper answer had begun.
        self._failing_since = now
        #: When the core last answered properly, or when the window was begun.
        self.answered_at = now
        self._listened_at = self._listening_since = now

    def clear(self, now: float) -> None:
        """Begin anew: what was seen, and what still waits, belongs to another zone."""
        self._ring.clear()
        self._counts = [0] * len(Evidence)
        self._waiting.clear()
        self._unreached = self._failed = 0
        self.answered_at = self._listened_at = self._listening_since = now

    @property
    def waiting(self) -> int:
        """Calls begun and not ended."""
        return len(self._waiting)

    def begin(self, call: object, now: float) -> None:
        """A call leaves; `call` is any hashable thing of its own."""
        self._waiting[call] = now

    def end(self, call: object) -> bool:
        """A call ended in whatever way; false when it wasn't waiting (ended before, or of another zone)."""
        return self._waiting.pop(call, None) is not None

    def record(self, evidence: Evidence, now: float, begun: float | None = None) -> None:
        """Count what a call said, which had `begun` then; what says nothing of health (or all of it) is not counted."""
        begun = now if begun is None else begun
        if _ANSWERED[evidence]:
            self._unreached = self._failed = 0
            self.answered_at = now
        elif _FAILED[evidence]:
            self._failing_since = min(self._failing_since, begun) if self._failed else begun
            self._failed += 1
            self._unreached += evidence is Evidence.DID_NOT_REACH
        else:
            return
        ring = self._ring
        if len(ring) == self._calls_max:
            self._counts[ring.popleft()[1]] -= 1
        ring.append((now, evidence, begun))
        self._counts[evidence] += 1

    def reached(self) -> None:
        """Another operation's call reached the core: what could not be reached before, can be."""
        self._unreached = 0

    def overdue(self, now: float, longer_than_s: float) -> int:
        """How many calls have been waiting for `longer_than_s` seconds or more."""
        count = 0
        for begun in self._waiting.values():  # in order of beginning, so the first young one ends it
            if now - begun < longer_than_s:
                break
            count += 1
        return count

    def listen(self, now: float, *, anew: bool) -> None:
        """What had come until `now` was heard; `anew` when we stood still before, so that what was missed is no silence."""
        self._listened_at = now
        if anew:
            self._listening_since = now

    def unheard_s(self, calls: int) -> tuple[float, float]:
        """Seconds, up to the last look, for which the first and the last of so many calls wait; 0 where so many don't.

        Those that began before the last proper answer are left out: while the core answers others, a call that takes long
        is one of a tail.
        """
        first = None
        for begun in self._waiting.values():
            if begun < self.answered_at:
                continue
            first = begun if first is None else first
            calls -= 1
            if calls <= 0:
                return self._unheard_since(first), self._unheard_since(begun)
        return 0.0, 0.0

    def _unheard_since(self, begun: float) -> float:
        return max(0.0, self._listened_at - max(begun, self._listening_since))

    def trouble_since(self, trip: Trip, now: float) -> float:
        """When what opens the route by this rule began: with a call, not with what came of it seconds later."""
        if trip is Trip.HUNG:
            return next((begun for begun in self._waiting.values() if begun >= self.answered_at), self.answered_at)
        if trip in _IN_A_ROW and self._failed:
            return self._failing_since
        if trip in _BY_SHARE:
            bad = [begun for _, kind, begun in self._ring if kind in _BAD]
            # In order of beginning, so the first is the oldest.
            overdue = list(islice(self._waiting.values(), min(1, self.overdue(now, self._settings.slow_call_s))))
            return min(bad + overdue, default=now)
        return now

    def figures(self, now: float, calls: int | None = None) -> Figures:
        """The window at `now`, where so many `calls` have to wait for a silence (`hung_calls` unless said)."""
        self._drop_old(now)
        unheard_s, latest_unheard_s = self.unheard_s(self._settings.hung_calls if calls is None else calls)
        counts = self._counts
        return Figures(
            calls=len(self._ring),
            failed=sum(counts[kind] for kind in FAILED),
            slow=counts[Evidence.SLOW],
            sluggish=counts[Evidence.SLUGGISH],
            unreached_in_a_row=self._unreached,
            failed_in_a_row=self._failed,
            overdue=self.overdue(now, self._settings.slow_call_s),
            hung=self.overdue(now, self._settings.hung_after_s),
            silent_s=now - self.answered_at,
            unheard_s=unheard_s,
            latest_unheard_s=latest_unheard_s,
        )

    def _drop_old(self, now: float) -> None:
        ring, oldest = self._ring, now - self._settings.window_s
        while ring and ring[0][0] <= oldest:
            self._counts[ring.popleft()[1]] -= 1
        while self._waiting:
            call, begun = next(iter(self._waiting.items()))
            if now - begun < FORGOTTEN_S:
                break
            del self._waiting[call]


def decide(figures: Figures, settings: BreakerSettings, silence: Silence = NEVER) -> Trip | None:
    """Whether a closed route opens, and by which rule; the surest rule is asked first.

    `silence` is one that this core never keeps, by its habit; the figures are of as many calls.
    """
    if figures.unreached_in_a_row >= settings.unreached_in_a_row:
        return Trip.UNREACHED
    if figures.hung >= settings.hung_calls and figures.silent_s >= settings.hung_after_s:
        return Trip.HUNG
    if figures.unheard_s >= silence.first_s and figures.latest_unheard_s >= silence.last_s:
        return Trip.HUNG
    if figures.failed_in_a_row >= settings.failures_in_a_row:
        return Trip.FAILING
    if figures.calls >= settings.minimum_calls and figures.failed >= settings.failure_rate * figures.calls:
        return Trip.FAILURE_RATE
    seen = figures.calls + figures.overdue
    if seen >= settings.minimum_calls and figures.slow + figures.overdue >= settings.slow_rate * seen:
        return Trip.SLOW_RATE
    return None
