"""The stage: payers who come at random, a core that breaks by a script and has a cliff, and what is counted of both."""

import math
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from adapters.cores.scripted.faults import Cliff
from adapters.outcome import Cause, NotSent, Posted, Unknown
from bench.outages.events import Events

RATE: Final = 20.0
"""Payments a second."""

SERVICE_S: Final = 0.05
SAFE: Final = 16
"""The core falls over above so many at once, until for a while there was at most half of it."""

CALM_S: Final = 2.0
FALLEN_S: Final = 1.0
SLOW_S: Final = 8.0
DEADLINE_S: Final = 10.0
"""A payer waits for so long, and is answered no then."""

WARM_S: Final = 120.0
OUTAGE_S: Final = 600.0
AFTER_S: Final = 3_600.0
"""So long after it nobody looks any more."""

REFUSED: Final = NotSent(cause=Cause.REFUSED_CONNECTION)
FAULT: Final = Unknown(cause=Cause.SERVER_ERROR, detail="500")
SILENCE: Final = Unknown(cause=Cause.ANSWER_TIMEOUT)

Said = Posted | NotSent | Unknown
Done = Callable[[Said, float], None]


class Core:
    """A core that works, until `fault` says how it doesn't: refused, hangs, errors or slow."""

    def __init__(self, events: Events) -> None:
        """Begin in health, with nothing in hand."""
        self._events = events
        self._cliff = Cliff(SAFE, CALM_S)
        self.fault = ""
        self.load = 0
        #: How often it was pushed over.
        self.falls = 0
        self.booked = 0

    def call(self, timeout_s: float, done: Done) -> None:
        """Book one; `done` hears what came of it, after so many seconds."""
        match self.fault:
            case "refused":
                self._later(0.001, REFUSED, done)
            case "hangs":
                self._later(timeout_s, SILENCE, done)
            case "errors":
                self._later(0.02, FAULT, done)
            case "slow":
                self.booked += timeout_s > SLOW_S
                self._later(min(SLOW_S, timeout_s), Posted() if timeout_s > SLOW_S else SILENCE, done)
            case _:
                self._serve(done)

    def _later(self, seconds: float, said: Said, done: Done) -> None:
        self._events.after(seconds, lambda: done(said, seconds))

    def _serve(self, done: Done) -> None:
        was = self._cliff.fallen
        self.load += 1
        self._cliff.weigh(self._events.monotonic(), self.load)
        fallen = self._cliff.fallen
        self.falls += fallen and not was
        fails = fallen and self._events.fraction() < 0.5
        seconds = FALLEN_S if fallen else SERVICE_S

        def served() -> None:
            self._cliff.note(self._events.monotonic(), self.load)
            self.load -= 1
            self.booked += not fails
            done(FAULT if fails else Posted(), seconds)

        self._events.after(seconds, served)


class Rule(Protocol):
    """How somebody gets through an outage."""

    @property
    def waiting(self) -> int:
        """Payments that wait to be posted."""
        ...

    @property
    def estimate_s(self) -> float:
        """Seconds until nothing waits, as the rule says; infinite where it says nothing."""
        ...

    def pay(self, told: "Told") -> None:
        """A payer came; tell him."""
        ...

    @property
    def knows(self) -> bool:
        """It is known that the core is down."""
        ...


Told = Callable[[bool, bool], None]
"""How a payer was answered: whether positively, and whether he met the core's failure on the way."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one rule in one outage."""

    rule: str
    fault: str
    #: Of the payers in the outage, the share answered positively within their deadline.
    positive: float
    #: Of those in its first second, the share that met the core's failure.
    first_second: float
    #: Seconds until it was known; infinite when it never was.
    detected_s: float
    #: Seconds from the core's return until nothing waited; infinite when that took longer than anybody looked, not
    #: a number where nothing was kept.
    drained_s: float
    #: How often the core was pushed over after it had come back.
    falls: int
    #: By how much of the time that was left the estimate was wrong when half was drained; not a number where there was none.
    estimate_error: float
    #: What waited, once a minute from the outage's beginning.
    waited: tuple[int, ...]


class Play:
    """One outage under one rule."""

    def __init__(
        self,
        name: str,
        make: Callable[[Events, Core], Rule],
        fault: str,
        seed: int = 1,
        core: Callable[[Events], Core] = Core,
        *,
        rate: float = RATE,
    ) -> None:
        """Of one `fault`, of this core, under so many payments a second."""
        self._name, self._fault, self._rate = name, fault, rate
        self.events = Events(seed)
        self.core = core(self.events)
        self.rule = make(self.events, self.core)
        self._paid = self._positive = self._early = self._met = 0
        self._detected_s = math.inf
        self._waited = list[int]()
        #: Half of what waited at the core's return; and when that was reached, with the estimate then.
        self._half: float = -1
        self._at_half = (math.nan, math.nan)

    def known_s(self) -> float:
        """From health into the outage: seconds until it is known, infinite when that takes longer than a payer waits."""
        self._break()
        self.events.run(WARM_S + DEADLINE_S)
        return self._detected_s

    def _break(self) -> None:
        self._next()
        self.events.run(WARM_S)
        self.core.fault = self._fault
        self.events.every(0.01, self._look)

    def run(self) -> Outcome:
        """From health over the outage until nothing waits."""
        self._break()
        self.events.every(60.0, lambda: self._waited.append(self.rule.waiting))
        self.events.run(WARM_S + OUTAGE_S)
        self.core.fault = ""
        back, self._half = self.core.falls, self.rule.waiting / 2
        # A moment for what came in the outage's last second.
        self.events.run(WARM_S + OUTAGE_S + 1.0)
        end = WARM_S + OUTAGE_S + AFTER_S
        self.events.run(end, unless=lambda: self.rule.waiting == 0)
        ended = self.events.monotonic()
        drained_s = ended - WARM_S - OUTAGE_S
        left_s, told_s = ended - self._at_half[0], self._at_half[1]
        # What the rule does afterwards may still push it over.
        self.events.run(self.events.monotonic() + 60.0)
        return Outcome(
            rule=self._name,
            fault=self._fault,
            positive=self._positive / self._paid,
            first_second=self._met / max(1, self._early),
            detected_s=self._detected_s,
            drained_s=math.nan if self._half == 0 else drained_s if drained_s < AFTER_S else math.inf,
            falls=self.core.falls - back,
            estimate_error=math.nan if math.isinf(told_s) else abs(told_s - left_s) / left_s,
            waited=tuple(self._waited),
        )

    def _look(self) -> None:
        if self.rule.knows and self._detected_s == math.inf:
            self._detected_s = self.events.monotonic() - WARM_S
        if 0 < self.rule.waiting <= self._half:
            self._half, self._at_half = -1.0, (self.events.monotonic(), self.rule.estimate_s)

    def _next(self) -> None:
        self.events.after(-math.log(1.0 - self.events.fraction()) / self._rate, self._pay)

    def _pay(self) -> None:
        self._next()
        came = self.events.monotonic()
        counts = WARM_S <= came < WARM_S + OUTAGE_S
        early = counts and came < WARM_S + 1.0
        self._paid += counts
        self._early += early

        def told(positively: bool, met: bool) -> None:  # noqa: FBT001 - a small stage's own words
            in_time = self.events.monotonic() - came <= DEADLINE_S
            self._positive += counts and positively and in_time
            self._met += early and met

        self.rule.pay(told)
