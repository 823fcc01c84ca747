"""An event loop without a clock and without order: virtual time, and of the callbacks that may run any may run next.

One seed, one schedule. Nothing waits: when nobody can run, time jumps to the next timer. Everything a process does is
run in a context that names the process; once that is dead none of its callbacks is run again, which is what SIGKILL is.
While it is stopped they are put by, and all run when it goes on, which is what SIGSTOP and SIGCONT are.
"""

import asyncio
import heapq
import random
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Protocol, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class Mortal(Protocol):
    """Whoever owns callbacks."""

    dead: bool
    stopped: bool


OWNER: Final[ContextVar[Mortal | None]] = ContextVar("OWNER", default=None)
"""The process a callback belongs to; nobody for the world outside."""


class NothingLeft(Exception):
    """Everybody waits for ever: a deadlock of the simulation or of the gateway."""


class InCircles(Exception):
    """So much happens in one moment of virtual time that it will never end."""


STEPS_OF_A_MOMENT: Final = 50_000
"""More callbacks than any moment needs."""


class Call:
    """A callback that will run, in its context: what asyncio calls a handle, without what a real loop needs of one."""

    __slots__ = ("arguments", "call", "cancelled", "context")

    def __init__(self, call: Callable[..., object], arguments: tuple[Any, ...], context: Context) -> None:
        self.call = call
        self.arguments = arguments
        self.context = context
        self.cancelled = False

    def cancel(self) -> None:
        """Don't run it after all."""
        self.cancelled = True


class Timer(Call):
    """A callback whose time will come."""

    __slots__ = ("at",)

    def __init__(self, at: float, call: Callable[..., object], arguments: tuple[Any, ...], context: Context) -> None:
        super().__init__(call, arguments, context)
        self.at = at

    def when(self) -> float:
        """The virtual second."""
        return self.at


class SeededLoop(asyncio.BaseEventLoop):
    """See above. `disorder` is how often the next callback is drawn by lot and not taken in turn.

    Half of a simulation's time is spent here, so what is called for each callback is written out, and holds nothing that
    only a real loop needs.
    """

    def __init__(self, chance: random.Random, disorder: float) -> None:
        super().__init__()
        self._chance = chance.random
        self._disorder = disorder
        self._now = 0.0
        self._turn: list[Call] = []
        #: By time, and of one time by birth.
        self._timers: list[tuple[float, int, Timer]] = []
        self._timers_made = 0
        #: Every task by its birth: one that the collector took away at a moment of its own would not be repeatable.
        self.tasks: dict[asyncio.Task[Any], int] = {}
        self._moment = 0
        self._circles = STEPS_OF_A_MOMENT
        #: Callbacks run so far.
        self.steps = 0
        #: Called before the step of this number; for whoever wants to strike at any await.
        self.strike_at = -1
        self.strike: Callable[[], None] | None = None
        #: Callbacks that were not run as their owner was dead, and as it was stopped.
        self.graves: list[Call] = []
        self._put_by: list[Call] = []
        self.outside = copy_context()

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def call_soon(self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None) -> Any:
        """Run as soon as its turn comes."""
        call = Call(callback, args, copy_context() if context is None else context)
        self._turn.append(call)
        return call

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        """Run at this virtual second."""
        timer = Timer(when, callback, args, copy_context() if context is None else context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> Any:
        """Run so many virtual seconds from now."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def outside_later(self, seconds: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call later, for the world and not for whoever asks."""
        self.call_at(self._now + seconds, call, *arguments, context=self.outside)

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> "asyncio.Task[Any]":
        """Tasks are numbered by birth in this loop: addresses differ from run to run, numbers don't."""
        task = asyncio.Task(coro, loop=self, name=None if name is None else str(name), context=context)
        self.tasks[task] = len(self.tasks)
        return task

    def go_on(self) -> None:
        """Somebody who was stopped isn't any more: what would have run meanwhile runs now."""
        self._turn.extend(self._put_by)
        self._put_by.clear()

    def exhume(self) -> None:
        """Let what the dead left undone run after all, so that their tasks can be put away in good order."""
        self._turn.extend(self.graves)
        self.graves.clear()
        self._circles = sys.maxsize

    def _run_once(self) -> None:
        """Everything until somebody stops the loop, or nothing is left."""
        turn, chance, disorder = self._turn, self._chance, self._disorder
        while not self._stopping:  # type: ignore[attr-defined]  # the base loop's own flag
            if not turn:
                self._go_on()
            at = int(chance() * len(turn)) if len(turn) > 1 and chance() < disorder else 0
            call = turn.pop(at)
            if call.cancelled:
                continue
            owner = call.context.get(OWNER)
            if owner is not None and (owner.dead or owner.stopped):
                (self.graves if owner.dead else self._put_by).append(call)
                continue
            self.steps += 1
            self._moment += 1
            if self._moment > self._circles:
                raise InCircles(f"{call.call!r}")
            if self.steps == self.strike_at and self.strike is not None:
                # What was about to run is not lost: it belongs to whoever survives.
                turn.insert(0, call)
                self.strike()
                continue
            try:
                call.context.run(call.call, *call.arguments)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as a loop does, a cancelled future's too: its listener is told
                self.call_exception_handler({"message": f"Exception in callback {call.call!r}", "exception": error})

    def _go_on(self) -> None:
        """Jump to the next timer; those of one moment come in an order that is the same in every run."""
        timers = self._timers
        while timers and timers[0][2].cancelled:
            heapq.heappop(timers)
        if not timers:
            raise NothingLeft("nothing is scheduled")
        self._moment = 0
        now = self._now = max(self._now, timers[0][0])
        due: list[Call] = []
        while timers and timers[0][0] <= now:
            due.append(heapq.heappop(timers)[2])
        if len(due) > 1:
            due.sort(key=self._birth)
        self._turn.extend(due)

    def _birth(self, call: Call) -> int:
        """Scopes of time limits are kept in sets somewhere, so they come in any order: put them in that of their tasks."""
        scope = getattr(call.call, "__self__", None)
        task = scope._task if isinstance(scope, asyncio.Timeout) else None  # type: ignore[attr-defined]  # whose it is
        return 0 if task is None else self.tasks[task]

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    def _process_events(self, event_list: Any) -> None:
        """There are no events but timers and callbacks."""
