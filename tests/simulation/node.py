"""One of the gateways on one database, and the machine it is on."""

import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from gateway.clock import SystemClock
from gateway.route.gossip import Gossip
from spool.errors import SpoolError
from spool.forgetting import Past
from spool.number import number_at
from tests.simulation.nature import START_US, Nature, SeededClock
from tests.simulation.process import Process

FORGETS_EVERY_S: Final = 3.0
FORGETS_AT_ONCE: Final = 100


class NodeClock(SeededClock):
    """The service's own, on a machine whose clock is off by so many seconds, and by such a share of what passes."""

    def __init__(self, nature: Nature, off_s: float, drift: float) -> None:
        """As it is told when a process starts."""
        super().__init__(nature)
        loop = nature.loop
        self._own = SystemClock(
            lambda: 1000 * (START_US + round(((1 + drift) * loop.time() + off_s) * 1_000_000)),
            lambda: round((1 + drift) * loop.time() * 1_000_000_000),
        )

    def now_us(self) -> int:
        """By the service's own rule."""
        return self._own.now_us()

    def follow(self, now_us: int) -> None:
        """The database's, by the same."""
        self._own.follow(now_us)


class Node(Process):
    """One of the gateways."""

    #: When it last went on, having stood still.
    went_on_at = -1.0

    def __init__(self, name: str, clock: NodeClock, **more: Any) -> None:
        """Of this name, on a machine with this clock."""
        self.name = name
        self._machine = clock
        super().__init__(**more)
        self.store.on_time = clock.follow

    def a_clock(self) -> SeededClock:
        """Its machine's."""
        return self._machine

    async def time_us(self) -> int:
        """The database's, as at a start of the service."""
        self.clock.follow(await self.store.time_us())
        return self.clock.now_us()

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """Nodes hear of each other, and share the core."""
        healths = [route.health for route in self.routes]
        also = [self._forget()] if self.nature.mix.retention_s else []
        return [*super().works(), Gossip(self.store, healths, self.clock, own=frozenset()).run(), *also]

    async def _forget(self) -> None:
        """What is over for long enough leaves; both see to it, as nodes do that don't know who has the office."""
        retention_us = round(self.nature.mix.retention_s * 1_000_000)
        while True:
            await self.clock.sleep(FORGETS_EVERY_S)
            now_us = self.clock.now_us()
            past = Past(number_at(now_us - retention_us), now_us - retention_us)
            with contextlib.suppress(SpoolError):
                await self.store.forget(past, 0, FORGETS_AT_ONCE, now_us)
