"""Whether the next commit is worth waiting for.

A commit costs as much as ten payments of it, whomever it carries. Under load those whom the last one answered are about
to come with their next; taken up at once, the first of them would have a commit for himself and his few neighbours.
"""

from typing import Final

BUSY_FROM: Final = 16
"""Works of one commit from which on there is load."""

WAIT_S: Final = 0.001
"""Longest wait of a commit for company."""

WITHIN: Final = 5
"""Times that wait, after a commit, in which its callers may be expected."""


class Gathering:
    """Knows how the last commit went."""

    def __init__(self, wait_s: float = WAIT_S) -> None:
        """Nobody is expected yet."""
        self.wait_s = wait_s
        self._wanted = 0
        self._until_s = 0.0

    def ended(self, carried: int, waiting: int, now_s: float) -> None:
        """A commit with so many works ended, and so many wait already; monotonic seconds."""
        self._wanted = waiting + 3 * carried // 4 if carried >= BUSY_FROM else 0
        self._until_s = now_s + WITHIN * self.wait_s

    def wanted(self, now_s: float) -> int:
        """How many works the next commit should wait for, if not for long; 0 when it shouldn't."""
        return self._wanted if now_s <= self._until_s else 0
