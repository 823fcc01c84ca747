"""How long a route stays open: longer after each relapse, shorter again after health. Pure."""

import math

from gateway.route.settings import BreakerSettings


class Patience:
    """Doubles the time a route stays open with every opening, up to a cap; health undoes one doubling at a time."""

    def __init__(self, settings: BreakerSettings, now: float, level: int = 0) -> None:
        """Begin closed at `now`, after `level` openings that no health has undone yet."""
        self._settings = settings
        self._closed_at: float | None = now
        #: Openings not yet undone; kept across restarts.
        self.level = level
        #: What the present opening multiplies intervals by: 1, 2, 4, ...
        self.factor = 1 << max(0, level - 1)

    @property
    def open_for_s(self) -> float:
        """Seconds the present opening lasts at least."""
        return min(self._settings.open_for_max_s, self._settings.open_for_s * self.factor)

    @property
    def probe_interval_s(self) -> float:
        """Seconds between probes during the present opening."""
        return min(self._settings.probe_interval_max_s, self._settings.probe_interval_s * self.factor)

    def closed(self, now: float) -> None:
        """Health begins."""
        self._closed_at = now

    def opened(self, now: float) -> None:
        """Another opening; one out of a trial (no health before it) is a relapse for sure."""
        if self._closed_at is not None:
            self.level -= min(self.level, math.floor((now - self._closed_at) / self._settings.relapse_decay_s))
        self._closed_at = None
        self.factor = 1 << self.level
        if self.open_for_s < self._settings.open_for_max_s:
            self.level += 1
