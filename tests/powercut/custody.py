"""Power cuts while keys change: key file, key store and spool on one tape, each found as of any moment that a disk allows.

The order between the three is what is at stake: no record may be on disk whose key isn't, none may wait whose key is gone,
no key may be wrapped by a master that isn't there. Everything is real but the disk: keys, seals, files and their syncs.
"""

import asyncio
import itertools
import os
import random
import stat
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from gateway.clock import ManualClock
from gateway.custody.chest import Chest
from gateway.custody.keeper import Keeper, Refused
from gateway.custody.local import FileMaster
from gateway.custody.resealing import Resealer
from gateway.custody.settings import KeysSettings
from spool.entry import Entry
from spool.errors import KeysUnfit, RecordDamaged
from spool.keystore import KeyStore
from spool.lifecycle import CLAIM, FINAL, POST
from spool.masters import make_key_file
from spool.number import Numbers
from spool.private_file import Steps
from spool.rows import entry_of
from spool.seal import Sealer
from spool.spool import Spool
from spool.sqlite import SqliteStore
from spool.store import Inserted
from spool.verify import verify
from tests.contracts.spool_examples import draft, go
from tests.powercut.campaign import SHARED_MEMORY
from tests.powercut.disk import Disk, Image, State
from tests.powercut.look import SPOOL, Bench, look
from tests.powercut.story import recorded_store
from tests.powercut.tape import FolderSynced, Made, Renamed, Synced, Tape, Wrote
from tests.powercut.taped_driver import Habits

MASTER: Final = "master.key"
KEYS: Final = "master.key.store"
RESTART_EVERY: Final = 9
COME_UP_ONE_IN: Final = 60
"""Of so many distinct states one is opened as the service does."""


class Plan(NamedTuple):
    """What a life of keys is made from."""

    seed: int
    rounds: int = 20
    states_each_step: int = 4
    #: Controls: contents of key files aren't synced before they get their name; or their names aren't.
    hasty: bool = False
    nameless: bool = False


class TapedSteps:
    """How key files get to disk, on tape."""

    def __init__(self, tape: Tape, plan: Plan) -> None:
        """Note on this tape."""
        self._tape = tape
        self._plan = plan
        self._inodes = itertools.count(1_000_000)
        self._drafts: dict[str, int] = {}

    def fsync(self, handle: int) -> None:
        """Take a draft, or the folder, to disk."""
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            self._tape.steps += [] if self._plan.nameless else [FolderSynced()]
            return
        inode = next(self._inodes)
        draft = Path(f"/proc/self/fd/{handle}").readlink()
        self._drafts[draft.name] = inode
        content = draft.read_bytes()
        self._tape.steps += [Made(inode), Wrote(inode, 0, content)]
        self._tape.steps += [] if self._plan.hasty else [Synced(inode, succeeded=True)]

    def link(self, draft: Path, name: Path) -> None:
        """Give a draft its name, unless that is taken."""
        os.link(draft, name)
        self._name(draft, name)

    def rename(self, draft: Path, name: Path) -> None:
        """Give a draft its name, in the place of what had it."""
        draft.replace(name)
        self._name(draft, name)

    def _name(self, draft: Path, name: Path) -> None:
        inode = self._tape.names[name.name] = self._drafts.pop(draft.name)
        self._tape.steps.append(Renamed(name.name, inode))

    @property
    def steps(self) -> Steps:
        """As the engine takes them."""
        return Steps(fsync=self.fsync, link=self.link, rename=self.rename)


