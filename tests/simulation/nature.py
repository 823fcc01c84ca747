"""What one seed decides before anything happens, and what everybody in the simulation shares: time, chance, the record."""

import asyncio
import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from adapters.core import Level
from tests.simulation.seeded_loop import SeededLoop

START_US: Final = 1_767_225_600_000_000
"""The wall clock at the beginning: 2026-01-01 UTC."""

ROUTE: Final = "billing"
"""The route to the core that ails."""

TRACE_SHOWN: Final = 60
"""Events kept for whoever looks into a failure."""


class Violation(Exception):
    """A promise was broken."""

    def __init__(self, promise: str, found: str) -> None:
        super().__init__(f"{promise}: {found}")
        self.promise = promise
        self.found = found


class Mix(msgspec.Struct, kw_only=True):
    """What this seed is made of. Rates are shares of 1; most seeds lack most faults, so that each is seen alone too."""

    level: Level
    lookup: bool
    not_found_is_final: bool
    reversal: bool
    settle_s: float
    key_lifetime_s: float
    safe_probe: bool
    payments: int
    accounts: int
    strangers: int
    span_s: float
    disorder: float
    #: What clients speak: "json", "osmp", or "" for no bytes at all.
    protocol: str
    standin: bool
    exposure_count: int
    exposure_sum: int
    channel_count: int | None
    deadline_s: float
    attempts_max: int
    window_max: int
    lane_max: int
    in_flight_max: int
    watch_s: float
    open_max_s: float
    #: Clients.
    twins: float
    reversals: float
    repeats: float
    conflicts: float
    gives_up: float
    #: Whoever gave up asks what became of it, instead of having it undone.
    inquires: float = 0.0
    checks: float
    #: Payments of the channel whose core is always well.
    shopping: int
    #: What a person does: so many times something is held, released or tried again.
    acts: int
    #: Network between client and gateway.
    request_lost: float
    answer_lost: float
    #: Core.
    core: dict[str, float]
    outages: list[tuple[float, float, str]]
    #: Disk.
    disk: dict[str, float]
    commit_s: float
    power_after_trouble: float
    #: Process.
    kills: list[float]
    strike: float
    graceful: float
    down_s: float
    clock_jump_s: float
    spell_s: float
    #: People are told, by a sink that fails so: empty where nobody is told.
    sinks: dict[str, float]
    #: Where people are told, channels are told of their returns, so many seconds after they are due; below 0 they aren't.
    returns_after_s: int = -1
    #: Calls a second that the core bears, by all nodes; 0 is any number. With one gateway it isn't looked at.
    rate_max: float = 0.0
    #: Seconds for which what is over is kept; 0 is for ever.
    retention_s: float = 0.0


CORE_FAULTS: Final = (
    "throttled", "lost", "silent", "late", "never", "error_before", "error_after", "unreadable_before",
    "unreadable_after", "pending", "slow", "reset",
)  # fmt: skip
SINK_FAULTS: Final = ("hangs", "slow", "fails", "loses")
DISK_FAULTS: Final = ("full", "fails", "unsure_kept", "unsure_lost", "hangs_kept", "hangs_lost", "slow")
OUTAGES: Final = ("refuses", "swallows", "hangs", "errors", "throttles", "credentials")


def draw(chance: random.Random) -> Mix:
    """The mix of a seed."""
    pick = chance.choice

    def rate(*rates: float) -> float:
        return pick(rates)

    level = pick((Level.A, Level.A, Level.B, Level.B, Level.C))
    span_s = pick((10.0, 30.0, 60.0, 120.0))
    settle_s = pick((5.0, 10.0))
    lifetime_s = pick((0.0, 0.0, 30.0, 120.0)) if level is Level.A else 0.0
    sure = level is Level.B or bool(lifetime_s)
    evil = rate(0.0, 0.1, 0.3, 0.6)
    # The wall clock measures how long ago things were sent, also across restarts: where an age decides about money it
    # may be off by less than what the core promises, not by minutes.
    jump_s = pick((0.0, 0.0, 0.5) if sure else (0.0, 0.0, 0.5, 600.0))
    sick = rate(0.0, 0.0, 0.03, 0.1, 0.3)
    more = random.Random(chance.getrandbits(64))  # noqa: S311 - repeatable on purpose
    return Mix(
        level=level,
        lookup=sure or (level is Level.A and chance.random() < 0.5) or (level is Level.C and chance.random() < 0.3),
        not_found_is_final=level is Level.B and chance.random() < 0.9,
        reversal=chance.random() < 0.9,
        settle_s=settle_s,
        key_lifetime_s=lifetime_s,
        safe_probe=chance.random() < 0.8,
        payments=pick((3, 8, 15, 30, 60)),
        accounts=pick((1, 3, 8, 20)),
        strangers=pick((0, 0, 1, 2)),
        span_s=span_s,
        disorder=pick((0.0, 0.2, 1.0)),
        protocol=pick(("json", "osmp", "", "")),
        standin=chance.random() < 0.9,
        exposure_count=pick((1_000, 1_000, 8, 3, 1)),
        exposure_sum=pick((10_000_000, 10_000_000, 2_000)),
        channel_count=pick((None, None, 2)),
        deadline_s=pick((3.0, 10.0, 30.0)),
        attempts_max=pick((0, 0, 20, 3)),
        window_max=pick((16, 64)),
        lane_max=pick((1, 2, 16)),
        in_flight_max=pick((1, 4, 32)),
        watch_s=pick((0.25, 1.0, 2.0, 5.0, 5.0)),
        open_max_s=pick((2.0, 10.0)),
        twins=rate(0.0, 0.1, 0.4),
        reversals=rate(0.0, 0.1, 0.4),
        repeats=rate(0.0, 0.2, 0.5),
        conflicts=rate(0.0, 0.0, 0.1),
        gives_up=rate(0.0, 0.05, 0.3),
        checks=more.choice((0.0, 0.0, 0.3)),
        shopping=more.choice((0, 0, 3, 10)),
        acts=more.choice((0, 0, 3, 10)),
        request_lost=rate(0.0, 0.05, 0.2),
        answer_lost=rate(0.0, 0.05, 0.2),
        core={name: evil * chance.random() for name in CORE_FAULTS if chance.random() < 0.4},
        outages=_outages(chance, span_s),
        disk={name: sick * chance.random() for name in DISK_FAULTS if chance.random() < 0.4},
        commit_s=pick((0.0005, 0.005, 0.05)),
        power_after_trouble=rate(0.0, 0.5),
        kills=sorted(chance.random() * span_s for _ in range(pick((0, 0, 1, 3)))),
        strike=rate(0.0, 0.0, 0.02, 0.1),
        graceful=rate(0.0, 0.3),
        down_s=pick((0.1, 2.0, 30.0)),
        clock_jump_s=jump_s,
        spell_s=pick((0.0, 0.0, 600.0, 43_200.0, 2_592_000.0)),
        sinks=_sinks(more),
        returns_after_s=more.choice((-1, -1, 0, 5, 60)),
    )


