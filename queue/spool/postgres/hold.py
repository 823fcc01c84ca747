"""How long what a node claimed is surely its own.

By a clock of its own: the usual one (`CLOCK_MONOTONIC`, an event loop's) stands still while the machine sleeps. The others'
clocks go on meanwhile, and so does the lease in the database.
"""

import time
from collections.abc import Callable
from typing import Final

Time = Callable[[], float]
"""Seconds that pass whatever stands still: the process, the machine."""

_AWAKE_OR_NOT: Final[int] = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def unstopped() -> float:
    """The system's."""
    return time.clock_gettime(_AWAKE_OR_NOT)


class Hold:
    """A node's, by its lease."""

    def __init__(self, lease_s: float, now: Time = unstopped) -> None:
        """Nothing is held yet."""
        self._lease_s = lease_s
        self.now = now
        #: Until when, by `now`.
        self.until = 0.0

    def renew(self, since: float) -> None:
        """The lease was renewed by something that was begun at `since`."""
        self.until = since + self._lease_s

    def lose(self) -> None:
        """Another node may have taken all of it."""
        self.until = 0.0

    @property
    def left_s(self) -> float:
        """How long it still lasts."""
        return self.until - self.now()

    def lasts(self) -> bool:
        """It is this node's still."""
        return self.now() < self.until
