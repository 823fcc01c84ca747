"""The rules on the stage: ours, from the product's own parts, and what people use in its place, by their documented figures.

- *Nightsafe*: `RouteHealth` and its pace as they run in the service, over a queue in memory; probes every half second.
- *A breaker and retries*: pybreaker's defaults as everybody copies them (`fail_max=5`, `reset_timeout=30`): half open, one
  call tries. A payer's call is tried three times, a second apart; who gets no answer is told no. Nothing is stored.
- *Convoy* (frain-dev/convoy, pkg/circuit_breaker): everything is accepted and queued. Sampled every 30 s over 5 minutes,
  from 10 requests on it opens at 70 % failures, is half open after 30 s, and closes at 5 % successes. 64 workers; what
  failed is tried again after 30 s.
- *jPOS-EE SAF* (modules/saf): live while connected; what failed goes to a queue whose head is sent one at a time, a second
  apart, with 60 s to answer. Connected means that a connection could be made; looked at again every 10 s.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from adapters.outcome import Cause, NotSent, Posted, Unknown
from bench.outages.events import Events
from bench.outages.stage import DEADLINE_S, Core, Rule, Said, Told
from gateway.forward.estimate import Flow
from gateway.forward.settings import ForwardSettings
from gateway.route.breaker import Permit
from gateway.route.health import RouteHealth
from gateway.route.settings import BreakerSettings
from gateway.route.zone import PASSING, Zone

ATTEMPT_S: Final = 30.0
PATIENCE_S: Final = 1.0
MARGIN_S: Final = 1.0
PROBE_S: Final = 0.5

WORKERS: Final = 64
CONVOY_SAMPLE_S: Final = 30.0
CONVOY_WINDOW_S: Final = 300.0
CONVOY_LEAST: Final = 10
CONVOY_OPENS: Final = 0.7
CONVOY_CLOSES: Final = 0.05


class Nightsafe:
    """The product's health and pace over a queue in memory."""

    def __init__(self, events: Events, core: Core) -> None:
        """Begin in health."""
        self._events, self._core = events, core
        self.health = RouteHealth("stage", BreakerSettings(), events, _no_probe, sending=ForwardSettings())
        self._queue = 0
        self._under_way = 0
        self._finished = 0
        self._flow = Flow()
        #: Ends the wait of each payer under way when the route opens.
        self._payers: dict[int, Callable[[], None]] = {}
        self._number = 0
        self.health.backlog_waits = self.health.pace.backlog_waits = lambda: self._queue > 0
        self.health.pace.drained_in_s = lambda: self.estimate_s
        self.health.room_freed = self._drain
        self.health.on_change(lambda _old, new, _diagnosis: self._changed(new))
        events.every(0.1, self._tick)
        events.every(PROBE_S, self._probe)

    @property
    def waiting(self) -> int:
        """What waits."""
        return self._queue + self._under_way

    @property
    def knows(self) -> bool:
        """The route is open, or whatever it is called here."""
        return self.health.zone not in PASSING

    @property
    def estimate_s(self) -> float:
        """As status says it."""
        return self._flow.estimate(self.waiting).empty_s

    def pay(self, told: Told) -> None:
        """A payer came."""
        permit = self.health.admit()
        if permit is None:
            self._stand_in()
            told(True, False)
            return
        self._number += 1
        number, begun = self._number, self._events.monotonic()

        def hurried() -> None:
            # The route opened: the payer is answered in the core's place, the attempt is in doubt and is sent again.
            if self._payers.pop(number, None) is not None:
                self.health.report(permit, Unknown(cause=Cause.ANSWER_TIMEOUT), self._events.monotonic() - begun)
                self._stand_in()
                told(True, True)

        def done(said: Said, seconds: float) -> None:
            if self._payers.pop(number, None) is None:
                return
            self.health.report(permit, said, seconds)
            if not isinstance(said, Posted):
                self._stand_in()
            told(True, not isinstance(said, Posted))

        self._payers[number] = hurried
        self._core.call(DEADLINE_S - MARGIN_S, done)

    def _stand_in(self) -> None:
        self._queue += 1
        self._drain()

    def _changed(self, new: Zone) -> None:
        self._flow.begin_anew()
        if new is Zone.OPEN:
            for hurried in list(self._payers.values()):
                self._events.after(PATIENCE_S, hurried)
        self._events.after(0.0, self._drain)

    def _tick(self) -> None:
        self.health.watch_once()
        self._drain()
        if self._flow.is_due(self._events.monotonic()):
            self._flow.look(self._events.monotonic(), self.waiting, self._finished)

    def _probe(self) -> None:
        if self.health.zone is not Zone.OPEN:
            return
        epoch = self.health.counts.epoch
        alive = self._core.fault not in {"refused", "hangs"}
        # The service asks by `probe_once`; what it would hear is known here.
        self.health._heed(Posted() if alive else NotSent(cause=Cause.REFUSED_CONNECTION), epoch)  # noqa: SLF001 - `probe_once` awaits

    def _drain(self) -> None:
        while self._queue and self.health.zone is not Zone.OPEN:
            trial = self.health.zone is Zone.TRIAL
            if not trial and not self.health.pace.lets_backlog():
                return
            permit = self.health.trial()
            if permit is None:
                return
            self._send(permit)

    def _send(self, permit: Permit) -> None:
        self._queue -= 1
        self._under_way += 1

        def done(said: Said, seconds: float) -> None:
            self._under_way -= 1
            self._queue += not isinstance(said, Posted)
            self._finished += isinstance(said, Posted)
            self.health.report(permit, said, seconds)
            self._drain()

        self._core.call(ATTEMPT_S, done)


