"""The PostgreSQL engine of the spool: submit on the event loop, commit on one connection, read on others."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Draft, Entry
from spool.errors import SpoolClosed, SpoolError, SpoolHeld, SpoolUnfit, StorageUncertain
from spool.gathering import WAIT_S, Gathering
from spool.lanes import Entering, FormerLanes
from spool.nodes import Nodes
from spool.postgres import asking
from spool.postgres.asking import Connect
from spool.postgres.commit import Lost, Writer
from spool.postgres.connection import Connection, Pool, connect, lies_outside, not_opened, pool, said_of
from spool.postgres.expected import Expectations
from spool.postgres.hold import Time, unstopped
from spool.postgres.membership import Membership
from spool.postgres.questions import counted, told_as_closed
from spool.postgres.schema import bring_up_to_date
from spool.postgres.seat import LeaseLost, SeatTaken, living, take_seat
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL
from spool.postgres.transaction import ORPHANS_MAX
from spool.postgres.work import Closed, Renewal, Rescue, Sweep, Work
from spool.rank import USUAL
from spool.store import Health, Inserted, Known, Move, NotReversible
from spool.tally import Tally
from spool.work import Behind, Followers, Insertion, Moves, Resealing, Reversing, tell

BATCH_MAX: Final = 512
"""Most requests that share one commit: bounds the memory and the latency of one transaction."""

_FIRST_LANE: Final[tuple[Any, ...]] = (-(2**63), "", 0)

RENEWED_AFTER: Final = 1 / 3
"""Part of a lease after which it is renewed, if no commit did."""

Batch = list[tuple[Work, "asyncio.Future[Any]"]]

MakePool = Callable[[PostgresSettings], Awaitable[Pool]]


class PostgresStore(Membership):
    """One node's part of a spool in PostgreSQL. See `spool.store.Store` for what it promises."""

    def __init__(
        self,
        settings: PostgresSettings,
        *,
        gather_s: float = WAIT_S,
        connect: Connect = connect,
        make_pool: MakePool = pool,
        now: Time = unstopped,
    ) -> None:
        """Keep the spool where the settings say.

        Args:
            settings: the database and how long to wait for it.
            gather_s: longest wait of a commit for those whom the one before it answered.
            connect: makes the connection that writes.
            make_pool: makes those that read.
            now: seconds that pass though the process stands still.
        """
        super().__init__(settings, now)
        self._settings = settings
        self._connect = connect
        self._make_pool = make_pool
        self._gathering = Gathering(gather_s)
        self._expected = Expectations(shared=settings.nodes_max > 1)
        self.tally: Tally = self._expected.tally
        #: See `spool.nodes.Nodes`: the store itself.
        self.nodes: Nodes = self
        #: Why nothing is taken, in words; empty when all is well.
        self._trouble = "not open"
        #: Fewer standbys follow than must.
        self._unsafe = ""
        #: Until when, by the loop's clock, others may take this node for one that is there.
        self._leased_until = 0.0
        #: Not before this time are others' claims taken over: they may be only now reaching the database again.
        self._takes_over_from = 0.0
        self._now_us = 0
        self._now_at = 0.0
        self._version = ""
        self._pending: Batch = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._enough = 1
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._committer: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None

    # Opening and closing

    async def open(self, now_us: int) -> None:
        """Take a seat at the spool. See `Store.open`."""
        self._closing.clear()
        self._loop = asyncio.get_running_loop()
        self._now_us, self._now_at = now_us, self._loop.time()
        try:
            await self._open_connections()
            await self._clear_up(now_us)
        except SeatTaken as error:
            await self._close_connections()
            raise SpoolHeld("in the database", "another node, whose lease runs") from error
        except Exception as error:
            await self._close_connections()
            said = not_opened(error)
            if said is None:
                raise
            raise said from error
        self._trouble = ""
        self._committer = asyncio.create_task(self._commit_for_ever(), name="spool committer")
        self._watcher = asyncio.create_task(self._watch_for_ever(), name="spool watch")

    async def time_us(self) -> int:
        """The database's, before it is opened; all nodes go by it. Raises what `open` does where it can't be reached."""
        return await asking.time_us(self._connect, self._settings)

    async def answers(self) -> bool:
        """The database can be reached; whether it can be opened is found by opening it."""
        return await asking.answers(self._connect, self._settings)

    async def close(self) -> None:
        """Commit what was submitted, then leave the seat. See `Store.close`."""
        if self._committer is None or self._watcher is None:
            return
        self._trouble = self._trouble or "closed"
        self._closing.set()
        self._wake.set()
        await self._committer
        await self._watcher
        self._committer = self._watcher = None
        # A courtesy: where it fails, the others see the lease run out.
        with contextlib.suppress(Exception):
            await self._writing.seat.leave(self._writing.db, self._left_as)
        await self._close_connections()
        self._writer = None

    async def _open_connections(self) -> None:
        """Connect, lay out, sit down; the former seat if it is still this process's."""
        former = self._writer
        db = await self._connect(self._settings)
        try:
            await self._require(db)
            await bring_up_to_date(db)
            self._hold.lose()
            started, held_from = asyncio.get_running_loop().time(), self._hold.now()
            seat = former.seat if former is not None else None
            if seat is None or not await seat.begin_anew(db, self._settings.lease_s):
                seat, self._closed_said = await self._sit_down(db), frozenset[str]()
        except BaseException:
            db.terminate()
            raise
        self._writer = Writer(db, seat, self._settings.lease_s)
        self._leased_until = started + self._settings.lease_s
        self._hold.renew(held_from)
        self._takes_over_from = started + self._settings.lease_s
        self._readers = await self._make_pool(self._settings)
        seated = asyncio.get_running_loop().time()
        seats = await db.fetch(SQL["seats"])
        self._portion.see(seats, seat.number, seated)
        seat.hear(seats)
        async with db.transaction(isolation="repeatable_read", readonly=True):
            others = counted(await db.fetch(SQL["tally_of_others"], seat.number))
            self._expected.begin(counted(await db.fetch(SQL["tally"])), others)
            await self._load_lanes(db)

    async def _load_lanes(self, db: Connection) -> None:
        """Where nobody else writes, memory knows which lanes are clear."""
        lanes, after = self._expected.lanes, _FIRST_LANE
        while not self.shared and (rows := await db.fetch(SQL["lanes"], *after)):
            for lane, route, _ in rows:
                lanes.add(route, lane, USUAL)
            after = tuple(rows[-1])
        lanes.finish_loading()

    async def _sit_down(self, db: Connection) -> Any:
        """A seat; where a node of this name just ended, when its lease has run out."""
        end = asyncio.get_running_loop().time() + 2 * self._settings.lease_s
        while True:
            try:
                said = self._settings
                return await take_seat(db, said.node, said.lease_s, said.nodes_max, alone=said.alone)
            except SeatTaken:
                if asyncio.get_running_loop().time() >= end:
                    raise
            await self._pause(self._settings.poll_s)

    async def _require(self, db: Connection) -> None:
        synchronous, self._version = await db.fetchrow(SQL["facts"])
        if synchronous == "off":
            raise SpoolUnfit("synchronous_commit is off in this database: its answers come before anything is on disk")
        await self._look_for_standbys(db)

    async def _look_for_standbys(self, db: Connection) -> None:
        least = self._settings.standbys_min
        following = await db.fetchval(SQL["synchronous_standbys"]) if least else 0
        self._unsafe = "" if following >= least else f"{following} of {least} synchronous standbys follow"

    async def _clear_up(self, now_us: int) -> None:
        """Attempts of a former run come into doubt; with nobody else there, nobody waits behind anybody."""
        writer, orphans = self._writing, ORPHANS_MAX
        while orphans == ORPHANS_MAX:
            orphans = await self._do_alone(Rescue(now_us, "restart", may_take_over=False))
        if living(await writer.db.fetch(SQL["seats"])) == [writer.seat.number]:
            await writer.db.execute(SQL["restore_all_arrivals"])
            await writer.db.execute(SQL["restore_times"], now_us)

    async def _do_alone(self, work: Work) -> Any:
        (result,) = await self._writing.commit([work])
        self._expected.settle(work, result)
        if isinstance(result, Exception):
            raise result
        return result

    async def _close_connections(self) -> None:
        readers, self._readers = self._readers, None
        if readers is not None:
            readers.terminate()
        if self._writer is not None:
            self._writer.db.terminate()

    # Writing: everything that waits shares one commit

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known]:
        """Record a new payment. See `Store.insert`."""
        return self._submit(Insertion(draft, key_id, sealed))

    def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known | NotReversible]:
        """Record a reversal. See `Store.reverse`."""
        return self._submit(Reversing(draft, key_id, sealed))

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
        if not await self._rows("followers", route, lane, 1):
            return []
        found: list[Entry] = await self._submit(Followers(route, lane, limit))
        return found

    def _submit(self, work: Work) -> "asyncio.Future[Any]":
        """The future answer; already there, as an error, when nothing is taken."""
        answer: asyncio.Future[Any] = (self._loop or asyncio.get_running_loop()).create_future()
        trouble = self._trouble or (self._unsafe if isinstance(work, Insertion | Reversing) else "")
        if trouble:
            answer.set_exception(SpoolClosed(f"the spool takes nothing: {trouble}"))
            return answer
        self._expected.expect(work)
        self._pending.append((work, answer))
        if len(self._pending) >= self._enough:
            self._wake.set()
        return answer

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                await self._gather()
                await self._commit_once()
            if self._closing.is_set():
                return

    async def _gather(self) -> None:
        """Under load, wait for those whom the last commit answered, but not for long."""
        loop = asyncio.get_running_loop()
        wanted = min(self._gathering.wanted(loop.time()), BATCH_MAX)
        if len(self._pending) >= wanted or self._closing.is_set():
            return
        self._enough = wanted
        self._wake.clear()
        timer = loop.call_later(self._gathering.wait_s, self._wake.set)
        await self._wake.wait()
        timer.cancel()
        self._enough = 1

    async def _commit_once(self) -> None:
        """One commit with everything that waits; the one before was the time to gather it."""
        batch, self._pending = self._pending[:BATCH_MAX], self._pending[BATCH_MAX:]
        loop = asyncio.get_running_loop()
        started, held_from = loop.time(), self._hold.now()
        watch = loop.call_later(self._settings.stall_s, self._give_up, batch)
        try:
            results = await self._writing.commit([work for work, _ in batch])
        except StorageUncertain as error:
            watch.cancel()
            for _, answer in batch:
                tell(answer, error)
            await self._reopen(f"after an uncertain commit: {error}")
            return
        except Exception as error:  # noqa: BLE001 - surely nothing was stored, and everybody waits for an answer
            results = [error] * len(batch)
        watch.cancel()
        gone = next((each for each in results if isinstance(each, Lost | LeaseLost)), None)
        if any(not isinstance(each, Exception) for each in results):
            # A transaction that was rolled back, for want of room say, renewed nothing.
            self._leased_until = started + self._settings.lease_s
            self._hold.renew(held_from)
        if gone is None:
            self._trouble = "closed" if self._closing.is_set() else ""
        self._gathering.ended(len(batch), len(self._pending), loop.time())
        for (each, answer), result in zip(batch, results, strict=True):
            self._expected.settle(each, result)
            tell(answer, result)
        if gone is not None:
            await self._reopen(str(gone))

    def _give_up(self, batch: Batch) -> None:
        """A commit hangs: nobody waits longer than the stall limit, and nothing new is taken until it is over."""
        self._trouble = f"a commit has been hanging for over {self._settings.stall_s:g} s"
        for _, answer in batch:
            tell(answer, StorageUncertain(self._trouble))
        self._turn_away()

    def _turn_away(self) -> None:
        """Tell whoever waits for a later commit that nothing was stored."""
        waiting, self._pending = self._pending, []
        for work, answer in waiting:
            self._expected.settle(work, error := SpoolClosed(f"nothing was stored: {self._trouble}"))
            tell(answer, error)

    async def _reopen(self, why: str) -> None:
        """Only what the database holds counts now: connect anew, forget what memory thought."""
        self._trouble = f"connecting again: {why}"
        self._turn_away()
        while not self._closing.is_set() and not await self._is_open_anew():
            await self._pause(self._settings.reopen_s)
        self._trouble = "closed" if self._closing.is_set() else ""

    async def _is_open_anew(self) -> bool:
        """One attempt; it writes, which shows that the database takes some again and covers what was uncertain."""
        try:
            await self._close_connections()
            await self._open_connections()
            await self._do_alone(Rescue(self._about_now_us(), "lease_lost", may_take_over=False))
            self._turn_away()
        except (SpoolError, SeatTaken) as error:
            self._trouble = f"could not connect again yet: {said_of(error)}"
        except Exception as error:
            # Whatever the database says may be over the next time: that its disk is full, or that others are in the way.
            if not lies_outside(error):
                raise
            self._trouble = f"could not connect again yet: {said_of(error)}"
        else:
            return True
        return False

    async def _pause(self, seconds: float) -> None:
        """Unless it is closed meanwhile."""
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait([closing], timeout=seconds)
        closing.cancel()

    # The other nodes

    async def _watch_for_ever(self) -> None:
        while not self._closing.is_set():
            await self._pause(self._settings.poll_s)
            if not self._closing.is_set():
                await self.look_round()

    async def look_round(self) -> None:
        """Once: what the others took, who of them is gone, what waits for nobody; and go on with the lease."""
        started = asyncio.get_running_loop().time()
        try:
            if self._hold.left_s < self._settings.lease_s * (1 - RENEWED_AFTER):
                await self._submit(Renewal())
            # Whatever keeps it from reading, it must not keep the lease from being renewed the next time.
            async with asyncio.timeout(self._settings.lease_s * RENEWED_AFTER):
                seats = await self._rows("seats")
                if seats:  # none in a copy from before any node had one
                    self.on_time(seats[0]["now_us"])
                others = counted(await self._rows("tally_of_others", self._writing.seat.number))
                strays = await self._rows("waiting_for_nobody", 1)
                with told_as_closed():
                    await self._look_for_standbys(self._reading)
            self._portion.see(seats, self._writing.seat.number, started)
            self._writing.seat.hear(seats)
            news = self._share_lanes(seats) | self._expected.hear(others)
            news |= await self._see_to(seats, sweep=bool(strays))
        except (SpoolError, TimeoutError):
            return  # the committer connects again, or somebody else reads
        if news:
            self.on_news()

    async def _see_to(self, seats: list[Any], *, sweep: bool) -> bool:
        """What a look round shows is to be done; True when entries came back into arrival order or fell due by it."""
        now = asyncio.get_running_loop().time()
        news = False
        if any(row["name"] and not row["lives"] and not row["gone"] for row in seats):
            rescue = Rescue(self._about_now_us(), "node_gone", may_take_over=now >= self._takes_over_from)
            news = bool(await self._submit(rescue))
        if sweep:
            news |= bool(await self._submit(Sweep()))
        if self._closed_routes != self._closed_said:
            said = self._closed_routes
            await self._submit(Closed(said))
            self._closed_said = said
        return news

    def _about_now_us(self) -> int:
        """The time, by the clock of whoever opened the store."""
        return self._now_us + round((asyncio.get_running_loop().time() - self._now_at) * 1_000_000)

    # Reading, besides `spool.postgres.questions`

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """Never surely: other nodes write as well."""
        return self._expected.lanes.is_clear(route, lane)

    def former_lanes(self, entering: Entering) -> FormerLanes:  # noqa: ARG002 - each is looked for when it is asked about
        """Lanes of before another index key. See `Store.former_lanes`."""
        return self._expected.lanes.former(self.lane_is_clear)

    async def health(self) -> Health:
        """How the engine is; also while the database can't be asked."""
        size_bytes = 0
        with contextlib.suppress(SpoolError):
            size_bytes = await self._figure("size")
        return Health(
            engine="postgres",
            version=self._version,
            accepting=not self._trouble and not self._unsafe,
            trouble=self._trouble or self._unsafe,
            free_bytes=0,
            reserve_bytes=0,
            size_bytes=size_bytes,
        )
