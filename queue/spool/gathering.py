"""Whether the next commit is worth waiting for.

A commit costs as much as ten payments of it, whomever it carries. Under load those whom the last one answered are about
to come with their next; taken up at once, the first of them would have a commit for himself and his few neighbours.

And what nobody waits for needs no commit of its own: it lingers, and goes with the next that somebody waits for. A commit
for it alone would be in the way of the payment that comes next.
"""

import asyncio
from typing import Any, Final

from spool.work import Batch, Moves, Work

BUSY_FROM: Final = 16
"""Works of one commit from which on there is load."""

WAIT_S: Final = 0.001
"""Longest wait of a commit for company."""

LINGER_S: Final = 0.003
"""Longest wait of what nobody waits for."""

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


class Waiting:
    """Works that wait for a commit. Not for two committers."""

    def __init__(self, batch_max: int, wait_s: float, linger_s: float) -> None:
        """None yet.

        Args:
            batch_max: most works of one commit.
            wait_s: longest wait for those whom the last commit answered, in seconds.
            linger_s: longest wait of what nobody waits for.
        """
        self._batch_max = batch_max
        self._linger_s = linger_s
        self._gathering = Gathering(wait_s)
        self._works: Batch = []
        self._wake = asyncio.Event()
        #: How many must wait for the committer to be woken.
        self._enough = 1
        #: Somebody waits for one of them, or it has waited long enough.
        self._is_wanted = False
        self._lingering: asyncio.TimerHandle | None = None
        self._is_closed = False

    def add(self, work: Work, answer: "asyncio.Future[Any]") -> None:
        """One more, and who waits for its result."""
        self._works.append((work, answer))
        lingers = isinstance(work, Moves) and work.lingers
        wants = len(self._works) == self._enough if self._is_wanted else not lingers
        if wants:
            # Once, not for each of those who come together.
            self._want()
        elif lingers and self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(self._linger_s, self._want)

    def close(self) -> None:
        """Nothing more is added."""
        self._is_closed = True
        self._want()

    def _want(self) -> None:
        """Have committed what waits."""
        self._is_wanted = True
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._wake.set()

    async def next(self) -> Batch:
        """The works of the next commit, once it is to begin; none once it is closed and all were given out."""
        while not (self._works and self._is_wanted):
            if self._is_closed:
                return []
            await self._wake.wait()
            self._wake.clear()
        await self._gather()
        batch, self._works = self._works[: self._batch_max], self._works[self._batch_max :]
        self._is_wanted = bool(self._works)
        return batch

    async def _gather(self) -> None:
        """Under load, wait for those whom the last commit answered, but not for long."""
        loop = asyncio.get_running_loop()
        wanted = min(self._gathering.wanted(loop.time()), self._batch_max)
        if len(self._works) >= wanted or self._is_closed:
            return
        self._enough = wanted
        self._wake.clear()
        timer = loop.call_later(self._gathering.wait_s, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self._enough = 1

    def ended(self, carried: int) -> None:
        """A commit with so many works ended."""
        self._gathering.ended(carried, len(self._works), asyncio.get_running_loop().time())

    def turned_away(self) -> Batch:
        """All that wait: nothing of them is committed."""
        works, self._works = self._works, []
        return works