class BreakerAndRetries:
    """Five failures in a row open it for thirty seconds; three tries for each payer, and nothing is kept."""

    FAIL_MAX: Final = 5
    RESET_S: Final = 30.0
    TRIES: Final = 3
    PAUSE_S: Final = 1.0

    def __init__(self, events: Events, core: Core) -> None:
        """Begin in health."""
        self._events, self._core = events, core
        self.waiting = 0
        self._failed = 0
        self._opened_at: float | None = None
        self._trying = False

    @property
    def estimate_s(self) -> float:
        """It says nothing."""
        return math.inf

    @property
    def knows(self) -> bool:
        """The route is open, or whatever it is called here."""
        return self._opened_at is not None

    def pay(self, told: Told) -> None:
        """A payer came."""
        self._try(told, self._events.monotonic(), 1, met=False)

    def _try(self, told: Told, came: float, number: int, *, met: bool) -> None:
        if not self._passes():
            told(False, met)
            return
        left_s = DEADLINE_S - (self._events.monotonic() - came)

        def done(said: Said, _seconds: float) -> None:
            good = isinstance(said, Posted)
            self._heard(good=good)
            if good:
                told(True, met)
            elif number == self.TRIES or self._events.monotonic() - came + self.PAUSE_S >= DEADLINE_S:
                told(False, True)
            else:
                self._events.after(self.PAUSE_S, lambda: self._try(told, came, number + 1, met=True))

        self._core.call(left_s, done)

    def _passes(self) -> bool:
        if self._opened_at is None:
            return True
        if self._trying or self._events.monotonic() - self._opened_at < self.RESET_S:
            return False
        self._trying = True
        return True

    def _heard(self, *, good: bool) -> None:
        self._trying = False
        self._failed = 0 if good else self._failed + 1
        if good:
            self._opened_at = None
        elif self._failed >= self.FAIL_MAX:
            self._opened_at = self._events.monotonic()


