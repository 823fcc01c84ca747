"""Two gateways on one PostgreSQL, from one seed: killed, stopped and gone on, cut off from it; judged as one gateway is.

Each has a machine of its own, whose clock is off and goes too fast or too slow. In half of the seeds both forget what is over.
"""

import contextlib
import dataclasses
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from adapters.core import Delivery
from adapters.payment import Answer, AnswerKind, Check, Payment, Reversal
from gateway.clock import SystemClock
from gateway.route.gossip import Gossip
from gateway.route.record import KeptInMemory
from gateway.route.zone import PASSING
from spool.entry import Entry
from spool.errors import SpoolError
from spool.forgetting import Past
from spool.lifecycle import FINAL, State, Told
from spool.nodes import ALL, Share
from spool.number import number_at
from tests.simulation.clients import Counter
from tests.simulation.database import LEASE_S, Database, Image, NodeStore
from tests.simulation.judge import YES, File, Judge
from tests.simulation.nature import ROUTE, START_US, Mix, Nature, SeededClock
from tests.simulation.process import Parts, Process, Site
from tests.simulation.seeded_loop import OWNER
from tests.simulation.sharing import Sharing
from tests.simulation.slowing_bugs import KeepsWordsToItself, TellsThatWordsEnded
from tests.simulation.slowing_nodes import SlowingTogether
from tests.simulation.way import StarvedWay
from tests.simulation.way_bugs import AsksForLeaveTooSoon
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

FORGETS_EVERY_S: Final = 3.0
FORGETS_AT_ONCE: Final = 100
NEAR_S: Final = 1.0
"""What clocks that follow the database's may be off by, in seconds of a node's own standing still apart."""

OFF_S: Final = (0.0, 5.0, -5.0, 3600.0, -3600.0)
DRIFT: Final = 0.002
"""How far off machines' clocks are, and how much of each second they go wrong by at most."""

STOPS: Final = 0.4
"""Of what befalls a node, how much is only that it stands still for a while."""

STANDS_S: Final = (0.5, LEASE_S / 2, 2 * LEASE_S, 4 * LEASE_S)
"""For how long: within its lease, or beyond it."""


