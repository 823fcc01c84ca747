"""Every operation of a disk fails in turn, under the real engine: while it accepts, forwards, comes up, or is closed.

One run lets one operation fail (and perhaps those of its kind after it), heals the disk, and goes on. It is held
against three things: what callers were told is what the store has; what a power cut leaves afterwards has it too, where
a sync that failed left pages that no later sync takes to disk; and memory is in step with the file.
"""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
from msgspec.structs import replace

from spool.entry import Act as PersonsAct
from spool.entry import Entry
from spool.errors import SpoolClosed, SpoolError, SpoolUnfit, StorageFull, StorageUncertain
from spool.lifecycle import CANCEL, CLAIM, FINAL, POST, REFUSE, State
from spool.rank import USUAL
from spool.sqlite import SqliteStore
from spool.sqlite.connection import DatabaseError, connect
from spool.store import Filter, Move
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, go, put, reversal
from tests.powercut.campaign import SHARED_MEMORY
from tests.powercut.disk import Disk, Image
from tests.powercut.disk import State as CutState
from tests.powercut.look import SPOOL, Bench, doubted, look, sums_are_right
from tests.powercut.story import LOG_PAGES_MAX
from tests.powercut.tape import SHORT, Synced, Tape
from tests.powercut.taped_driver import opening
from tests.powercut.witness import Act, Found, Witness

WAIT_S: Final = 60
CUTS: Final = 5
"""States looked at after each step since a sync failed."""

FOR_GOOD: Final = 1 << 30


class Fault(NamedTuple):
    """What fails, and how."""

    operation: str
    code: int


FAULTS: Final[dict[str, Fault]] = {
    "EIO of a write": Fault("write", apsw.SQLITE_IOERR_WRITE),
    "ENOSPC": Fault("write", apsw.SQLITE_FULL),
    "a short write": Fault("write", SHORT),
    "EIO of a sync": Fault("sync", apsw.SQLITE_IOERR_FSYNC),
    "EIO of a read": Fault("read", apsw.SQLITE_IOERR_READ),
    "no opening": Fault("open", apsw.SQLITE_CANTOPEN),
    "EIO of a size": Fault("size", apsw.SQLITE_IOERR_FSTAT),
    "EIO of a look for a file": Fault("access", apsw.SQLITE_IOERR_ACCESS),
    "EIO of a cut": Fault("truncate", apsw.SQLITE_IOERR_TRUNCATE),
    "EIO of a deletion": Fault("delete", apsw.SQLITE_IOERR_DELETE),
}
"""Every way an operation fails."""

TIMES: Final = {"once": 1, "twice": 2, "for good": FOR_GOOD}
"""How long it lasts: for good is until the disk is healed."""


class Failing:
    """A disk on which operations of one kind fail, from the nth on, so many times."""

    def __init__(self, fault: Fault, nth: int, times: int) -> None:
        """Begin well; `armed` counts."""
        self._fault, self._nth, self._times = fault, nth, times
        self.armed = False
        self.seen = 0

    def __call__(self, operation: str, _name: str) -> int:
        """Say whether this one fails."""
        if not self.armed or operation != self._fault.operation:
            return 0
        self.seen += 1
        return self._fault.code if self._nth <= self.seen < self._nth + self._times else 0

    @property
    def was_met(self) -> bool:
        """Something failed."""
        return self.seen >= self._nth


