"""Guards that only several nodes need, taken out: what the judge has to find."""

from collections.abc import Callable
from functools import partial
from typing import Final

from spool.entry import Entry
from spool.nodes import ALL, Share
from tests.simulation.database import NodeStore
from tests.simulation.node import NodeClock
from tests.simulation.nodes import simulate_nodes
from tests.simulation.process import Parts
from tests.simulation.slowing_bugs import KeepsWordsToItself, TellsThatWordsEnded
from tests.simulation.way_bugs import AsksForLeaveTooSoon
from tests.simulation.world import Report


class TakesTheWhole(NodeStore):
    """A node that puts on the core what all of them together may."""

    @property
    def share(self) -> Share:
        """As if nobody else were there."""
        return ALL


class HoldsByAnyLease(NodeStore):
    """A node to which a lease that was lost and had again is the same."""

    @property
    def sitting(self) -> bytes:
        """As if nobody could have taken anything meanwhile."""
        return b"" if self._writer is None else b"any"


class LooksOnly(NodeStore):
    """A node that says a key is nobody's as soon as it doesn't see it in the tables."""

    async def bar(self, channel: str, key: str, at_us: int) -> Entry | None:  # noqa: ARG002 - as `Nodes.bar`
        """Whatever others have under way."""
        return None


class GoesByItsMachine(NodeClock):
    """A node that has its own time, whatever the database says."""

    def follow(self, now_us: int) -> None:
        """It does not."""


_YOUNG_TOO: Final = {
    "place = 0 AND changed_at_us < $4": "place = 0",
    "number > $1 AND number < $2 ORDER BY": "number > $1 AND $2::bigint > 0 ORDER BY",
}
_NO_LANES: Final = {"n.state = 2 AND (\n            SELECT": "false AND (\n            SELECT"}

NODES_BUGS: Final[dict[str, Callable[[int], Report]]] = {
    "SeesNoLanesOfOthers": partial(simulate_nodes, changed_sql=_NO_LANES),
    TakesTheWhole.__name__: partial(simulate_nodes, kind=TakesTheWhole),
    LooksOnly.__name__: partial(simulate_nodes, kind=LooksOnly),
    HoldsByAnyLease.__name__: partial(simulate_nodes, kind=HoldsByAnyLease),
    AsksForLeaveTooSoon.__name__: partial(simulate_nodes, parts=Parts(billing=AsksForLeaveTooSoon)),
    GoesByItsMachine.__name__: partial(simulate_nodes, clock=GoesByItsMachine),
    **{
        bug.__name__: partial(simulate_nodes, parts=Parts(health=bug))
        for bug in (TellsThatWordsEnded, KeepsWordsToItself)
    },
    "ForgetsTheYoung": partial(simulate_nodes, changed_sql=_YOUNG_TOO),
}
"""Guards that only several nodes need, each taken out: by name, what a seed comes to without it."""