def _sinks(more: random.Random) -> dict[str, float]:
    """How the way to people is ill; in two of three seeds nobody is told."""
    if more.random() < 0.66:
        return {}
    evil = more.choice((0.0, 0.2, 0.6))
    return {fault: evil * more.random() for fault in SINK_FAULTS}


def _outages(chance: random.Random, span_s: float) -> list[tuple[float, float, str]]:
    """When the core is away, for how long, and how it shows."""
    count = chance.choice((0, 1, 1, 2))
    return [(chance.random() * span_s, chance.choice((1.0, 10.0, 60.0)), chance.choice(OUTAGES)) for _ in range(count)]


class Nature:
    """Time, chance and the record of one run."""

    def __init__(self, seed: int, changed: Callable[[Mix], Mix] = lambda mix: mix) -> None:
        """Draw the mix of this seed; `changed` makes of it what the world can play."""
        self.seed = seed
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.mix = changed(draw(self.chance))
        self.loop = SeededLoop(self.chance, self.mix.disorder)
        #: From then on nothing fails any more.
        self.healed = False
        #: How much longer than asked for every sleep takes: a machine that dozes lets a month pass in a blink.
        self.doze = 1.0
        self.dozing: dict[asyncio.Future[None], None] = {}
        self.jumped_us = 0
        self.counts: Counter[str] = Counter()
        self.tail: deque[tuple[Any, ...]] = deque(maxlen=TRACE_SHOWN)
        self._hash = hashlib.blake2b(digest_size=8)
        self.violation: Violation | None = None
        self.over: asyncio.Future[None] = self.loop.create_future()

    async def pause(self, seconds: float) -> None:
        """Let virtual time pass."""
        done = self.loop.create_future()
        timer = self.loop.call_later(seconds, _wake, done)
        try:
            await done
        finally:
            timer.cancel()

    def happens(self, rate: float) -> bool:
        """Draw: does what happens at this rate happen now? Nothing bad does once all is healed."""
        return rate > 0.0 and not self.healed and self.chance.random() < rate

    def wake_up(self) -> None:
        """The machine is awake again: who sleeps too long is woken within its own time."""
        self.doze = 1.0
        for sleeper in self.dozing:
            self.loop.outside_later(self.chance.random(), _wake, sleeper)
        self.dozing.clear()

    def fault(self, kind: str) -> None:
        """Count a fault."""
        self.counts[f"fault {kind}"] += 1

    def note(self, *event: Any) -> None:
        """Put an event on record."""
        line = (round(self.loop.time(), 6), *event)
        self.tail.append(line)
        self._hash.update(repr(line).encode())

    def broken(self, promise: str, found: str) -> None:
        """A promise was broken: the run is over. Only the first is kept; what follows may follow from it."""
        if self.violation is None:
            self.violation = Violation(promise, found)
            self.note("VIOLATION", promise, found)
            if not self.over.done():
                self.over.set_result(None)

    @property
    def digest(self) -> str:
        """A hash over everything that happened."""
        return self._hash.hexdigest()


class SeededClock:
    """The gateway's clock: virtual time, and a wall clock that may jump."""

    def __init__(self, nature: Nature) -> None:
        """As nature has it."""
        self._nature = nature
        self._loop = nature.loop

    def now_us(self) -> int:
        """Wall clock: microseconds since 1970 in UTC."""
        return START_US + round(self._loop.time() * 1_000_000) + self._nature.jumped_us

    def follow(self, now_us: int) -> None:
        """There is one time for all."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Wait, and longer while the machine dozes."""
        done = self._loop.create_future()
        if self._nature.doze > 1.0:
            self._nature.dozing[done] = None
        timer = self._loop.call_later(seconds * self._nature.doze, _wake, done)
        try:
            await done
        finally:
            timer.cancel()

    def chance(self, bits: int) -> int:
        """So many bits of the seed."""
        return self._nature.chance.getrandbits(bits)

    def fraction(self) -> float:
        """A number in [0, 1) of the seed."""
        return self._nature.chance.random()


def _wake(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)
