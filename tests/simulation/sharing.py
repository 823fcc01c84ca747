"""Whether nodes keep to what a core bears for all of them together: judged by when calls begin and end, while nobody comes or goes.

When nodes come or go, what is under way then is at the core beside what begins by the new shares, for as long as an attempt
takes ([0057](../../docs/decisions/0057-nodes-share-a-cores-limits-by-dividing-them.md)). So only calls are counted that began
since everybody surely knew of everybody. A call on trial asks for no leave, and isn't counted either.
"""

import math

import msgspec

from gateway.route.record import Slowed
from tests.simulation.database import LEASE_S, POLL_S
from tests.simulation.nature import START_US, Nature

KNOWN_AFTER_S = 2 * (LEASE_S + POLL_S)
"""Seconds after the last node came, went or was cut off by which all of them have their shares."""

RATE_WINDOW_S = 3.0
"""Over so long calls a second are counted."""

BURST_S = 0.1
"""So far ahead of its rate a node may be."""


class Began(msgspec.Struct, eq=False):
    """A call of the backlog."""

    node: str
    at: float


class Sharing:
    """What all nodes together have at the core."""

    def __init__(self, nature: Nature) -> None:
        """Nobody is there yet."""
        self._nature = nature
        self._unsettled_at = 0.0
        #: A person's word on the pace, and when it was said.
        self._word: Slowed | None = None
        self._said_at = -math.inf
        self._began: list[Began] = []
        self._under_way: dict[int, Began] = {}
        #: The most there were at once, and how often it was looked at: a judge who sees nothing proves nothing.
        self.most = 0

    def unsettled(self) -> None:
        """A node came, went, or was cut off from the others."""
        self._unsettled_at = self._nature.loop.time()

    def slowed(self, word: Slowed | None) -> None:
        """A person said how fast they may go, or that this is over."""
        self._word, self._said_at = word, self._nature.loop.time()

    def _bounds(self, now: float) -> tuple[int, float, float]:
        """Calls at once and a second, and since when all go by that."""
        mix, word = self._nature.mix, self._word
        since, until_us = self._unsettled_at + KNOWN_AFTER_S, START_US + round((now + 1.0) * 1_000_000)
        if word is None or word.until_us <= until_us or self._said_at + KNOWN_AFTER_S > now:
            return mix.in_flight_max, mix.rate_max, since
        at_once, rate = word.in_flight_max or mix.in_flight_max, word.rate_max_per_s or mix.rate_max
        return at_once, rate, max(since, self._said_at + KNOWN_AFTER_S)

    def begins(self, number: int, node: str) -> str:
        """A call of the backlog goes to the core; what is wrong with that, if anything."""
        now = self._nature.loop.time()
        at_once, rate, settled_at = self._bounds(now)
        began = self._under_way[number] = Began(node, now)
        self._began = [each for each in (*self._began, began) if each.at > now - RATE_WINDOW_S]
        under_way = [each for each in self._under_way.values() if each.at >= settled_at]
        nodes = len({each.node for each in under_way})
        self.most = max(self.most, len(under_way))
        if len(under_way) > max(at_once, nodes):
            return f"{len(under_way)} calls of {nodes} nodes at once, and there may be {at_once}"
        lately = [each for each in self._began if each.at >= settled_at]
        senders = len({each.node for each in lately})
        if rate and len(lately) > rate * (RATE_WINDOW_S + BURST_S) + senders:
            return f"{len(lately)} calls in {RATE_WINDOW_S} s, and there may be {rate} a second"
        return ""

    def ends(self, number: int) -> None:
        """A call is over."""
        self._under_way.pop(number, None)
