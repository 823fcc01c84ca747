"""Two gateways on one PostgreSQL, from one seed: killed, stopped and gone on, cut off from it; judged as one gateway is."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from adapters.core import Delivery
from adapters.payment import Answer, Payment, Reversal
from gateway.route.record import KeptInMemory
from spool.entry import Entry
from spool.errors import SpoolError
from spool.lifecycle import FINAL
from tests.simulation.clients import Counter
from tests.simulation.database import LEASE_S, Database, Image, NodeStore
from tests.simulation.judge import Judge
from tests.simulation.nature import Mix, Nature
from tests.simulation.process import ROUTE, Parts, Process, Site
from tests.simulation.seeded_loop import OWNER
from tests.simulation.world import Report, World, play

if TYPE_CHECKING:
    import asyncio

NAMES: Final = ("one", "two")

STOPS: Final = 0.4
"""Of what befalls a node, how much is only that it stands still for a while."""


class NodesJudge(Judge):
    """As the one of a single gateway, but for what several don't promise."""

    def __init__(self, nature: Nature, tables: Image) -> None:
        """Over these tables."""
        super().__init__(nature)
        self.tables = tables

    def _look_ahead(self, entry: Entry) -> None:
        """Nothing unfinished of its lane was there, with a lower number, when its attempt began.

        Of payments that were under way at two nodes at once either may go first: one that was recorded after the other's
        attempt had begun stood in nobody's way.
        """
        tables = self.tables
        begun = max(tables.begun.get(entry.number, 0), tables.recorded[entry.number])
        for other in tables._entries.values():
            earlier = other.number < entry.number and tables.recorded[other.number] < begun
            if other.lane == entry.lane and earlier and other.state not in FINAL:
                self.broken("no lane is overtaken", f"{entry} was sent before {other}")
                return

    def calls(self, operation: str, delivery: Delivery) -> bool:
        """What a node has under way that stands still is nobody's any more once the tables let another one begin."""
        if getattr(self._calling.get(delivery.account), "stopped", False):
            del self._calling[delivery.account]
        return super().calls(operation, delivery)

    def said(self, request: Payment | Reversal, answer: Answer, took_s: float, deadline_s: float) -> None:
        """Whoever stood still meanwhile met no deadline."""
        node = OWNER.get()
        stood_still = isinstance(node, Node) and node.went_on_at >= self.nature.loop.time() - took_s
        super().said(request, answer, 0.0 if stood_still else took_s, deadline_s)

    def close(self) -> None:
        """With the histories, which are looked at once."""
        self.tables.read_histories()
        super().close()


class Node(Process):
    """One of the gateways."""

    name = ""
    #: When it last went on, having stood still.
    went_on_at = -1.0


class NodesCounter(Counter):
    """A balancer that knows nothing: each request goes to any node that has started, whether it stands still or not."""

    nodes: dict[str, Node]

    @property
    def process(self) -> Process | None:
        """Whoever comes next."""
        there = [node for node in self.nodes.values() if node.ready]
        return self.nature.chance.choice(there) if there else None

    @process.setter
    def process(self, process: Process | None) -> None:
        """Nodes say themselves when they are there."""
        if process is None:
            self.nodes: dict[str, Node] = {}