class Run:
    """One run with one fault."""

    def __init__(self, folder: Path, image: Image, found: Found, trouble: Failing) -> None:
        """Begin with what is on disk."""
        self.tape = Tape(image)
        self.tape.trouble = trouble
        self.trouble = trouble
        self._folder = folder
        self.witness = Witness(lambda: len(self.tape.steps), found)
        self.entries: Mapping[int, Entry] = {
            number: first.entry
            for number, (first, *_) in self.witness.versions.items()
            if isinstance(first.entry, Entry)
        }
        self.store = self._a_store()
        #: What is wrong, in words.
        self.wrong: list[str] = []
        #: What is to be asked again: nobody knew.
        self._unsure: list[tuple[Act, Callable[[], Awaitable[Any]]]] = []

    def _a_store(self) -> SqliteStore:
        opened = partial(connect, open_file=opening(self.tape))
        return SqliteStore(
            self._folder / SPOOL,
            reserve_bytes=0,
            stall_s=WAIT_S,
            reopen_s=0.001,
            connect=opened,
            write_over=self.tape.write_over,
            open_log=self.tape.log,
            log_pages_max=LOG_PAGES_MAX,
        )

    async def ask(self, entries: Mapping[int, Entry | None], asking: Callable[[], Awaitable[Any]]) -> None:
        """Ask for something and note the answer: yes, no, or nobody knows."""
        act = self.witness.asks(entries)
        try:
            result = await asking()
        except StorageUncertain:
            self._unsure.append((act, asking))
        except (StorageFull, SpoolClosed):
            act.denied()
        except Exception as error:  # noqa: BLE001 - anything else is a finding
            self.wrong.append(f"told {type(error).__name__}: {error}")
        else:
            act.told(*([] if isinstance(result, list) else [result.entry]))

    async def insert(self, number: int, sealed: bytes) -> None:
        """Ask for a payment, of whatever store there is when it is asked."""
        await self.ask({number: None}, lambda: self.store.insert(draft(number), 1, sealed))

    async def see(self, asking: Callable[[], Awaitable[Any]]) -> None:
        """Read something, or change what no payment depends on; it may fail, in the driver's words or ours."""
        with suppress(DatabaseError, SpoolError):
            await asking()

    async def open(self) -> None:
        """Come up; the second time it must."""
        in_hand = [entry for entry in self.entries.values() if entry.state is State.IN_FLIGHT]
        acts = [self.witness.asks({entry.number: doubted(entry, LATER_US)}) for entry in in_hand]
        try:
            await self.store.open(LATER_US)
        except SpoolUnfit:
            # What was in doubt may be so already: the second opening asks for the same.
            self.trouble.armed = False
            await self.store.open(LATER_US)
        for act in acts:
            act.told()

    async def close(self) -> None:
        """Close it, whatever fails."""
        self.trouble.armed = True
        try:
            await self.store.close()
        except Exception as error:  # noqa: BLE001 - nothing may come of a close that fails
            self.wrong.append(f"closing raised {type(error).__name__}: {error}")
        self.trouble.armed = False

    async def start_again(self) -> None:
        """The next life, on a disk that is well."""
        self.store = self._a_store()
        await self.store.open(LATER_US)

    async def heal(self) -> None:
        """Let a disk that failed for good be seen failing, then heal it, and wait until payments are taken again."""
        async with asyncio.timeout(WAIT_S):
            while "reopening after" in (await self.store.health()).trouble:  # noqa: ASYNC110 - it announces nothing
                await asyncio.sleep(0)
            self.trouble.armed = False
            while not (await self.store.health()).accepting:  # noqa: ASYNC110 - it announces nothing
                await asyncio.sleep(0)

    async def ask_again(self) -> None:
        """With the same keys, and one more: now all is well."""
        for act, asking in self._unsure:
            result = await asking()
            if not isinstance(result, list):
                act.told(result.entry)
        await self.insert(90, b"sealed")
        await self._compare()

    async def _compare(self) -> None:
        """Memory and file say the same."""
        if not await sums_are_right(self.store):
            self.wrong.append("the sums are wrong")
        for entry in await self.store.page(Filter(), 100):
            if entry.state not in FINAL and self.store.lane_is_clear(entry.route, entry.lane):
                self.wrong.append(f"the lane of {entry.number} is called clear")

    def move(self, transition: Any, *numbers: int) -> Awaitable[None]:
        """Ask for moves of entries as they were at the beginning, or claimed since."""
        moves = [Move(entry=self.as_told(number), transition=transition, at_us=LATER_US) for number in numbers]
        return self.ask({move.entry.number: move.after() for move in moves}, partial(self.store.move, moves))

    def as_told(self, number: int) -> Entry:
        """The entry as the last answer has it."""
        told = [each.entry for each in self.witness.versions[number] if each.told <= len(self.tape.steps)]
        assert isinstance(told[-1], Entry), "none is forgotten here"
        return told[-1]

    def is_told(self, number: int, state: State) -> bool:
        """The entry is known to have come so far."""
        return self.as_told(number).state is state


async def accept(run: Run) -> None:
    """Payments come in together and alone, and one is reversed before it was sent."""
    store = run.store
    await asyncio.gather(*(run.insert(number, bytes(2_000)) for number in (11, 12, 13)))
    await run.insert(14, b"sealed")
    payment = run.entries[4]
    # Its payment is cancelled by it; the time is the reversal's own.
    undo = reversal(15, payment, accepted_at_us=LATER_US)
    netted = Move(entry=payment, transition=CANCEL, at_us=LATER_US, reason="reversed").after()
    await run.ask({15: None, 4: netted}, partial(store.reverse, undo, 1, b"sealed"))


async def forward(run: Run) -> None:
    """Entries are fetched, claimed together, and settled; others stand aside and come back."""
    store = run.store
    await run.see(partial(store.ready, "billing", USUAL, 0, 10))
    await run.see(partial(store.set_behind, [run.entries[3]]))
    await run.move(CLAIM, 1, 2)
    for number, transition in ((1, POST), (2, REFUSE)):
        if run.is_told(number, State.IN_FLIGHT):
            await run.move(transition, number)
    await run.see(partial(store.followers, "billing", 3, 10))
    await run.see(partial(store.due, "billing", LATER_US, 10))


