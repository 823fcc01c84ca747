"""Time and chance come in by this door, and by no other (style 11)."""

import asyncio
import contextlib
import heapq
import random
import secrets
import time
from collections.abc import Callable
from typing import Final, Protocol


class Clock(Protocol):
    """What the service knows of time and chance."""

    def now_us(self) -> int:
        """Wall clock: microseconds since 1970 in UTC. For records, and for times that must outlive the process.

        Between two processes it may jump; within one it only goes forward, as time does.
        """
        ...

    def follow(self, now_us: int) -> None:
        """The time of the database that nodes share, microseconds since 1970: theirs from now on, whatever their machines say."""
        ...

    def monotonic(self) -> float:
        """Seconds that only go forward. For measuring and waiting."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def chance(self, bits: int) -> int:
        """So many unpredictable bits."""
        ...

    def fraction(self) -> float:
        """A number in [0, 1), for jitter and sampling."""
        ...


_CHANCE_BYTES: Final = 4096

_FOLLOW: Final = 100
"""The wall clock is followed by a hundredth of the time that passed: ten times what a time server's slewing needs."""

_STEP_NS: Final = 1_000_000_000
"""A machine's clock that is so far from where it should be was moved by somebody."""

Nanoseconds = Callable[[], int]


class SystemClock:
    """The machine's own; once begun, nobody moves it.

    Settle delays, the lifetimes of keys and the times entries wait for are all told by the wall clock, as they must
    outlive the process. So a wall clock that is moved (by a time server, by a person, an hour or a year, either way)
    must not move them: the time is taken from it once, goes on with the monotonic clock, and comes nearer to it by at
    most a hundredth of what passes. A restart takes the machine's time as it is.

    Of nodes that share a database each follows that one's time in the same way, so that what one writes another can read
    (`follow`). When it first hears of it it takes it as it is, as a restart would.
    """

    def __init__(self, wall_ns: Nanoseconds = time.time_ns, monotonic_ns: Nanoseconds = time.monotonic_ns) -> None:
        """Begin at `wall_ns` (since 1970 in UTC)."""
        self._wall_ns, self._monotonic_ns = wall_ns, monotonic_ns
        self._now_ns, self._read_ns = wall_ns(), monotonic_ns()
        #: How far the machine's clock is behind whoever is followed, if anybody is.
        self._behind_ns = 0
        self._follows = False
        #: How far off the machine's clock was when that was last said.
        self._told_ns = 0
        self._chance = b""
        self._chance_at = 0

    def now_us(self) -> int:
        """Microseconds since 1970 in UTC; never less than before."""
        read_ns = self._monotonic_ns()
        passed_ns, self._read_ns = read_ns - self._read_ns, read_ns
        off_ns = self._wall_ns() + self._behind_ns - self._now_ns - passed_ns
        follow_ns = passed_ns // _FOLLOW
        # Spelt out, as max(-follow_ns, min(off_ns, follow_ns)) costs every payment as much as all the rest of it.
        self._now_ns += passed_ns + (
            off_ns if -follow_ns <= off_ns <= follow_ns else follow_ns if off_ns > 0 else -follow_ns
        )
        if not -_STEP_NS <= off_ns - self._told_ns <= _STEP_NS:
            self._told_ns = off_ns
            from gateway.log import log  # noqa: PLC0415 - whoever only wants the time needs no log

            log.warning("clock_moved", machine_is_ahead_s=round(off_ns / 1_000_000_000, 1))
        return self._now_ns // 1000

    def follow(self, now_us: int) -> None:
        """Go by this time, microseconds since 1970; the first time at once, then by a hundredth of what passes."""
        self._behind_ns = now_us * 1000 - self._wall_ns()
        if self._follows:
            return
        self._follows, self._now_ns, self._read_ns = True, now_us * 1000, self._monotonic_ns()
        if not -_STEP_NS <= self._behind_ns <= _STEP_NS:
            from gateway.log import log  # noqa: PLC0415 - as below

            log.warning("clock_apart", machine_is_ahead_s=round(-self._behind_ns / 1_000_000_000, 1))

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def chance(self, bits: int) -> int:
        """So many unpredictable bits; taken from the kernel a page at a time. For ids, never for keys or nonces."""
        size = (bits + 7) // 8
        if self._chance_at + size > len(self._chance):
            self._chance, self._chance_at = secrets.token_bytes(_CHANCE_BYTES), 0
        start = self._chance_at
        self._chance_at = start + size
        return int.from_bytes(self._chance[start : start + size], "big") >> (size * 8 - bits)

    def fraction(self) -> float:
        """A number in [0, 1)."""
        return random.random()  # noqa: S311 - jitter and sampling, no secret


class ManualClock:
    """A clock for tests and rehearsals: time goes on only when told, chance comes from a seed."""

    def __init__(self, start_us: int = 1_767_225_600_000_000, seed: int = 1) -> None:
        """Begin at `start_us` (2026-01-01 UTC unless given)."""
        self._now_us = start_us
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0

    def now_us(self) -> int:
        """The time it was moved to."""
        return self._now_us

    def follow(self, now_us: int) -> None:
        """It is moved by its owner, and by nobody else."""

    def monotonic(self) -> float:
        """Seconds it was advanced by."""
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has gone so far; a sleep of nothing only lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._order, waiter))
        await waiter

    def chance(self, bits: int) -> int:
        """So many bits of the seed."""
        return self._random.getrandbits(bits)

    def fraction(self) -> float:
        """A number in [0, 1) of the seed."""
        return self._random.random()

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as an operator or a time server may."""
        self._now_us += round(seconds * 1_000_000)

    async def advance(self, seconds: float) -> None:
        """Let time go on, waking each sleeper at its own moment, in order."""
        end = self._elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, waiter = heapq.heappop(self._sleepers)
            self._move_to(at)
            with contextlib.suppress(asyncio.InvalidStateError):
                waiter.set_result(None)
            await settle()
        self._move_to(end)
        await settle()

    def _move_to(self, elapsed: float) -> None:
        self._now_us += round((elapsed - self._elapsed) * 1_000_000)
        self._elapsed = elapsed


async def settle(rounds: int = 20) -> None:
    """Let every task that can run, run."""
    for _ in range(rounds):
        await asyncio.sleep(0)
