"""A billing core with a capacity cliff, on simulated time: it falls over above so many orders in hand, and counts it.

The cliff itself is the scripted core's (`adapters.cores.scripted.faults.Cliff`): over it, each order waits long and a
share of them fails, until for a while there was at most half of the limit in hand.
"""

from typing import Final

from adapters.core import Capabilities, Delivery
from adapters.cores.scripted.faults import Cliff, Dice
from adapters.outcome import Cause, Outcome, Posted, Unknown
from gateway.clock import Clock
from tests.unit.fake_core import NOT_SENT, FakeCore

CALM_S: Final = 2.0
SLOW_S: Final = 1.0
FAILS: Final = 0.5
OVERLOADED: Final = Unknown(cause=Cause.SERVER_ERROR, detail="500")


class CliffCore(FakeCore):
    """Books each order after `service_s`, as long as not more than `limit` are in hand."""

    def __init__(
        self,
        capabilities: Capabilities,
        clock: Clock,
        *,
        limit: int,
        service_s: float,
        seed: int = 1,
        calm_s: float = CALM_S,
    ) -> None:
        """Begin with nothing in hand, and down if told so by `down`."""
        super().__init__(capabilities)
        self._clock = clock
        self._cliff = Cliff(limit, calm_s)
        self._chance = Dice(seed)
        self._service_s = service_s
        self.load = 0
        self.most = 0
        #: How often it was pushed over.
        self.falls = 0
        #: When each booking was made.
        self.booked_at: list[float] = []
        #: Not there at all.
        self.down = False

    async def probe(self, timeout_s: float) -> Outcome:
        """Whether anybody is there; no load."""
        assert timeout_s > 0, "a probe has time"
        return NOT_SENT if self.down else Posted()

    async def _order(self, operation: str, delivery: Delivery) -> Outcome:
        if self.down:
            return NOT_SENT
        self._weigh(1)
        try:
            return await self._serve(operation, delivery)
        finally:
            self._cliff.note(self._clock.monotonic(), self.load)
            self.load -= 1

    def _weigh(self, more: int) -> None:
        was = self._cliff.fallen
        self.load += more
        self.most = max(self.most, self.load)
        self._cliff.weigh(self._clock.monotonic(), self.load)
        self.falls += self._cliff.fallen and not was

    async def _serve(self, operation: str, delivery: Delivery) -> Outcome:
        fallen = self._cliff.fallen
        await self._clock.sleep(SLOW_S if fallen else self._service_s)
        if fallen and self._chance() < FAILS:
            return OVERLOADED
        self._book(operation, delivery)
        self.booked_at.append(self._clock.monotonic())
        return self._honest(operation, delivery)
