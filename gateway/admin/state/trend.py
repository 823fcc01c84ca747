"""How it went over the last hours: a short memory of samples for each route, for charts. Forgotten with the process."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

SAMPLE_S: Final = 15.0
SAMPLES_MAX: Final = 1_440
"""Six hours."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One route at one moment. Counts rise from the beginning of the spool; what is drawn is their differences."""

    #: Microseconds since 1970 in UTC.
    at_us: int
    zone: str
    waiting: int
    #: Entries taken so far, and those that are finished.
    taken: int
    finished: int
    #: Attempts at the core so far, and the seconds they took together.
    attempts: int
    attempts_s: float


class Trend:
    """Samples of each route, oldest first."""

    def __init__(self) -> None:
        """Nothing is known."""
        self._samples: dict[str, deque[Sample]] = {}
        self._at = -SAMPLE_S

    def is_due(self, now: float) -> bool:
        """Is it time for a sample? Asked with monotonic seconds; a yes counts from then on."""
        if now - self._at < SAMPLE_S:
            return False
        self._at = now
        return True

    def note(self, route: str, sample: Sample) -> None:
        """How a route stands."""
        self._samples.setdefault(route, deque(maxlen=SAMPLES_MAX)).append(sample)

    def of(self, route: str) -> Sequence[Sample]:
        """The samples of a route."""
        return tuple(self._samples.get(route, ()))
