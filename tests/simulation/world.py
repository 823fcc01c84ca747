"""The whole of it: a gateway, its clients, its core and its disk, from one seed; and what came of it."""

import asyncio
import gc
import random
from collections import Counter as Counts
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import structlog

from gateway.route.record import KeptInMemory
from gateway.telling.journal import PREFIX, Page
from spool.errors import SpoolError
from tests.simulation.billing import WellBilling
from tests.simulation.clerk import Clerk
from tests.simulation.clients import Client, Counter, crowd
from tests.simulation.disk import Disk
from tests.simulation.judge import Judge
from tests.simulation.nature import ROUTE, Mix, Nature
from tests.simulation.people import People
from tests.simulation.process import SHOP_ROUTE, Parts, Process, Site
from tests.simulation.seeded_loop import InCircles, NothingLeft
from tests.simulation.slowing import Slowing

DRAINED_WITHIN_S: Final = 1_800.0
"""Virtual seconds after healing within which nothing may be left over."""

HEARD_WITHIN_S: Final = 120.0
"""Virtual seconds within which people have heard everything, once nothing fails any more."""

STRIKE_WITHIN: Final = 40
"""Callbacks within which a kill falls once it is due: at any await of whatever is going on."""

DOZE_TICKS: Final = 50
"""How often a sleeper wakes during a quiet spell."""


class Report(msgspec.Struct, kw_only=True):
    """What came of one seed."""

    seed: int
    #: The promise that was broken and how; empty when all were kept.
    promise: str
    found: str
    #: Hash over everything that happened.
    digest: str
    virtual_s: float
    counts: dict[str, int]
    #: The last events before a failure.
    tail: list[str]