class Custodian:
    """One life of a service whose keys change."""

    def __init__(self, folder: Path, tape: Tape, plan: Plan) -> None:
        """Begin in a folder with a key file and nothing else."""
        self.tape = tape
        self._folder = folder
        self._rounds = plan.rounds
        self._chance = random.Random(plan.seed)  # noqa: S311 - a story, not a secret
        self._clock = ManualClock(seed=plan.seed)
        self._steps = TapedSteps(tape, plan).steps
        #: (number, when its yes was told) of every payment.
        self.told: list[tuple[int, int]] = []
        self._numbers = itertools.count(1)
        self._open: dict[int, Entry] = {}
        self.done = Counter[str]()

    async def run(self) -> None:
        """Live, and close."""
        await self._begin()
        acts = list(self.ACTS)
        for turn in range(1, self._rounds + 1):
            if turn % len(acts) == 1:
                self._chance.shuffle(acts)
            act = acts[turn % len(acts)]
            await asyncio.gather(self.pay(), act(self))
            self.done[act.__name__] += 1
            if turn % RESTART_EVERY == 0:
                await self._end()
                await self._begin()
        await self._end()

    async def _begin(self) -> None:
        self._spool = Spool(recorded_store(self._folder / SPOOL, self.tape, Habits()))
        chest = Chest(KeyStore(self._folder / KEYS, self._steps), FileMaster(self._folder / MASTER, self._steps))
        self._keeper = Keeper(
            chest=chest,
            spool=self._spool,
            shelf=self._spool.store,
            numbers=Numbers(),
            clock=self._clock,
            settings=KeysSettings(),
        )
        self._resealer = Resealer(
            keeper=self._keeper, spool=self._spool, shelf=self._spool.store, clock=self._clock, per_s=1_000
        )
        await self._spool.open(self._clock.now_us(), self._keeper.unlock)

    async def _end(self) -> None:
        await self._spool.close()
        await self._keeper.close()

    async def pay(self) -> None:
        """A payment."""
        number = next(self._numbers)
        recorded = await self._spool.record(
            draft(number, accepted_at_us=self._clock.now_us(), content=content_of(number))
        )
        assert isinstance(recorded, Inserted)
        self.told.append((number, len(self.tape.steps)))
        self._open[number] = recorded.entry

    async def post(self) -> None:
        """Everything that waits under the oldest key is booked."""
        waiting = list(self._open.values())
        for entry in waiting[: self._chance.randint(1, 8)]:
            await go(self._spool.store, entry, CLAIM, POST)
            del self._open[entry.number]

    async def rotate(self) -> None:
        """A new data key."""
        await self._keeper.rotate()

    async def rotate_index(self) -> None:
        """And a new index key."""
        await self._keeper.rotate(index=True)

    async def renew_master(self) -> None:
        """A new master wraps them all; the one before the last is dropped."""
        before = list(self._keeper.kept.masters)
        await self._keeper.renew_master()
        for name in before:
            await self._keeper.drop_master(name)

    async def reseal(self) -> None:
        """An older key's records are sealed anew, as far as one batch goes."""
        older = [key.id for key in self._keeper.kept.data_keys if not key.destroyed_us and key.id != self._sealing]
        if older:
            await self._keeper.replace(self._chance.choice(older))
            await self._resealer.run_once()

    async def destroy(self) -> None:
        """Whatever key nothing waits under."""
        for key in self._keeper.kept.data_keys:
            if not key.destroyed_us and key.id != self._sealing:
                try:
                    await self._keeper.destroy(key.id)
                except Refused:
                    continue
                return

    @property
    def _sealing(self) -> int:
        return self._spool.keys.current_id

    ACTS: ClassVar[tuple[Callable[["Custodian"], Awaitable[None]], ...]] = (
        post, post, rotate, rotate, rotate_index, renew_master, reseal, reseal, destroy, destroy,
    )  # fmt: skip
    """What may happen beside a payment."""


def content_of(number: int) -> bytes:
    """What is sealed in a payment."""
    return f"who paid {number}".encode()


class Found(NamedTuple):
    """What is in a spool after a cut, and whether its keys open it."""

    numbers: frozenset[int]
    #: What is wrong, in words that begin with the kind; empty when nothing is.
    trouble: str = ""


NOTHING: Final = Found(frozenset())


class Report(NamedTuple):
    """What came of it."""

    states: int
    distinct: int
    came_up: int
    told: int
    #: What was done to keys, counted.
    done: Counter[str]
    #: States by the kind of objection, and the first of each.
    objections: Counter[str]
    examples: tuple[str, ...]


