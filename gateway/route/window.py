"""The recent past of one route: a window sliding in time and in count, streaks, and calls that still wait. Pure.

The window holds single calls, not buckets of seconds: with at most `window_calls` of them that is as cheap, and exact
in both measures. Times are seconds of a clock that only goes forward, handed in by the caller.
"""

from collections import deque
from typing import Final, NamedTuple

from gateway.route.evidence import ANSWERED, FAILED, Evidence
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip

FORGOTTEN_S: Final = 900.0
"""A call that waits longer was lost by its caller (no core is waited for so long) and is not counted any more."""

_ANSWERED: Final = tuple(kind in ANSWERED for kind in Evidence)
_FAILED: Final = tuple(kind in FAILED for kind in Evidence)


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


class Window:
    """What is known of one route's calls since it last changed its zone."""

    def __init__(self, settings: BreakerSettings, now: float) -> None:
        """Begin, empty, at `now`."""
        self._settings = settings
        self._calls_max = settings.window_calls
        self._ring: deque[tuple[float, Evidence]] = deque()
        self._counts = [0] * len(Evidence)
        self._waiting: dict[object, float] = {}
        self._unreached = 0
        self._failed = 0
        #: When the core last answered properly, or when the window was begun.
        self.answered_at = now

    def clear(self, now: float) -> None:
        """Begin anew: what was seen, and what still waits, belongs to another zone."""
        self._ring.clear()
        self._counts = [0] * len(Evidence)
        self._waiting.clear()
        self._unreached = self._failed = 0
        self.answered_at = now

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

    def record(self, evidence: Evidence, now: float) -> None:
        """Count what a call said; what says nothing of health (or all of it) is not counted."""
        if _ANSWERED[evidence]:
            self._unreached = self._failed = 0
            self.answered_at = now
        elif _FAILED[evidence]:
            self._failed += 1
            self._unreached += evidence is Evidence.DID_NOT_REACH
        else:
            return
        ring = self._ring
        if len(ring) == self._calls_max:
            self._counts[ring.popleft()[1]] -= 1
        ring.append((now, evidence))
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

    def figures(self, now: float) -> Figures:
        """The window at `now`."""
        self._drop_old(now)
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


def decide(figures: Figures, settings: BreakerSettings) -> Trip | None:
    """Whether a closed route opens, and by which rule; the surest rule is asked first."""
    if figures.unreached_in_a_row >= settings.unreached_in_a_row:
        return Trip.UNREACHED
    if figures.hung >= settings.hung_calls and figures.silent_s >= settings.hung_after_s:
        return Trip.HUNG
    if figures.failed_in_a_row >= settings.failures_in_a_row:
        return Trip.FAILING
    if figures.calls >= settings.minimum_calls and figures.failed >= settings.failure_rate * figures.calls:
        return Trip.FAILURE_RATE
    seen = figures.calls + figures.overdue
    if seen >= settings.minimum_calls and figures.slow + figures.overdue >= settings.slow_rate * seen:
        return Trip.SLOW_RATE
    return None
