"""How many attempts may be under way at once: grows by 1/N per success, halves on trouble. Pure.

The rule of growth is Postfix's (`default_destination_concurrency_positive_feedback = 1/concurrency`): one more per
round of answers, so a core that comes back is loaded at the speed it answers, and the limit found is kept.
"""

from typing import Final

START: Final = 2.0
"""Attempts at once right after a recovery."""


class Pace:
    """The concurrency of one route."""

    def __init__(self, ceiling: int) -> None:
        """Begin slowly; never above `ceiling`."""
        self._ceiling = float(ceiling)
        self._limit = min(START, self._ceiling)

    @property
    def limit(self) -> int:
        """Attempts that may be under way at once."""
        return int(self._limit)

    def succeeded(self) -> None:
        """The core answered properly."""
        self._limit = min(self._ceiling, self._limit + 1.0 / self._limit)

    def failed(self) -> None:
        """The core did not: half as many, at least one."""
        self._limit = max(1.0, self._limit / 2)

    def restart(self) -> None:
        """The route closed after an outage: begin slowly again."""
        self._limit = min(START, self._ceiling)