async def look_at_keys(bench: Bench, image: Image) -> Found:
    """What the database's own recovery finds, opened with what is found of the keys."""
    if SPOOL not in image:
        return NOTHING
    found = look(bench, image)
    if found.damage:
        return Found(frozenset(), f"damaged: {found.damage}")
    numbers = frozenset(found.rows)
    if not numbers:
        return NOTHING
    try:
        chest = chest_on(bench)
        kept = await chest.read()
        sealer = Sealer((await chest.open(kept)).ring(kept))
    except KeysUnfit as unfit:
        return Found(numbers, f"unfit: {unfit}")
    gone = {key.id for key in kept.data_keys if key.destroyed_us}
    troubles = (trouble_with(entry_of(row), sealer, gone) for row in found.rows.values())
    return Found(numbers, next(filter(None, troubles), ""))


def trouble_with(entry: Entry, sealer: Sealer, gone: set[int]) -> str:
    """What is wrong with a payment as it is found; empty when nothing is."""
    if entry.key_id in gone:
        return "" if entry.state in FINAL else f"shredded: payment {entry.number} waits, and its key is gone"
    try:
        content = sealer.open(entry)
    except RecordDamaged as damaged:
        return f"closed: {damaged} (key {entry.key_id})"
    return "" if content == content_of(entry.number) else f"other: payment {entry.number} holds another content"


def chest_on(bench: Bench) -> Chest:
    """The keys as they were found; whoever laid them out made them open to others."""
    folder = bench.path.parent
    for name in (MASTER, KEYS):
        (folder / name).chmod(0o600) if (folder / name).exists() else None
    return Chest(KeyStore(folder / KEYS), FileMaster(folder / MASTER))


async def come_up(bench: Bench, image: Image) -> str:
    """Open the spool with its keys as the service does, and check it whole; what is wrong, in words."""
    bench.clear()
    bench.lay(image)
    clock, spool = ManualClock(), Spool(SqliteStore(bench.path, reserve_bytes=0))
    keeper = Keeper(
        chest=chest_on(bench), spool=spool, shelf=spool.store, numbers=Numbers(), clock=clock, settings=KeysSettings()
    )
    try:
        await spool.open(clock.now_us(), keeper.unlock)
        try:
            verdict = await verify(spool.store, spool.sealer)
            await keeper.rotate()
        finally:
            await spool.close()
    except KeysUnfit as unfit:
        return f"coming up: {unfit}"
    finally:
        bench.clear()
    return "" if verdict.ok else f"coming up: {verdict}"


async def live(plan: Plan, folder: Path) -> Report:
    """One life, and every cut through it."""
    home = folder / "home"
    home.mkdir()
    master = home / MASTER
    make_key_file(master, ManualClock(seed=plan.seed).now_us())
    tape = Tape({MASTER: master.read_bytes()})
    names, contents = dict(tape.names), dict(tape.first)
    story = Custodian(home, tape, plan)
    await story.run()
    tape.unregister()
    disk, chance = Disk(names, contents), random.Random(plan.seed)  # noqa: S311 - a story, not a secret
    bench, service = Bench(folder / "bench"), Bench(folder / "service")
    seen, states, came_up = dict[State, Found](), 0, 0
    objections, examples = Counter[str](), dict[str, str]()
    for moment, step in enumerate(tape.steps, 1):
        disk.feed(step)
        told = {number for number, at in story.told if at <= moment}
        for state in disk.states(chance, plan.states_each_step):
            states += 1
            found = seen.get(state)
            if found is None:
                image = disk.image(state)
                found = seen[state] = await look_at_keys(bench, image)
                if len(seen) % COME_UP_ONE_IN == 1 and found.numbers and not found.trouble:
                    came_up += 1
                    found = found._replace(trouble=await come_up(service, image))
            lost = told - found.numbers
            for words in filter(None, (found.trouble, f"lost: {sorted(lost)}" if lost else "")):
                kind = words.partition(":")[0]
                objections[kind] += 1
                examples.setdefault(kind, f"seed {plan.seed}, step {moment}: {words[:300]}")
    return Report(states, len(seen), came_up, len(story.told), story.done, objections, tuple(examples.values()))


def lives(plan: Plan) -> Report:
    """A life from a seed, cut everywhere."""
    home = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="nightsafe-keys-", dir=home) as folder:
        return asyncio.run(live(plan, Path(folder)))