class World:
    """See above."""

    def __init__(self, seed: int, parts: Parts) -> None:
        """Everything of this seed, before anything happens."""
        self.nature = nature = Nature(seed, self.playable)
        self.judge = self.a_judge()
        self.disk = self.a_disk()
        self.judge.image = self.disk.image
        self.judge.taken_back = self.disk.taken_back
        self.disk.changed = self._disk_changed
        self.disk.trouble = self._trouble
        self.core = parts.billing(nature, self.judge)
        self.counter = self.a_counter()
        self.parts = parts
        self.sites = {ROUTE: Site(self.core, KeptInMemory())}
        if nature.mix.shopping:
            self.sites[SHOP_ROUTE] = Site(WellBilling(nature, self.judge), KeptInMemory())
        self.people = People(nature, self.judge)
        self.clerk = Clerk(self.counter, self.judge, self.a_slowing())
        self.judge.places = self.clerk.slowing.places
        self.processes: list[Process] = []
        self._drained = asyncio.Event()
        self._outages = 0
        nature.loop.strike = self._kill

    # What another world has otherwise

    def playable(self, mix: Mix) -> Mix:
        """The mix of this seed, as far as this world can play it."""
        return mix

    def a_judge(self) -> Judge:
        """Who judges."""
        return Judge(self.nature)

    def a_disk(self) -> Disk:
        """What outlives processes."""
        return Disk(self.nature)

    def a_counter(self) -> Counter:
        """Where payments are handed in."""
        return Counter(self.nature, self.judge)

    def a_slowing(self) -> Slowing:
        """A person with a word on the pace."""
        return Slowing(self.counter, self.nature)

    # The course of things

    async def run(self) -> None:
        """From the first payment to the last judgement."""
        nature = self.nature
        self._start()
        clients = crowd(self.counter)
        errands = [
            asyncio.ensure_future(errand)
            for errand in (*(client.run() for client in clients), self.clerk.run(), self.clerk.slowing.run())
        ]
        self._plan()
        await self._quietly(nature.mix.span_s)
        await self._spell()
        self._heal()
        tidying = [asyncio.ensure_future(each.tidy_up()) for each in (self.clerk, self.clerk.slowing)]
        if not await self._ends([*errands, *tidying]):
            return
        if await self._drains():
            await self._ask_again(clients)

    async def _quietly(self, seconds: float) -> None:
        await asyncio.wait([self.nature.over], timeout=seconds)

    async def _ends(self, errands: list["asyncio.Task[None]"]) -> bool:
        """Every client comes to an end now that all is well."""
        ending = asyncio.gather(*errands)
        both: list[asyncio.Future[Any]] = [self.nature.over, ending]
        await asyncio.wait(both, timeout=DRAINED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if self.nature.over.done():
            return False
        if not ending.done():
            self.judge.broken("every client gets an answer", "somebody still has none long after all is healed")
            return False
        ending.result()
        return True

    async def _drains(self) -> bool:
        """Nothing is left over now that all is well."""
        until = self.nature.loop.time() + DRAINED_WITHIN_S
        while self.judge.unfinished():
            if self.nature.over.done():
                return False
            if self.nature.loop.time() > until:
                self.judge.broken("after healing all drains", f"{self.judge.unfinished()[:3]}")
                return False
            self._drained.clear()
            waiting = asyncio.ensure_future(self._drained.wait())
            both: list[asyncio.Future[Any]] = [self.nature.over, waiting]
            await asyncio.wait(both, timeout=30.0, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
        return True

    async def _ask_again(self, clients: list[Client]) -> None:
        await self._quietly(1.0)
        for client in clients:
            await client.ask_again()
        await self._quietly(10.0)
        await self._hear_out()
        if not self.nature.over.done():
            self.judge.close()

    async def _hear_out(self) -> None:
        """People hear everything in the end, and that what is over is over."""
        nature = self.nature
        until = nature.loop.time() + HEARD_WITHIN_S
        while nature.mix.sinks and not nature.over.done():
            left, lasting = self.people.left(), self.people.without_end(self._standing())
            if not left and not lasting:
                return
            if nature.loop.time() > until:
                self.judge.broken("what is told is heard, and its end as well", f"{left[:3]} {lasting[:3]}")
            await self._quietly(5.0)

    def _standing(self) -> list[str]:
        """What stands against all being well, by the newest page."""
        pages = [value for name, value in self.disk.image._memos.items() if name.startswith(f"{PREFIX}page/")]
        newest = max((msgspec.json.decode(page, type=Page) for page in pages), key=_number_of, default=None)
        return [] if newest is None else list(newest.stand)

    async def _spell(self) -> None:
        """A long quiet time in which the machine dozes: an outage of a month is over in a moment."""
        nature = self.nature
        if not nature.mix.spell_s or nature.over.done():
            return
        down = nature.chance.random() < 0.7
        if down:
            self._go_away("refuses")
        nature.note("spell", nature.mix.spell_s)
        nature.doze = max(1.0, nature.mix.spell_s / DOZE_TICKS)
        await self._quietly(nature.mix.spell_s)
        nature.wake_up()
        if down:
            self._come_back()
        await self._quietly(5.0)

    def _heal(self) -> None:
        """Nothing fails from here on."""
        self.nature.note("healed")
        self.nature.healed = True
        self.nature.loop.strike_at = -1
        self.core.outage = ""
        self._outages = 0

    # The plan

    def _plan(self) -> None:
        loop, mix, chance = self.nature.loop, self.nature.mix, self.nature.chance
        for at_s, for_s, kind in mix.outages:
            loop.outside_later(at_s, self._go_away, kind)
            loop.outside_later(at_s + for_s, self._come_back)
            if chance.random() < 0.3:
                loop.outside_later(at_s, self.core.restart)
        for at_s in mix.kills:
            loop.outside_later(at_s, self._strike_soon)
        if mix.clock_jump_s:
            for _ in range(2):
                loop.outside_later(chance.random() * mix.span_s, self._jump)

    def _go_away(self, kind: str) -> None:
        if self.nature.healed:
            return
        self._outages += 1
        self.core.outage = kind
        self.nature.fault(f"outage {kind}")
        self.nature.note("outage", kind)

    def _come_back(self) -> None:
        self._outages = max(0, self._outages - 1)
        if not self._outages:
            self.core.outage = ""
            self.nature.note("core is back")

    def _jump(self) -> None:
        if self.nature.healed:
            return
        seconds = self.nature.mix.clock_jump_s * self.nature.chance.uniform(-1, 1)
        self.nature.jumped_us += round(seconds * 1_000_000)
        self.nature.fault("clock jump")
        self.nature.note("clock jumps", seconds)

    # Life and death of processes

    def _start(self) -> None:
        if self.nature.over.done():
            return
        process = Process(
            nature=self.nature,
            judge=self.judge,
            disk=self.disk,
            sites=self.sites,
            parts=self.parts,
            people=self.people,
        )
        self.processes.append(process)
        self.counter.process = process
        self.nature.note("start")
        process.start().add_done_callback(self._started, context=self.nature.loop.outside)

    def _started(self, starting: "asyncio.Task[None]") -> None:
        """A start that the disk didn't let is tried again, as a supervisor does."""
        error = None if starting.cancelled() else starting.exception()
        if isinstance(error, SpoolError):
            self._kill()
        elif error is not None:
            self.judge.broken("no task of ours dies", f"the start: {error!r}")

    def _strike_soon(self) -> None:
        loop = self.nature.loop
        if not self.nature.healed:
            loop.strike_at = loop.steps + 1 + int(self.nature.chance.random() * STRIKE_WITHIN)

    def _kill(self) -> None:
        """SIGKILL, or the power: whoever runs now never runs again."""
        process = self.counter.process
        if process is None:
            return
        if process.ready and not self.nature.healed and self.nature.chance.random() < self.nature.mix.graceful:
            self._stop(process)
            return
        self.nature.counts["kills"] += 1
        self.nature.note("kill")
        process.dead = True
        process.store.killed()
        if self.nature.chance.random() < 0.5:
            self.sites[ROUTE].keeper = KeptInMemory()
            self.clerk.slowing.is_unsure = True
        self._gone(process)

    def _gone(self, process: Process) -> None:
        self.counter.process = None
        self.judge.gateway_died(process)
        for heard in process.waiting:
            if not heard.done():
                heard.set_result(None)
        process.waiting.clear()
        down_s = 0.01 if self.nature.healed else self.nature.mix.down_s * self.nature.chance.random()
        self.nature.loop.outside_later(down_s, self._start)

    def _stop(self, process: Process) -> None:
        """SIGTERM."""
        self.nature.counts["stops"] += 1
        self.nature.note("stop")
        self.counter.process = None
        stopping = self.nature.loop.create_task(process.stop(), context=process.context.copy())
        stopping.add_done_callback(lambda _: self._stopped(process, stopping), context=self.nature.loop.outside)

    def _stopped(self, process: Process, stopping: "asyncio.Task[None]") -> None:
        if not stopping.cancelled() and stopping.exception() is not None:
            self.judge.broken("no task of ours dies", f"the stop: {stopping.exception()!r}")
        process.dead = True
        self._gone(process)

    # What brings more trouble

    def _disk_changed(self) -> None:
        self.judge.disk_changed()
        self._drained.set()
        if self.nature.happens(self.nature.mix.strike):
            self._strike_soon()

    def _trouble(self) -> None:
        """A disk that fails loses power soon: the faults that matter come in pairs."""
        if self.nature.happens(self.nature.mix.power_after_trouble):
            delay_s = self.nature.chance.choice((0.0, 0.1, 1.0))
            self.nature.loop.outside_later(delay_s, self._strike_soon)


def _number_of(page: Page) -> int:
    return page.number


def simulate(seed: int, parts: Parts | None = None) -> Report:
    """Run one seed to its end."""
    return play(World(seed, parts or Parts()))


def play(world: World) -> Report:
    """Run a world to its end."""
    random_before = random.getstate()
    nature = world.nature
    loop = nature.loop
    loop.set_exception_handler(lambda _, context: world.judge.broken("no task of ours dies", _words(context)))
    gc.disable()
    with _listening(world.judge):
        main = loop.create_task(world.run())
        try:
            loop.run_until_complete(main)
        except NothingLeft as error:
            world.judge.broken("nobody waits for ever", str(error))
        except InCircles as error:
            world.judge.broken("nobody goes round in circles", str(error))
        for task in loop.tasks:
            if task.done() and not task.cancelled() and task._log_traceback:  # what nobody has asked for
                world.judge.broken("no task of ours dies", f"{task.get_coro()}: {task.exception()!r}")
        report = _report(world)
        loop.set_exception_handler(_ignore)
        _bury(world, main)
    gc.enable()
    assert random.getstate() == random_before, "chance comes from the seed alone"
    return report


def _report(world: World) -> Report:
    nature, violation = world.nature, world.nature.violation
    return Report(
        seed=nature.seed,
        promise=violation.promise if violation else "",
        found=violation.found if violation else "",
        digest=nature.digest,
        virtual_s=nature.loop.time(),
        counts=dict(Counts(nature.counts) + Counts({"seeds": 1, "steps": nature.loop.steps})),
        tail=[" ".join(map(str, line)) for line in nature.tail] if violation else [],
    )


def _bury(world: World, main: "asyncio.Task[None]") -> None:
    """End every task, the dead ones' too, so that nothing is left open."""
    loop = world.nature.loop
    for process in world.processes:
        process.dead = False
    loop.exhume()
    if not main.done():
        main.cancel()
    for _ in range(20):
        tasks = [task for task in loop.tasks if not task.done()]
        if not tasks:
            break
        for task in tasks:
            task.cancel()
        loop.run_until_complete(_all_end(tasks))
    loop.close()


async def _all_end(tasks: "list[asyncio.Task[Any]]") -> None:
    await asyncio.wait(tasks, timeout=10.0)


def _ignore(_loop: object, _context: dict[str, Any]) -> None:
    """The judgement is over."""


def _words(context: dict[str, Any]) -> str:
    return f"{context.get('message')} {context.get('exception')!r}"


@contextmanager
def _listening(judge: Judge) -> Iterator[None]:
    """Read the gateway's log: an error of its own is a finding, everything else is dropped."""
    before = structlog.get_config()

    def listen(_logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        if method == "error":
            judge.broken("no task of ours dies", f"the log says: {event}")
        raise structlog.DropEvent

    structlog.configure(processors=[listen])
    try:
        yield
    finally:
        structlog.configure(**before)