class NodesWorld(World):
    """See above."""

    def __init__(self, seed: int, parts: Parts, *, kind: type[NodeStore], changed_sql: dict[str, str]) -> None:
        """As a world, with more than one gateway; planted bugs are another store, or other words in a statement."""
        super().__init__(seed, parts)
        self.kind = kind
        self.database.changed_sql = partial(_other_words, changed_sql)
        self.places = {name: {ROUTE: Site(self.core, KeptInMemory())} for name in NAMES}

    # What is otherwise than in a world of one gateway

    def playable(self, mix: Mix) -> Mix:
        """Clocks of nodes are in step, no machine dozes for a month, nobody is told; and a seed is over within a second or two."""
        return replace(
            mix,
            clock_jump_s=0.0,
            spell_s=0.0,
            shopping=0,
            sinks={},
            payments=min(mix.payments, 15),
            span_s=min(mix.span_s, 30.0),
            outages=[(min(at_s, 30.0), min(for_s, 10.0), kind) for at_s, for_s, kind in mix.outages],
            down_s=min(mix.down_s, 2.0),
        )

    def a_judge(self) -> Judge:
        """Who knows what several don't promise."""
        self.database = Database(self.nature)
        return NodesJudge(self.nature, self.database.tables)

    def a_disk(self) -> Database:
        """The database."""
        return self.database

    def a_counter(self) -> Counter:
        """With every node behind it."""
        return NodesCounter(self.nature, self.judge)

    # Life and death of nodes

    @property
    def nodes(self) -> dict[str, Node]:
        """Those that are there, by name."""
        counter = self.counter
        assert isinstance(counter, NodesCounter), "this world's own"
        return counter.nodes

    def _start(self) -> None:
        for name in NAMES:
            self._start_node(name)

    def _start_node(self, name: str) -> None:
        if self.nature.over.done() or name in self.nodes:
            return
        node = Node(
            nature=self.nature,
            judge=self.judge,
            disk=self.disk,
            sites=self.places[name],
            parts=dataclasses.replace(self.parts, store=partial(self._store, name)),
            people=self.people,
        )
        node.name = name
        self.processes.append(node)
        self.nodes[name] = node
        self.nature.note("start", name)
        node.start().add_done_callback(partial(self._node_started, node), context=self.nature.loop.outside)

    def _store(self, name: str, database: object, stall_s: float) -> NodeStore:
        assert database is self.database, "there is one"
        return self.database.store(name, stall_s, self.kind)

    def _node_started(self, node: Node, starting: "asyncio.Task[None]") -> None:
        error = None if starting.cancelled() else starting.exception()
        if isinstance(error, SpoolError):
            self._kill_node(node)
        elif error is not None:
            self.judge.broken("no task of ours dies", f"the start: {error!r}")

    def _kill(self) -> None:
        """One of them dies, ends in good order, or stands still."""
        chance = self.nature.chance
        there = [node for node in self.nodes.values() if not node.stopped]
        if not there:
            return
        node = chance.choice(there)
        if chance.random() < STOPS:
            self._stop_node(node)
        elif node.ready and chance.random() < self.nature.mix.graceful:
            self._end_node(node)
        else:
            self._kill_node(node)

    def _kill_node(self, node: Node) -> None:
        self.nature.counts["kills"] += 1
        self.nature.note("kill", node.name)
        node.dead = True
        node.store.killed()
        self._node_gone(node)

    def _node_gone(self, node: Node) -> None:
        del self.nodes[node.name]
        self.judge.gateway_died(node)
        for heard in node.waiting:
            if not heard.done():
                heard.set_result(None)
        node.waiting.clear()
        down_s = 0.01 if self.nature.healed else self.nature.mix.down_s * self.nature.chance.random()
        self.nature.loop.outside_later(down_s, self._start_node, node.name)

    def _stop_node(self, node: Node) -> None:
        """SIGSTOP, and SIGCONT a while later: within its lease, or beyond it."""
        self.nature.fault("node stopped")
        self.nature.note("stops", node.name)
        node.stopped = True
        seconds = self.nature.chance.choice((0.5, LEASE_S / 2, 2 * LEASE_S, 4 * LEASE_S))
        self.nature.loop.outside_later(seconds, self._go_on, node)

    def _go_on(self, node: Node) -> None:
        self.nature.note("goes on", node.name)
        self.judge.gateway_died(node)
        node.stopped, node.went_on_at = False, self.nature.loop.time()
        self.nature.loop.go_on()

    def _end_node(self, node: Node) -> None:
        """SIGTERM."""
        self.nature.counts["stops"] += 1
        self.nature.note("stop", node.name)
        ending = self.nature.loop.create_task(node.stop(), context=node.context.copy())
        ending.add_done_callback(lambda _: self._node_ended(node, ending), context=self.nature.loop.outside)

    def _node_ended(self, node: Node, ending: "asyncio.Task[None]") -> None:
        if not ending.cancelled() and ending.exception() is not None:
            self.judge.broken("no task of ours dies", f"the stop: {ending.exception()!r}")
        if self.nodes.get(node.name) is node:
            node.dead = True
            node.store.killed()
            self._node_gone(node)


def _other_words(changed: dict[str, str], sql: str) -> str:
    for words, others in changed.items():
        sql = sql.replace(words, others)
    return sql


def simulate_nodes(
    seed: int,
    parts: Parts | None = None,
    *,
    kind: type[NodeStore] = NodeStore,
    changed_sql: dict[str, str] | None = None,
) -> Report:
    """Run one seed of two gateways to its end."""
    world = NodesWorld(seed, parts or Parts(), kind=kind, changed_sql=changed_sql or {})
    try:
        return play(world)
    finally:
        world.database.close()


_NO_LANES: Final = {"n.state = 2 AND (\n            SELECT": "false AND (\n            SELECT"}

NODES_BUGS: Final[dict[str, Callable[[int], Report]]] = {
    "SeesNoLanesOfOthers": partial(simulate_nodes, changed_sql=_NO_LANES),
}
"""Guards that only several nodes need, each taken out: by name, what a seed comes to without it."""
