"""Two gateways on one PostgreSQL, from one seed: killed, stopped and gone on, cut off from it; judged as one gateway is.

Each has a machine of its own, whose clock is off and goes too fast or too slow. In half of the seeds both forget what is over.
"""

import dataclasses
import random
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gateway.route.record import KeptInMemory
from spool.errors import SpoolError
from tests.simulation.clients import Counter
from tests.simulation.database import LEASE_S, Database, NodeStore
from tests.simulation.judge import Judge
from tests.simulation.nature import ROUTE, Mix
from tests.simulation.node import Node, NodeClock
from tests.simulation.nodes_judge import NodesJudge
from tests.simulation.process import Parts, Process, Site
from tests.simulation.sharing import Sharing
from tests.simulation.slowing_nodes import SlowingTogether
from tests.simulation.way import StarvedWay
from tests.simulation.world import Report, World, play

if TYPE_CHECKING:
    import asyncio

NAMES: Final = ("one", "two")

RATES: Final = {16: 2.0, 64: 0.0}
"""Calls a second, by another figure of the mix: so that all else of a seed is drawn as it was."""

ASKING: Final = (0, 1)
"""In which seeds, by what is left of a fifth, whoever gave up may ask instead of having it undone."""

STARVED: Final = (6, 8, 11)
"""In which seeds, by what is left of a twelfth, something passes between the decision to send and the bytes; none is a calm one."""

CALM_S: Final = 15.0
"""How long nothing gets through in a calm seed: by its end each node knows of the other."""

OFF_S: Final = (0.0, 5.0, -5.0, 3600.0, -3600.0)
DRIFT: Final = 0.002
"""How far off machines' clocks are, and how much of each second they go wrong by at most."""

STOPS: Final = 0.4
"""Of what befalls a node, how much is only that it stands still for a while."""

STANDS_S: Final = (0.5, LEASE_S / 2, 2 * LEASE_S, 4 * LEASE_S)
"""For how long: within its lease, or beyond it."""


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

    def __init__(
        self, seed: int, parts: Parts, *, kind: type[NodeStore], clock: type[NodeClock], changed_sql: dict[str, str]
    ) -> None:
        """As a world, with more than one gateway; planted bugs are another store or clock, or other words in a statement."""
        #: See `_calm`.
        self.is_calm = seed % 3 == 1
        self.is_asking = seed % 5 in ASKING
        self.limit = 2 + seed % 2
        self.machines = random.Random(f"machines {seed}")  # noqa: S311 - repeatable on purpose
        super().__init__(seed, parts)
        self.kind = kind
        self.clock = clock
        self.clocks = {name: (self.machines.choice(OFF_S), self.machines.uniform(-DRIFT, DRIFT)) for name in NAMES}
        self.database.changed_sql = partial(_other_words, changed_sql)
        self.places = {name: {ROUTE: Site(self.core, KeptInMemory())} for name in NAMES}
        if seed % 12 in STARVED:
            self.core.way = StarvedWay(self.nature, self._strike)

    # What is otherwise than in a world of one gateway

    def playable(self, mix: Mix) -> Mix:
        """No clock is moved and no machine dozes for a month, nobody is told; and a seed is over within a second or two."""
        mix = replace(
            mix,
            clock_jump_s=0.0,
            spell_s=0.0,
            shopping=0,
            sinks={},
            payments=min(mix.payments, 15),
            span_s=min(mix.span_s, 30.0),
            outages=[(min(at_s, 30.0), min(for_s, 10.0), kind) for at_s, for_s, kind in mix.outages],
            down_s=min(mix.down_s, 2.0),
            rate_max=RATES[mix.window_max],
            # Longer than any request can be under way, a node's standing still included.
            inquires=0.5 if self.is_asking else 0.0,
            retention_s=self.machines.choice((0.0, mix.deadline_s + 4 * LEASE_S + 5.0)),
        )
        return self._calm(mix) if self.is_calm else mix

    def _calm(self, mix: Mix) -> Mix:
        """Nobody is killed or cut off, and a core that bears few calls at once comes back to many that wait, each taking a while.

        So it is seen what nodes send together once each knows of the other.
        """
        return replace(
            mix,
            kills=[],
            strike=0.0,
            disk={},
            settle_s=4.0,
            core={"slow": 0.7},
            outages=[(0.0, CALM_S, "refuses")],
            span_s=CALM_S,
            payments=24,
            accounts=24,
            standin=True,
            exposure_count=1_000,
            exposure_sum=10_000_000,
            channel_count=None,
            in_flight_max=self.limit,
            retention_s=0.0,
        )

    async def _spell(self) -> None:
        """In a calm seed what waits has time to drain before all is healed."""
        await self._quietly(CALM_S if self.is_calm else 0.0)

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

    def a_slowing(self) -> SlowingTogether:
        """Who talks to either."""
        assert isinstance(self.counter, NodesCounter), "this world's own"
        return SlowingTogether(self.counter, self.nature, self.sharing, is_calm=self.is_calm)

    @property
    def sharing(self) -> Sharing:
        """Who sees what nodes send together."""
        assert isinstance(self.judge, NodesJudge), "this world's own"
        return self.judge.sharing

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
            name,
            self.clock(self.nature, *self.clocks[name]),
            nature=self.nature,
            judge=self.judge,
            disk=self.disk,
            sites=self.places[name],
            parts=dataclasses.replace(self.parts, store=partial(self._store, name)),
            people=self.people,
        )
        self.sharing.unsettled()
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
            self._stop_node(node, chance.choice(STANDS_S))
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

    def _strike(self, node: Node, kills: bool, chance: random.Random) -> None:  # noqa: FBT001 - as it is called
        """Right before the bytes of an order of its would leave."""
        if kills:
            self._kill_node(node)
        else:
            self._stop_node(node, chance.choice(STANDS_S[1:]))

    def _stop_node(self, node: Node, seconds: float) -> None:
        """SIGSTOP, and SIGCONT a while later."""
        self.nature.fault("node stopped")
        self.nature.note("stops", node.name)
        node.stopped = True
        self.sharing.unsettled()
        self.nature.loop.outside_later(seconds, self._go_on, node)

    def _go_on(self, node: Node) -> None:
        self.nature.note("goes on", node.name)
        self.judge.gateway_died(node)
        assert isinstance(self.judge, NodesJudge), "see `a_judge`"
        node.stopped, node.went_on_at = False, self.nature.loop.time()
        self.judge.went_on_at = node.went_on_at
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
    clock: type[NodeClock] = NodeClock,
    changed_sql: dict[str, str] | None = None,
) -> Report:
    """Run one seed of two gateways to its end."""
    world = NodesWorld(seed, parts or Parts(), kind=kind, clock=clock, changed_sql=changed_sql or {})
    try:
        return play(world)
    finally:
        world.database.close()
