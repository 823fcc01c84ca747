"""What passes between the decision to send an order and its first byte, and who is stopped or killed meanwhile.

On a quiet machine nothing to speak of, on a starved one seconds: a turn of the loop, waiting for a free connection, opening one.
All of it has a chance of its own, so that the seeds without it are as they were.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from adapters.outcome import Cause, NotSent
from tests.simulation.nature import Nature
from tests.simulation.seeded_loop import OWNER

if TYPE_CHECKING:
    from tests.simulation.node import Node

CONNECT_SHARE: Final = 0.9
"""Part of an attempt's time within which there has to be a connection, as the real client has it."""

CONNECT_S: Final = (3.0, 10.0)
TURN_S: Final = (0.0, 0.0, 0.001, 0.02)
WAIT_S: Final = (0.0, 0.0, 0.02, 1.0)
OPEN_S: Final = (0.002, 0.02, 0.2, 1.5)
KEPT: Final = 0.3
"""How often there is a connection already."""

STRUCK: Final = 0.35
STRIKES_MAX: Final = 10
"""In how many of these moments a node is struck, and how often in a seed."""

AT_LEAST_S: Final = 0.001
"""How long such a moment is."""

KILLED: Final = 0.1
"""How many of them are killed, and don't just stand still."""


class Way:
    """Nothing passes on it."""

    async def begin(self) -> None:
        """What passes before the attempt's time is counted."""

    async def connect(self, timeout_s: float) -> NotSent | None:  # noqa: ARG002 - see below
        """What passes until there is a connection; the outcome, where there is none in time."""
        return None


class StarvedWay(Way):
    """See above."""

    def __init__(self, nature: Nature, strike: "Callable[[Node, bool, random.Random], None]") -> None:
        """By `strike` a node is killed, or stopped for as long as it draws."""
        self._nature = nature
        self._strike = strike
        self._chance = random.Random(f"way {nature.seed}")  # noqa: S311 - repeatable on purpose
        self._connect_s = self._chance.choice(CONNECT_S)
        self._strikes_left = STRIKES_MAX

    async def begin(self) -> None:
        """A turn of the loop."""
        await self._pass(self._chance.choice(TURN_S))

    async def connect(self, timeout_s: float) -> NotSent | None:
        """Waiting for a connection, and opening it."""
        if self._chance.random() < KEPT:
            return None
        wait_s, open_s = self._chance.choice(WAIT_S), self._chance.choice(OPEN_S)
        try:
            async with asyncio.timeout(min(self._connect_s, CONNECT_SHARE * timeout_s)):
                await self._pass(wait_s)
                await self._pass(open_s)
        except TimeoutError:
            return NotSent(cause=Cause.CONNECT_TIMEOUT)
        return None

    async def _pass(self, seconds: float) -> None:
        nature, chance = self._nature, self._chance
        if self._strikes_left and not nature.healed and chance.random() < STRUCK:
            self._strikes_left -= 1
            seconds = max(seconds, AT_LEAST_S)
            nature.loop.outside_later(seconds * chance.random(), self._befall, OWNER.get())
        if seconds:
            await nature.pause(seconds)

    def _befall(self, node: "Node") -> None:
        if not (self._nature.healed or node.dead or node.stopped):
            self._nature.fault("struck before the bytes")
            self._strike(node, self._chance.random() < KILLED, self._chance)
