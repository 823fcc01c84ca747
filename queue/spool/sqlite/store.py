"""The SQLite engine of the spool: submit on the event loop, commit in one thread, read beside it."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Draft, Entry
from spool.errors import SpoolClosed, SpoolError, SpoolUnfit, StorageFull, StorageUncertain
from spool.expected import Expected
from spool.gathering import LINGER_S, WAIT_S, Waiting
from spool.keeping import Keeping
from spool.lanes import Entering, FormerLanes, LaneFilter
from spool.lifecycle import DOUBT, WAITING
from spool.nodes import Alone, Nodes
from spool.rank import USUAL, WORST
from spool.rows import cell_in, key_uses_in
from spool.sqlite.adopting import adopt
from spool.sqlite.commit import Disk, commit
from spool.sqlite.connection import (
    LIBRARY_VERSION,
    Connect,
    Connection,
    DatabaseError,
    Owner,
    connect,
    make_file,
)
from spool.sqlite.fetching import size_of
from spool.sqlite.held import Held, loaded
from spool.sqlite.keys import HELD_MAX
from spool.sqlite.looking import Looking
from spool.sqlite.records import SqliteRecords
from spool.sqlite.schema import bring_up_to_date
from spool.sqlite.statements import SQL
from spool.sqlite.wal import PAGES_MAX, Log, Syncing, carry_over, log_of, write_over
from spool.store import Health, Inserted, Known, Move, NotReversible
from spool.tally import Cell
from spool.uses import KeyUse, Recount
from spool.work import (
    Batch,
    Behind,
    Followers,
    Insertion,
    Memo,
    Moves,
    Resealing,
    Reversing,
    Work,
    numbers_of,
    pages_of,
    tell,
)

BATCH_MAX: Final = 512
"""Most requests that share one commit: bounds the memory and the latency of one transaction."""

_REOPENED: Final = Memo("reopened", b"")
"""What is written to show that the disk takes writes again."""

_LANES: Final = ("lanes_in_arrival", "lanes_aside")
"""What is asked for the lanes of all unfinished entries, from the indexes alone."""

LANES_LOADED_AT_ONCE: Final = 50_000
"""With more entries waiting, lanes are counted after opening; until then no lane is called clear."""


class SqliteStore(Looking, Keeping):
    """One SQLite file in this process's sole hands. See `spool.store.Store` for what it promises."""

    def __init__(
        self,
        path: Path,
        *,
        reserve_bytes: int = 64 * 2**20,
        stall_s: float = 5.0,
        reopen_s: float = 1.0,
        gather_s: float = WAIT_S,
        linger_s: float = LINGER_S,
        connect: Connect = connect,
        write_over: Callable[[Path], None] = write_over,
        open_log: Callable[[Path], Syncing] = Log,
        log_pages_max: int = PAGES_MAX,
        keys_held_max: int = HELD_MAX,
    ) -> None:
        """Keep the spool at `path`.

        Args:
            path: the database file; its folder is made when it isn't there.
            reserve_bytes: nothing new is taken when its disk has less than this free.
            stall_s: seconds after which whoever waits for a hanging commit is told that nobody knows.
            reopen_s: seconds between attempts to open the file again after an uncertain commit.
            gather_s: longest wait of a commit for those whom the one before it answered.
            linger_s: longest wait of what nobody waits for.
            connect: opens a connection to the file.
            write_over: makes sure that SQLite's log is on disk as it reads. See `spool.sqlite.wal`.
            open_log: what takes the log of the database at a path to disk after each commit.
            log_pages_max: about how many pages the log has when it is carried over into the database.
            keys_held_max: how many keys are held in memory before they are taken into the table of keys.
        """
        super().__init__()
        self.path = path
        self._stall_s = stall_s
        self._reopen_s = reopen_s
        self._gather_s, self._linger_s = gather_s, linger_s
        #: What is to be committed.
        self._waiting = Waiting(BATCH_MAX, gather_s, linger_s)
        self._connect = connect
        self._write_over = write_over
        self._log = open_log(path)
        self._is_sure_of_the_log = True
        self._log_pages_max = log_pages_max
        #: How many pages were written to it since it was carried over, about.
        self._log_pages = 0
        self._keys_held_max = keys_held_max
        self._held: Held | None = None
        self._expected = Expected(LaneFilter)
        self.tally = self._expected.tally
        self.nodes: Nodes = Alone()
        self._reserve_bytes = reserve_bytes
        self._owner: Owner | None = None
        self._writer: Connection | None = None
        #: Where lanes of an earlier run are counted: the file as it was when it was opened.
        self._snapshot: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._committer: asyncio.Task[None] | None = None
        self._loader: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    # Opening and closing

    async def open(self, now_us: int) -> None:
        """Take the file in hand. See `Store.open`."""
        self._closing.clear()
        self._waiting = Waiting(BATCH_MAX, self._gather_s, self._linger_s)
        self._loop = asyncio.get_running_loop()
        try:
            self._take(datetime.fromtimestamp(now_us // 1_000_000, UTC).isoformat())
            await self._open_connections()
            self._held = await self._writing.run(partial(loaded, keys_held_max=self._keys_held_max))
            self._keys = self._held.keys
            await self._writing.run(partial(adopt, growth=self._held.growth))
            await self._doubt_the_former_run(now_us)
            await self._writing.execute(SQL["restore_all_arrivals"])
            await self._writing.execute(SQL["restore_times"], (now_us, now_us, now_us))
            await self._load()
        except (DatabaseError, OSError, StorageFull, StorageUncertain) as error:
            self._is_sure_of_the_log = False
            await self._let_go()
            raise SpoolUnfit(f"{self.path} can't be opened as a spool: {error}") from error
        except BaseException:
            await self._let_go()
            raise
        self._trouble = ""
        self._committer = asyncio.create_task(self._commit_for_ever(), name="spool committer")

    async def close(self) -> None:
        """Commit what was submitted, then let go. See `Store.close`."""
        if self._owner is None:
            return
        self._trouble = self._trouble or "closed"
        self._closing.set()
        assert self._committer is not None, "who holds the file is open: nobody closes while it is being opened"
        self._waiting.close()
        await self._committer
        await self._let_go()

    def _take(self, started: str) -> None:
        """Become the file's owner, and make it where there is none."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._owner = Owner(self.path.with_name(self.path.name + ".lock"), started)
        make_file(self.path)

    async def _let_go(self) -> None:
        await self._close_connections()
        if self._owner is not None:
            self._owner.release()
            self._owner = None

    async def _open_connections(self) -> None:
        # A former run may have ended after a sync that failed.
        await self._make_sure_of_the_log()
        self._writer = await self._connect(self.path, writing=True)
        await self._writer.run(bring_up_to_date)
        self._reader = await self._connect(self.path, writing=False)

    async def _make_sure_of_the_log(self) -> None:
        """Before SQLite reads the log or carries it over: what a failed sync left may read as written and not be."""
        await asyncio.to_thread(self._write_over, log_of(self.path))
        self._is_sure_of_the_log = True

    async def _close_connections(self) -> None:
        await self._stop_loading()
        # The last connection to close carries the log over, and that must be the writer; but where the log may not be on
        # disk as it reads, it must be nobody: a reader can't.
        last = (self._reader, self._writer) if self._is_sure_of_the_log else (self._writer, self._reader)
        connections = (self._snapshot, *last)
        # Whoever asks meanwhile is told that the spool is closed.
        self._snapshot = self._reader = self._writer = None
        for connection in connections:
            if connection is not None:
                await connection.close()
        self._log.close()

    async def _doubt_the_former_run(self, now_us: int) -> None:
        """Attempts a former run left in hand may have left: only their core can tell."""
        after = 0
        while entries := await self._many(SQL["in_flight"], (after,)):
            moves = [Move(entry=e, transition=DOUBT, at_us=now_us, due_at_us=now_us, reason="restart") for e in entries]
            (result,) = await self._writing.run(self._doing([Moves(moves)], reserve_bytes=0))
            if isinstance(result, Exception):
                raise SpoolUnfit(f"what the former run left in flight can't be put in doubt: {result}")
            after = entries[-1].number

    async def _load(self) -> None:
        """Take tally and lanes from disk, as it is at this moment: what comes after it memory counts by itself."""
        self._snapshot = snapshot = await self._connect(self.path, writing=False)
        await snapshot.execute("BEGIN")
        rows = await snapshot.execute_fetchall(SQL["tally"])
        (has_late,) = next(iter(await snapshot.execute_fetchall(SQL["has_late"])))
        self._expected.renew({cell_in(row): (row[6], row[7]) for row in rows}, WORST if has_late else USUAL)
        waiting = sum(total.entries for cell, total in self.tally.cells() if cell.state in WAITING)
        if waiting <= LANES_LOADED_AT_ONCE:
            await self._load_lanes(snapshot)
        else:
            self._loader = asyncio.create_task(self._load_lanes(snapshot), name="spool lanes")

    async def _load_lanes(self, snapshot: Connection) -> None:
        """Count the lanes of an earlier run, a piece at a time."""
        lanes = self._expected.lanes
        for name in _LANES:
            cursor = await snapshot.execute(SQL[name])
            while rows := await cursor.fetchmany(2_000):
                for route, lane, rank in rows:
                    lanes.add(route, lane, rank)
            await cursor.close()
        lanes.finish_loading()
        self._snapshot = None
        await snapshot.close()

    async def lanes(self) -> AsyncIterator[Sequence[int]]:
        """The lanes of all unfinished entries, of one moment, on a connection of its own."""
        self._require_open()
        snapshot = await self._connect(self.path, writing=False)
        try:
            await snapshot.execute("BEGIN")
            for name in _LANES:
                cursor = await snapshot.execute(SQL[name])
                while rows := await cursor.fetchmany(2_000):
                    yield [lane for _, lane, _ in rows]
                await cursor.close()
        finally:
            await snapshot.close()

    async def _stop_loading(self) -> None:
        if self._loader is not None:
            self._loader.cancel()
            await asyncio.wait([self._loader])
            self._loader = None

    # Writing: everything that waits shares one commit

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known]:
        """Record a new payment. See `Store.insert`."""
        return self._submit(Insertion(self._expected.lanes.ranked(draft), key_id, sealed))

    def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known | NotReversible]:
        """Record a reversal. See `Store.reverse`."""
        return self._submit(Reversing(self._expected.lanes.ranked(draft), key_id, sealed))

    def move(self, moves: Sequence[Move]) -> Awaitable[list[bool]]:
        """Make moves by compare-and-set. See `Store.move`."""
        return self._submit(Moves(moves))

    def reseal(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> Awaitable[list[bool]]:
        """Put contents sealed anew in their old ones' places. See `Store.reseal`."""
        return self._submit(Resealing(anew, key_id))

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """Take ready entries out of arrival order. See `Store.set_behind`."""
        if entries:
            await self._submit(Behind(entries))

    async def followers(self, route: str, lane: int, limit: int) -> list[Entry]:
        """Ready entries of one lane that were set behind. See `Store.followers`."""
        found: list[Entry] = await self._submit(Followers(route, lane, limit))
        return found

    def _submit(self, work: Work) -> "asyncio.Future[Any]":
        """The future answer; already there, as an error, when nothing is taken."""
        answer: asyncio.Future[Any] = (self._loop or asyncio.get_running_loop()).create_future()
        if self._trouble:
            answer.set_exception(SpoolClosed(f"the spool takes nothing: {self._trouble}"))
            return answer
        self._expected.expect(work)
        self._waiting.add(work, answer)
        return answer

    def _doing(self, works: Sequence[Work], reserve_bytes: int) -> Callable[[Any], list[Any]]:
        """A commit, to be run in the writing connection's thread."""
        assert self._held is not None, "what memory holds is read before anything is written"
        disk = Disk(str(self.path.parent), reserve_bytes, self._log.sync)
        return partial(commit, works=works, held=self._held, disk=disk)

    async def _commit_for_ever(self) -> None:
        """One commit after the other, each with everything that waits; the one before was the time to gather it."""
        while batch := await self._waiting.next():
            await self._commit(batch)
            if self._log_pages >= self._log_pages_max:
                await self._carry_over()

    async def _carry_over(self) -> None:
        """Between two commits, as what it takes over must be on disk; nobody waits longer for it than for a commit."""
        watch = asyncio.get_running_loop().call_later(self._stall_s, self._give_up, ())
        carried = await self._writing.run(carry_over)
        watch.cancel()
        # Behind a reader again soon: he is gone in a while, and another may be there then.
        self._log_pages = 0 if carried else self._log_pages_max * 9 // 10
        self._recover()

    async def _commit(self, batch: Batch) -> None:
        loop = asyncio.get_running_loop()
        watch = loop.call_later(self._stall_s, self._give_up, batch)
        under_way, self._unsynced = loop.create_future(), numbers_of(batch)
        self._under_way = under_way
        try:
            results = await self._writing.run(self._doing([work for work, _ in batch], self._reserve_bytes))
        except StorageUncertain as error:
            watch.cancel()
            self._is_sure_of_the_log = False
            tell(under_way, result=False)
            await self._reopen(batch, error)
            return
        except Exception as error:  # noqa: BLE001 - surely nothing was stored, and everybody waits for an answer
            results = [error] * len(batch)
        watch.cancel()
        tell(under_way, result=True)
        self._recover()
        self._log_pages += pages_of(batch)
        self._waiting.ended(len(batch))
        for (each, answer), result in zip(batch, results, strict=True):
            self._expected.settle(each, result)
            tell(answer, result)

    def _give_up(self, batch: Sequence[tuple[Work, "asyncio.Future[Any]"]]) -> None:
        """A commit hangs: nobody waits longer than the stall limit, and nothing new is taken until it is over."""
        self._trouble = f"a commit has been hanging for over {self._stall_s:g} s"
        if self._under_way is not None:
            tell(self._under_way, result=False)
        for _, answer in batch:
            tell(answer, StorageUncertain(self._trouble))
        self._turn_away()

    def _turn_away(self) -> None:
        """Tell whoever waits for a later commit that nothing was stored."""
        for work, answer in self._waiting.turned_away():
            self._expected.settle(work, error := SpoolClosed(f"nothing was stored: {self._trouble}"))
            tell(answer, error)

    async def _reopen(self, batch: Batch, error: StorageUncertain) -> None:
        """After a commit that raised, only what is on disk counts: open it anew, forget what memory thought."""
        self._trouble = f"reopening after an uncertain commit: {error}"
        self._keys = None
        for _, answer in batch:
            tell(answer, error)
        self._turn_away()
        while not self._closing.is_set() and not await self._is_open_anew():
            closing = asyncio.ensure_future(
                self._closing.wait()
            )  # pragma: no cover - 3.11 traces no line after a throw
            await asyncio.wait([closing], timeout=self._reopen_s)
            closing.cancel()
        self._recover()

    async def _is_open_anew(self) -> bool:
        """One attempt. A write is part of it: it shows that the disk takes some again, and covers the uncertain one."""
        try:
            # First of all: the last connection to close carries the log over.
            await self._make_sure_of_the_log()
            await self._close_connections()
            await self._open_connections()
            # What is read from here on is on disk, whether more can be written or not.
            self._under_way = None
            self._held = await self._writing.run(partial(loaded, keys_held_max=self._keys_held_max))
            await self._load()
            self._keys = self._held.keys
            await self._writing.run(self._doing([_REOPENED], reserve_bytes=0))
        except (DatabaseError, SpoolError, OSError) as error:
            self._is_sure_of_the_log = False
            self._trouble = f"could not be reopened yet after an uncertain commit: {error}"
            return False
        return True

    def _recover(self) -> None:
        """The trouble is over; closing, if it was asked for meanwhile, is not."""
        self._under_way = None
        self._trouble = "closed" if self._closing.is_set() else ""

    # Reading, besides `spool.sqlite.questions`

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in this lane, surely."""
        return self._expected.lanes.is_clear(route, lane)

    def former_lanes(self, entering: Entering) -> FormerLanes:  # noqa: ARG002 - each is looked for when it is asked about
        """Lanes of before another index key. See `Store.former_lanes`."""
        return self._expected.lanes.former(self.lane_is_clear)

    async def recount(self) -> AsyncIterator[dict[Cell, tuple[int, int]]]:
        """Count entries and sums anew, in steps, in one snapshot of the file. See `Store.recount`."""
        self._require_open()
        connection = await self._connect(self.path, writing=False)
        try:
            await connection.execute("BEGIN")
            kept = await connection.execute_fetchall(SQL["tally"])
            yield {cell_in(row): (row[6], row[7]) for row in kept if row[6] or row[7]}
            counted: dict[Cell, tuple[int, int]] = {}
            after = 0
            while rows := list(await connection.execute_fetchall(SQL["recount"], (after,))):
                for row in rows:
                    entries, amount = counted.get(cell_in(row), (0, 0))
                    counted[cell_in(row)] = (entries + row[6], amount + row[7])
                after = max(row[8] for row in rows)
                yield counted
            yield counted
        finally:
            await connection.close()

    async def recount_keys(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """What needs data keys, kept and counted anew, in one snapshot of the file. See `Store.recount_keys`."""
        self._require_open()
        connection = await self._connect(self.path, writing=False)
        try:
            await connection.execute("BEGIN")
            found = Recount(key_uses_in(await connection.execute_fetchall(SQL["key_uses"])))
            while rows := list(await connection.execute_fetchall(SQL["recount_keys"], (found.after,))):
                found.add(rows)
            return found.both()
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def records(self) -> AsyncGenerator[SqliteRecords]:
        """Everything there is and its evidence, in one snapshot of the file. See `Store.records`."""
        self._require_open()
        connection = await self._connect(self.path, writing=False)
        try:
            await connection.execute("BEGIN")
            records = SqliteRecords(connection)
            await records.head()  # the snapshot is of the first read
            yield records
        finally:
            await connection.close()

    async def health(self) -> Health:
        """How the engine is."""
        free = shutil.disk_usage(self.path.parent).free
        short = free < self._reserve_bytes
        files = [self.path, self.path.with_name(self.path.name + "-wal")]
        return Health(
            engine="sqlite",
            version=LIBRARY_VERSION,
            accepting=not self._trouble and not short,
            trouble=self._trouble or ("the disk is down to its reserve" if short else ""),
            free_bytes=free,
            reserve_bytes=self._reserve_bytes,
            size_bytes=sum(map(size_of, files)),
        )

    @property
    def _writing(self) -> Connection:
        assert self._writer is not None, "whoever writes has opened it, and closes it only after"
        return self._writer
