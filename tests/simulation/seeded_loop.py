"""An event loop without a clock and without order: virtual time, and of the callbacks that may run any may run next.

One seed, one schedule. Nothing waits: when nobody can run, time jumps to the next timer. Everything a process does is
run in a context that names the process; once that is dead none of its callbacks is run again, which is what SIGKILL is.
"""

import asyncio
import heapq
import random
import sys
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any, Final, Protocol


class Mortal(Protocol):
    """Whoever owns callbacks."""

    dead: bool


OWNER: Final[ContextVar[Mortal | None]] = ContextVar("OWNER", default=None)
"""The process a callback belongs to; nobody for the world outside."""


class NothingLeft(Exception):
    """Everybody waits for ever: a deadlock of the simulation or of the gateway."""


class InCircles(Exception):
    """So much happens in one moment of virtual time that it will never end."""


STEPS_OF_A_MOMENT: Final = 50_000
"""More callbacks than any moment needs."""


class SeededLoop(asyncio.BaseEventLoop):
    """See above. `disorder` is how often the next callback is drawn by lot and not taken in turn."""

    def __init__(self, chance: random.Random, disorder: float) -> None:
        super().__init__()
        self._chance = chance
        self._disorder = disorder
        self._now = 0.0
        self._ready: list[asyncio.Handle] = []
        self._scheduled: list[asyncio.TimerHandle] = []
        #: Every task by its birth: one that the collector took away at a moment of its own would not be repeatable.
        self.tasks: dict[asyncio.Task[Any], int] = {}
        self._moment = 0
        self._circles = STEPS_OF_A_MOMENT
        #: Callbacks run so far.
        self.steps = 0
        #: Called before the step of this number; for whoever wants to strike at any await.
        self.strike_at = -1
        self.strike: Callable[[], None] | None = None
        #: Callbacks that were not run as their owner was dead.
        self.graves: list[asyncio.Handle] = []
        self.outside = copy_context()
        self.set_task_factory(self._numbered)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def outside_later(self, seconds: float, call: Callable[..., object], *arguments: Any) -> asyncio.TimerHandle:
        """Call later, for the world and not for whoever asks."""
        return self.call_later(seconds, call, *arguments, context=self.outside)

    def exhume(self) -> None:
        """Let what the dead left undone run after all, so that their tasks can be put away in good order."""
        self._ready.extend(self.graves)
        self.graves.clear()
        self._circles = sys.maxsize

    def _numbered(self, loop: asyncio.AbstractEventLoop, work: Any, context: Any = None) -> "asyncio.Task[Any]":
        """Tasks are numbered by birth in this loop: addresses differ from run to run, numbers don't."""
        task = asyncio.Task(work, loop=loop, context=context)
        self.tasks[task] = len(self.tasks)
        return task

    def _run_once(self) -> None:
        if not self._ready:
            self._go_on()
        at = 0
        if len(self._ready) > 1 and self._chance.random() < self._disorder:
            at = int(self._chance.random() * len(self._ready))
        handle = self._ready.pop(at)
        if handle._cancelled:
            return
        owner = handle._context.get(OWNER)  # type: ignore[attr-defined]  # where a callback runs tells whose it is
        if owner is not None and owner.dead:
            self.graves.append(handle)
            return
        self.steps += 1
        self._moment += 1
        if self._moment > self._circles:
            raise InCircles(f"{handle!r}")
        if self.steps == self.strike_at and self.strike is not None:
            # What was about to run is not lost: it belongs to whoever survives.
            self._ready.insert(0, handle)
            self.strike()
            return
        handle._run()

    def _go_on(self) -> None:
        """Jump to the next timer; those of one moment come in an order that is the same in every run."""
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False  # type: ignore[attr-defined]  # as the base loop does
        if not self._scheduled:
            raise NothingLeft("nothing is scheduled")
        self._moment = 0
        self._now = max(self._now, self._scheduled[0].when())
        due: list[asyncio.Handle] = []
        while self._scheduled and self._scheduled[0].when() <= self._now:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]  # as above
            due.append(handle)
        if len(due) > 1:
            due.sort(key=self._birth)
        self._ready.extend(due)

    def _birth(self, handle: asyncio.Handle) -> int:
        """Scopes of time limits are kept in sets somewhere, so they come in any order: put them in that of their tasks."""
        scope = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]  # whose timer it is
        task = scope._task if isinstance(scope, asyncio.Timeout) else None  # type: ignore[attr-defined]  # as above
        return 0 if task is None else self.tasks[task]

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def _process_events(self, event_list: Any) -> None:
        """There are no events but timers and callbacks."""