async def rotate(run: Run) -> None:
    """Contents are sealed anew, together, while one of them is claimed; and a person's act has its place in the log."""
    store, known = run.store, [run.as_told(number) for number in (1, 2, 5)]
    sealed = bytes(300)
    anew: dict[int, Entry | None] = {entry.number: replace(entry, key_id=2, sealed=sealed) for entry in known}
    asking = partial(store.reseal, [(entry, sealed) for entry in known], 2)
    await asyncio.gather(run.ask(anew, asking), run.move(CLAIM, 3))
    await run.see(partial(store.act, PersonsAct(at_us=LATER_US, name="route_open", subject="billing", actor="anna")))


async def recover(_run: Run) -> None:
    """Nothing more: what fails is the opening."""


async def end(run: Run) -> None:
    """The spool is closed: some payments are on disk and not yet carried over, others just come."""
    await run.insert(11, bytes(2_000))
    coming = [asyncio.ensure_future(run.insert(number, b"sealed")) for number in (12, 13)]
    await asyncio.sleep(0)
    await run.close()
    await asyncio.gather(*coming)
    await run.start_again()


PHASES: Final = {"accept": accept, "forward": forward, "rotate": rotate, "recover": recover, "end": end}
"""What goes on while the disk fails."""


async def _before() -> Image:
    """A spool as a crash leaves it: four entries wait, two are in flight, and the log isn't carried over."""
    with tempfile.TemporaryDirectory(prefix="nightsafe-sweep-") as home:
        store = SqliteStore(Path(home) / SPOOL, reserve_bytes=0)
        await store.open(NOW_US)
        for number in range(1, 7):
            await put(store, draft(number))
        for number in (5, 6):
            entry = await store.get(number)
            assert entry is not None
            await go(store, entry, CLAIM)
        image = {name: (Path(home) / name).read_bytes() for name in (SPOOL, SPOOL + "-wal")}
        await store.close()
        return image


class Sweep(NamedTuple):
    """What a sweep came to."""

    #: Operations of the kind that were met.
    operations: int
    #: What is wrong, in words.
    wrong: list[str]


async def sweep(phase: str, fault: Fault, times: int, every: int = 1) -> Sweep:
    """Let each operation of a kind fail in turn, until there is none left to fail; or of so `every` many one, any of the first."""
    home = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    image = await _before()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nightsafe-sweep-", dir=home) as folder:
        bench = Bench(Path(folder) / "bench")
        found = look(bench, image)
        met = 0
        for nth in count(random.SystemRandom().randint(1, every), every):
            async with _laid_out(Path(folder) / "home", image) as place:
                trouble = Failing(fault, nth, times)
                run = Run(place, image, found, trouble)
                await _one(run, phase, bench)
            wrong += [f"{phase}, {fault.operation} {nth}: {each}" for each in run.wrong]
            if not trouble.was_met:
                break
            met = nth
    return Sweep(met, wrong)


@asynccontextmanager
async def _laid_out(place: Path, image: Image) -> AsyncIterator[Path]:
    bench = Bench(place)
    bench.lay(image)
    yield place
    bench.clear()


async def _one(run: Run, phase: str, bench: Bench) -> None:
    """Fail, heal, go on, and look."""
    names, contents = dict(run.tape.names), dict(run.tape.first)
    run.trouble.armed = phase == "recover"
    try:
        await run.open()
        run.trouble.armed = phase not in {"recover", "end"} or run.trouble.armed
        await PHASES[phase](run)
        await run.heal()
        await run.ask_again()
        end = len(run.tape.steps)
    finally:
        await run.store.close()
        run.tape.unregister()
    run.wrong += run.witness.objections(look(bench, _files(run.store.path)), run.witness.bounds(len(run.tape.steps)))
    run.wrong += _after_cuts(run, Disk(names, contents), end, bench)


def _after_cuts(run: Run, disk: Disk, end: int, bench: Bench) -> Iterator[str]:
    """What power cuts leave: at the end, and where a sync had failed, after every step since."""
    chance = random.Random(1)  # noqa: S311 - the same every time
    seen = set[CutState]()
    a_sync_failed = False
    for moment, step in enumerate(run.tape.steps[:end], 1):
        disk.feed(step)
        a_sync_failed |= isinstance(step, Synced) and not step.succeeded
        for state in disk.states(chance, CUTS) if a_sync_failed or moment == end else ():
            if state not in seen:
                seen.add(state)
                objections = run.witness.objections(look(bench, disk.image(state)), run.witness.bounds(moment))
                yield from (f"after a power cut at step {moment}: {each}" for each in objections)


def _files(path: Path) -> Image:
    there = (path, path.with_name(path.name + "-wal"))
    return {file.name: file.read_bytes() for file in there if file.exists()}