class Convoy:
    """Everything is queued; a breaker that looks every half minute."""

    def __init__(self, events: Events, core: Core) -> None:
        """Begin in health."""
        self._events, self._core = events, core
        self._ready = 0
        self._later = 0
        self._busy = 0
        self._heard = deque[tuple[float, bool]]()
        self._state = "closed"
        self._opened_at = 0.0
        events.every(CONVOY_SAMPLE_S, self._sample)

    @property
    def estimate_s(self) -> float:
        """It says nothing."""
        return math.inf

    @property
    def waiting(self) -> int:
        """What waits."""
        return self._ready + self._later + self._busy

    @property
    def knows(self) -> bool:
        """The route is open, or whatever it is called here."""
        return self._state == "open"

    def pay(self, told: Told) -> None:
        """A payer came."""
        self._ready += 1
        told(True, False)
        self._work()

    def _work(self) -> None:
        while self._ready and self._busy < WORKERS and self._state != "open":
            self._ready -= 1
            self._busy += 1
            self._core.call(ATTEMPT_S, self._done)

    def _done(self, said: Said, _seconds: float) -> None:
        self._busy -= 1
        good = isinstance(said, Posted)
        self._heard.append((self._events.monotonic(), good))
        if not good:
            self._later += 1
            self._events.after(CONVOY_SAMPLE_S, self._again)
        self._work()

    def _again(self) -> None:
        self._later -= 1
        self._ready += 1
        self._work()

    def _sample(self) -> None:
        now = self._events.monotonic()
        while self._heard and self._heard[0][0] < now - CONVOY_WINDOW_S:
            self._heard.popleft()
        seen, good = len(self._heard), sum(good for _, good in self._heard)
        if self._state == "open" and now - self._opened_at >= CONVOY_SAMPLE_S:
            self._state = "half open"
            self._heard.clear()
        elif self._state == "half open" and seen and good / seen >= CONVOY_CLOSES:
            self._state = "closed"
        elif self._state != "open" and seen >= CONVOY_LEAST and 1 - good / seen >= CONVOY_OPENS:
            self._state, self._opened_at = "open", now
        self._work()


class Saf:
    """Live while connected; else a queue whose head goes one at a time, a second apart."""

    GAP_S: Final = 1.0
    WAIT_S: Final = 60.0
    CONNECT_S: Final = 10.0

    def __init__(self, events: Events, core: Core) -> None:
        """Begin in health."""
        self._events, self._core = events, core
        self.waiting = 0
        self._connected = True
        events.every(self.CONNECT_S, self._connect)
        events.after(self.GAP_S, self._head)

    @property
    def estimate_s(self) -> float:
        """It says nothing."""
        return math.inf

    @property
    def knows(self) -> bool:
        """The route is open, or whatever it is called here."""
        return not self._connected

    def pay(self, told: Told) -> None:
        """A payer came."""
        if not self._connected:
            self.waiting += 1
            told(True, False)
            return

        def done(said: Said, _seconds: float) -> None:
            good = isinstance(said, Posted)
            self._connected = self._connected and not isinstance(said, NotSent)
            self.waiting += not good
            told(True, not good)

        self._core.call(DEADLINE_S - MARGIN_S, done)

    def _connect(self) -> None:
        self._connected = self._core.fault != "refused"

    def _head(self) -> None:
        if not self.waiting or not self._connected:
            self._events.after(self.GAP_S, self._head)
            return

        def done(said: Said, _seconds: float) -> None:
            self.waiting -= isinstance(said, Posted)
            self._events.after(self.GAP_S, self._head)

        self._core.call(self.WAIT_S, done)


async def _no_probe() -> Posted:
    raise NotImplementedError("the stage asks for us")


RULES: Final[dict[str, Callable[[Events, Core], Rule]]] = {
    "Nightsafe": Nightsafe,
    "breaker 5/30 s, 3 tries": BreakerAndRetries,
    "Convoy's thresholds": Convoy,
    "jPOS-EE SAF": Saf,
}
FAULTS: Final = ("refused", "hangs", "errors", "slow")
