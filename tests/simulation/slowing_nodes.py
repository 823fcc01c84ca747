"""A person has a route go slower at one of two gateways, and the other hears of it: in a calm seed both go by his last word soon."""

from typing import TYPE_CHECKING, Final

from gateway.route.record import Slowed
from tests.simulation.nature import START_US, Nature
from tests.simulation.slowing import Slowing

if TYPE_CHECKING:
    from tests.simulation.nodes import NodesCounter
    from tests.simulation.sharing import Sharing

CLOCKS_APART_S: Final = 0.25
"""Of two words within so little either may be taken for the later one: machines' clocks differ by a way to the server and back."""

HEARD_S: Final = 2.0
"""Within so long a node that is well has heard of what was said at another."""


class SlowingTogether(Slowing):
    """See above."""

    def __init__(self, counter: "NodesCounter", nature: Nature, sharing: "Sharing", *, is_calm: bool) -> None:
        """He doesn't know to which of the nodes he talks."""
        super().__init__(counter, nature)
        self._nodes = counter
        self._sharing = sharing
        self._is_calm = is_calm

    def is_kept(self, stands: Slowed | None, now_us: int) -> bool:  # noqa: ARG002 - as for one gateway
        """A node may not have heard yet, or be cut off: `_look_round` sees to it."""
        return True

    def heard(self) -> None:
        """And both go by it soon."""
        self._sharing.slowed(self.word)
        there = tuple(node for node in self._nodes.nodes.values() if node.ready)
        if self._is_calm and len(there) > 1 and self.silent_s > CLOCKS_APART_S:
            self._nature.loop.outside_later(HEARD_S, self._look_round, self.said_at)

    def _look_round(self, said_at: float) -> None:
        """Unless he has said something else since, or it is over."""
        now_us = START_US + round(self._nature.loop.time() * 1_000_000)
        is_over = self.word is not None and self.word.until_us <= now_us + HEARD_S * 1_000_000
        if self.said_at != said_at or self.is_unsure or is_over:
            return
        self._nature.counts["pace heard by all"] += 1
        stand = {node.name: node.routes[0].health.pace.slowed for node in self._nodes.nodes.values()}
        if set(stand.values()) != {self.word}:
            self._nature.broken("the last word holds at every node", f"{self.word} was said, and there stand {stand}")