class NodesJudge(Judge):
    """As the one of a single gateway, but for what several don't promise."""

    def __init__(self, nature: Nature, tables: Image) -> None:
        """Over these tables."""
        super().__init__(nature)
        self.tables = tables
        self.sharing = Sharing(nature)
        #: The last answer about what was forgotten before it left.
        self._old_word: Answer | None = None
        #: Payments that billing refused once.
        self._refused: set[int] = set()
        #: When each entry came to be there, by number.
        self._came_at: dict[int, float] = {}
        #: Attempts whose bytes left, by number of payment and of attempt.
        self._left: set[tuple[int, int]] = set()
        #: Since when payments are said not to be there, by channel and key; and when a node last went on that had stood still.
        self._absent: dict[tuple[str, str], float] = {}
        self.went_on_at = -1.0

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

    def disk_changed(self) -> None:
        """What has left it was over."""
        gone, self.tables.gone = self.tables.gone, []
        for entry, owned in gone:
            self._look_at_forgotten(entry)
            self.forgotten[entry.number] = entry
            self._check_end(entry)
            if owned:
                self._close_file(entry)
        for number in self.tables._entries.keys() - self._came_at.keys():
            self._came_at[number] = self.nature.loop.time()
        self._refused.update(each.number for each in self.tables._entries.values() if each.state is State.REFUSED)
        self._look_for_absent()
        super().disk_changed()

    def said_absent(self, payment: Payment) -> None:
        """It doesn't come later."""
        self._absent[payment.channel, payment.key] = self.nature.loop.time()

    def _look_for_absent(self) -> None:
        """Unless a node stood still before it had so much as read the request: then it came after the answer."""
        for key in self._absent.keys() & self.tables._owners.keys():
            if self.went_on_at < self._absent[key]:
                self.broken(
                    "what was said not to be there does not come", f"{self.tables._entries[self.tables._owners[key]]}"
                )

    def _was_reopened(self, entry: Entry) -> bool:
        """Histories are read at the end alone."""
        return entry.number in self._refused

    def _look_at_forgotten(self, entry: Entry) -> None:
        """Only what has ended, and long ago; and nobody is owed."""
        self.nature.counts["forgotten"] += 1
        owed = entry.state is State.REFUSED and entry.told in {Told.POSTED, Told.PROVISIONAL}
        since_s = self.nature.loop.time() - (entry.changed_at_us - START_US) / 1_000_000
        is_young = since_s < self.nature.mix.retention_s - NEAR_S
        undoes = [each for each in self._ever_kept() if each.reverses == entry.number and each.state not in FINAL]
        if entry.state not in FINAL or owed or is_young or undoes:
            self.broken("what is forgotten is over", f"{entry}, changed {since_s:.1f} s ago, {undoes}")

    def _close_file(self, entry: Entry) -> None:
        """What was said of it was kept; from now on its key is a new one."""
        key = entry.channel, entry.key
        file = self.files[key]
        self._check_word(file, entry)
        later = {number for number in file.numbers - {entry.number} if not self.bookings[number]}
        self.files[key] = File(file.request, numbers=later)
        self.forgotten_at[key] = self.nature.loop.time()
        for each in self.files.values():
            asked = each.request
            if isinstance(asked, Reversal) and (asked.channel, asked.payment_key) == key:
                self._let_go_of_a_no(each)

    @staticmethod
    def _let_go_of_a_no(file: File) -> None:
        """A no to undoing what has left, of which there is no record: it binds nobody once the payment's key comes anew."""
        if file.settled is not None and not file.settled.number:
            file.settled = None

    def booked(self, operation: str, delivery: Delivery) -> None:
        """Nothing of what was over."""
        if delivery.number in self.forgotten:
            self.broken("P2 booked once", f"{operation} of {delivery}: it was over, and forgotten")
        super().booked(operation, delivery)

    def calls(self, operation: str, delivery: Delivery) -> bool:
        """Until its bytes leave others may take it over, where this node stands still."""
        self.nature.note("sets out", operation, delivery.number, delivery.attempt)
        self._look_at_share(delivery)
        return True

    def leaves(self, operation: str, delivery: Delivery) -> None:
        """What a node has under way that stands still is nobody's any more once the tables let another one begin."""
        if getattr(self._calling.get(delivery.account), "stopped", False):
            del self._calling[delivery.account]
        self._left.add((delivery.number, delivery.attempt))
        super().calls(operation, delivery)

    def _look_at_share(self, delivery: Delivery) -> None:
        """Together the nodes send no more of the backlog than one alone might."""
        node, entry = OWNER.get(), self.tables._entries.get(delivery.number)
        assert isinstance(node, Node), "nobody else calls"
        if entry is None or entry.told is not Told.PROVISIONAL or node.routes[0].health.zone not in PASSING:
            return
        found = self.sharing.begins(delivery.number, node.name)
        if found:
            self.broken("nodes share what the core bears", found)

    def hangs_up(self, delivery: Delivery) -> None:
        """One call less at the core."""
        self.sharing.ends(delivery.number)
        if (delivery.number, delivery.attempt) in self._left:
            super().hangs_up(delivery)

    def gateway_died(self, process: object) -> None:
        """The others' shares will be larger."""
        self.sharing.unsettled()
        super().gateway_died(process)

    def said(self, request: Payment | Reversal, answer: Answer, took_s: float, deadline_s: float) -> None:
        """Whoever stood still meanwhile met no deadline; and what is said of what was forgotten meanwhile binds nobody."""
        key = request.channel, request.key
        asked_at = self.nature.loop.time() - took_s
        if self.forgotten_at.get(key, -1.0) >= asked_at and (answer.kind not in YES or answer.number in self.forgotten):
            self.nature.note("says what was", *key, answer.kind.value)
            self._old_word = answer
            return
        stood_still = self._stood_still_since(asked_at)
        if stood_still and answer.kind is AnswerKind.TRY_LATER and self._came_since(request, asked_at):
            self.nature.note("says what was", *key, answer.kind.value)
            return
        super().said(request, answer, 0.0 if stood_still else took_s, deadline_s)
        if isinstance(request, Reversal) and (request.channel, request.payment_key) in self.forgotten_at:
            self._let_go_of_a_no(self.file(request))

    def checked(self, check: Check, answer: Answer, took_s: float, deadline_s: float) -> None:
        """See `said`."""
        stood_still = self._stood_still_since(self.nature.loop.time() - took_s)
        super().checked(check, answer, 0.0 if stood_still else took_s, deadline_s)

    @staticmethod
    def _stood_still_since(asked_at: float) -> bool:
        """The node that speaks did."""
        node = OWNER.get()
        return isinstance(node, Node) and node.went_on_at >= asked_at

    def _came_since(self, request: Payment | Reversal, asked_at: float) -> bool:
        """Another node took it, of whom this one had looked before it stood still; its sender was to ask again, and has."""
        owner = self._owner(request)
        return owner is not None and self._came_at[owner.number] >= asked_at

    def wrote(self, request: Payment | Reversal, answer: Answer, body: bytes) -> None:
        """See `said`."""
        if answer is not self._old_word:
            super().wrote(request, answer, body)

    def close(self) -> None:
        """With the histories, which are looked at once."""
        self.tables.read_histories()
        super().close()


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
