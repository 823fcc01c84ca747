"""A real PostgreSQL in simulated time: its statements take real moments in which nothing else happens, and virtual ones.

The engine and its SQL are the product's own, and so is the server. What isn't real is the way there, which breaks as the
seed says, and the server's clock: the schema has a `now()` of its own, which tells virtual time, and goes before
PostgreSQL's. A statement that would wait for a lock is found out by the server after a millisecond, undone to a savepoint,
and done again once some transaction has ended: so whoever holds the lock can get on, in virtual time, or be killed.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types
from asyncpg import exceptions as said  # it comes without types either

from spool.entry import Entry
from spool.memory import MemoryStore
from spool.postgres import PostgresSettings, PostgresStore
from spool.postgres.schema import bring_up_to_date
from spool.postgres.statements import SQL
from spool.rows import cell_in, entry_of, event_in
from tests.contracts.postgres_server import SHARED
from tests.simulation.disk import Disk
from tests.simulation.nature import START_US, Nature

SCHEMA: Final = "simulated"
LEASE_S: Final = 5.0
POLL_S: Final = 1.0
STATEMENT_S: Final = 10.0
"""Virtual seconds a statement may take."""

WAITS: Final = frozenset(
    SQL[name] for name in ("renew", "renew_for_log", "hold_log", "my_seat", "sit_down", "take_over", "say_closed")
)
"""Statements of a transaction that wait for other nodes, as those alone do that are transactions by themselves. Any other
that meets a lock is told to begin anew, as a database may tell."""

CLOCK: Final = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE OR REPLACE FUNCTION {SCHEMA}.now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT pg_catalog.to_timestamp(pg_catalog.current_setting('simulated.now_us')::numeric / 1000000) $$;
"""

GONE: Final = "the way to the database is broken"
TABLES: Final = ("entry", "event", "act", "block", "tally", "key_use", "memo", "node", "account", "spent", "barred")


class Server:
    """The real server, and a thread whose loop talks to it; whoever asks stands still until the answer is there."""

    def __init__(self) -> None:
        """With the tables laid out, and no connections yet."""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.idle: list[Any] = []
        SHARED.server.ask(*CLOCK.strip().split(";\n"))
        db = self.connection()
        self.ask(db.execute("SET simulated.now_us = 0"))
        self.ask(bring_up_to_date(db))
        # It would come at real moments of its own, and its locks would be in a statement's way in one run and not in the next.
        self.ask(db.execute("".join(f"ALTER TABLE {table} SET (autovacuum_enabled = false);" for table in TABLES)))
        self.idle.append(db)

    def ask(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of real work."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def connection(self) -> Any:
        """One that nobody uses."""
        return self.idle.pop() if self.idle else self.ask(self._connect())

    async def _connect(self) -> Any:
        session = {
            "search_path": f"{SCHEMA},pg_catalog",
            "lock_timeout": "1ms",
            "enable_seqscan": "off",
            "timezone": "UTC",
        }
        return await asyncpg.connect(**SHARED.server.address, server_settings=session)

    def empty(self) -> None:
        """As nobody ever was here."""
        db = self.connection()
        script = "".join(f"DELETE FROM {table};" for table in TABLES)  # noqa: S608 - names of ours
        self.ask(db.execute(f"{script} UPDATE log SET size = 0, peaks = '', bars = 0"))  # noqa: S608 - the same
        self.ask(db.execute(f"VACUUM {', '.join(TABLES)}, log"))
        self.idle.append(db)


_SERVERS: Final[list[Server]] = []


def server() -> Server:
    """The one of this process."""
    if not _SERVERS:
        _SERVERS.append(Server())
    return _SERVERS[0]


class Image(MemoryStore):
    """What the tables hold, as the judge looks at it: read anew, in a way of its own, after each commit."""

    def __init__(self, server: Server) -> None:
        """Nothing yet."""
        super().__init__()
        self._opened = True
        self._server = server
        self._db = server.connection()
        #: By number, the place in the log of its recording and of its last attempt's beginning.
        self.recorded: dict[int, int] = {}
        self.begun: dict[int, int] = {}
        #: What was there at the last look and is no more, with whether it had its key.
        self.gone: list[tuple[Entry, bool]] = []

    def read(self) -> None:
        """Look."""
        self._server.ask(self._read())

    async def _read(self) -> None:
        rows = await self._db.fetch(SQL["kept_entries"], 0, 10_000)
        entries = [entry_of(row) for row in rows]
        before, self._entries = self._entries, {entry.number: entry for entry in entries}
        owned = self._owners
        self.gone += [
            (entry, owned.get((entry.channel, entry.key)) == number)
            for number, entry in before.items()
            if number not in self._entries
        ]
        self._numbers = list(self._entries)
        self._owners = {(row["channel"], row["key"]): row["number"] for row in rows if row["owns_key"]}
        self.recorded = {row["number"]: row["leaf"] for row in rows}
        begun = await self._db.fetch("SELECT number, max(leaf) FROM event WHERE target = 2 GROUP BY number")
        self.begun = dict(tuple(row) for row in begun)
        self.tally.load({cell_in(row): (row[6], row[7]) for row in await self._db.fetch(SQL["tally"])})

    def read_histories(self) -> None:
        """What happened to each entry."""
        self._server.ask(self._read_histories())

    async def _read_histories(self) -> None:
        self._history.clear()
        for number in self._numbers:
            self._history[number] = [event_in(number, row) for row in await self._db.fetch(SQL["history"], number)]

    def done(self) -> None:
        """Give back what it looked through."""
        self._server.idle.append(self._db)


class Database(Disk):
    """The server as the nodes of one seed have it."""

    def __init__(self, nature: Nature) -> None:
        """Empty, with a way there of this seed's quality."""
        super().__init__(nature)
        self.server = server()
        self.server.empty()
        self.tables = Image(self.server)
        self.image = self.tables
        self.sessions: list[Session] = []
        self._waiting: list[asyncio.Future[None]] = []
        #: What a planted bug makes of a statement.
        self.changed_sql: Callable[[str], str] = lambda sql: sql

    def store(self, name: str, stall_s: float, kind: "type[NodeStore] | None" = None) -> "NodeStore":
        """A node's store on it."""
        return (kind or NodeStore)(self, name, stall_s)

    def ended(self) -> None:
        """A transaction has ended: whoever waits may try again."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    async def another_ends(self) -> None:
        """Wait until a transaction has ended, and no longer than a statement may take.

        Raises:
            TimeoutError: it took too long.
        """
        ended = self.nature.loop.create_future()
        self._waiting.append(ended)
        done, _ = await asyncio.wait([ended], timeout=STATEMENT_S)
        if not done:
            raise TimeoutError

    def seen(self) -> None:
        """Something was committed."""
        self.tables.read()
        self.nature.note("commit", len(self.tables._numbers))
        self.changed()

    def close(self) -> None:
        """At the end of the seed."""
        for session in list(self.sessions):
            session.end()
        self.tables.done()


class Session:
    """A connection of a node, as the engine sees it."""

    def __init__(self, database: Database, silence_s: float) -> None:
        """Over a real one."""
        self._database = database
        self._nature = database.nature
        self._server = database.server
        self._silence_s = silence_s
        self._real: Any = database.server.connection()
        self._in_transaction = False
        #: Counts what it was asked: while a process is stopped nothing is.
        self._asked = 0
        #: The COMMIT (or what is one) on its way there.
        self._on_its_way: Callable[[], Any] | None = None
        database.sessions.append(self)

    # What the engine calls

    async def execute(self, sql: str, *values: Any, **_limits: Any) -> Any:
        """Do a statement."""
        if sql == "COMMIT":
            return await self._commit(lambda: self._earnest("execute", sql, ()))
        return await self._do("execute", sql, values)

    async def fetch(self, sql: str, *values: Any) -> Any:
        """Its rows."""
        return await self._do("fetch", sql, values)

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        """Its first row."""
        return await self._do("fetchrow", sql, values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """The first value of it."""
        if sql == SQL["record_at_once"]:
            return await self._commit(lambda: self._earnest("fetchval", sql, values))
        return await self._do("fetchval", sql, values)

    @asynccontextmanager
    async def transaction(self, **_how: Any) -> AsyncGenerator[None]:
        """All within it, or nothing."""
        await self.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._real is not None:
                await self.execute("ROLLBACK")
            raise
        await self.execute("COMMIT")

    def add_log_listener(self, listener: Callable[..., None]) -> None:
        """There is no standby that it would tell of."""

    def terminate(self) -> None:
        """Hang up."""
        self.end()

    # What becomes of it

    async def _do(self, method: str, sql: str, values: tuple[Any, ...]) -> Any:
        await self._way()
        fault = self._database.fate() if sql == SQL["renew_for_log"] else ""
        if fault == "fails":
            self.end()
        if fault == "full":
            raise said.DiskFullError("no room")
        if sql in WAITS or not self._in_transaction:
            result = await self._do_in_turn(method, sql, values)
        else:
            result = self._earnest(method, sql, values)
        if sql == "ROLLBACK":
            self._database.ended()
        if sql == "BEGIN":
            self._in_transaction = True
            self._watch_silence()
        await self._way()
        return result

    async def _do_in_turn(self, method: str, sql: str, values: tuple[Any, ...]) -> Any:
        """Wait for locks as long as others hold them."""
        while True:
            try:
                if not self._in_transaction:
                    return self._earnest(method, sql, values)
                self._earnest("execute", "SAVEPOINT here", ())
                result = self._earnest(method, sql, values)
                self._earnest("execute", "RELEASE here", ())
            except said.LockNotAvailableError:
                self._nature.counts["waits for a turn"] += 1
                if self._in_transaction:
                    self._earnest("execute", "ROLLBACK TO here", ())
                await self._database.another_ends()
            else:
                return result

    def _earnest(self, method: str, sql: str, values: tuple[Any, ...]) -> Any:
        if self._real is None:
            raise said.ConnectionDoesNotExistError(GONE)
        self._asked += 1
        if sql == "BEGIN" or not self._in_transaction:
            at_us = START_US + round(self._nature.loop.time() * 1_000_000)
            self._server.ask(self._real.execute(f"SET simulated.now_us = {at_us}"))
        if sql in {"COMMIT", "ROLLBACK"}:
            self._in_transaction = False
        return self._server.ask(getattr(self._real, method)(self._database.changed_sql(sql), *values))

    async def _way(self) -> None:
        """A moment, sometimes; and anybody may be killed at it."""
        if self._nature.chance.random() < 0.3:
            await self._nature.pause(self._database.commit_s() / 10)
        else:
            await asyncio.sleep(0)
        if self._real is None:
            raise said.ConnectionDoesNotExistError(GONE)

    async def _commit(self, earnest: Callable[[], Any]) -> Any:
        """The one statement whose loss leaves something unknown."""
        self._on_its_way = earnest
        fault = self._database.fate() if self._asked > 2 else ""
        pause_s = {"slow": 50 * self._database.commit_s(), "hangs_kept": 8.0, "hangs_lost": 8.0}
        await self._nature.pause(pause_s.get(fault, self._database.commit_s()))
        if fault.endswith("lost"):
            self.end()
        while True:
            try:
                result = self._arrive()
            except said.LockNotAvailableError:
                self._nature.counts["waits for a turn"] += 1
                await self._database.another_ends()
            else:
                break
        self._on_its_way = None
        if fault.endswith("kept"):
            self.end()
        await self._way()
        return result

    def _arrive(self) -> Any:
        """What is on its way is there."""
        assert self._on_its_way is not None, "something is"
        result = self._on_its_way()
        self._database.ended()
        self._database.seen()
        return result

    def _watch_silence(self) -> None:
        """The server ends whoever says nothing within a transaction."""
        self._nature.loop.outside_later(self._silence_s, self._look_at_silence, self._asked)

    def _look_at_silence(self, asked: int) -> None:
        if self._real is None or not self._in_transaction or self._on_its_way is not None:
            return
        if asked == self._asked:
            self._nature.fault("silent in a transaction")
            self.end()
        else:
            self._watch_silence()

    def killed(self) -> None:
        """Its process is gone: a COMMIT under way came there, or not."""
        if self._on_its_way is not None and self._real is not None and self._nature.chance.random() < 0.5:
            # It would wait for somebody else's lock: then it didn't get there.
            with contextlib.suppress(said.LockNotAvailableError):
                self._arrive()
        self.end()

    def end(self) -> None:
        """Nothing more comes over it; what was not committed is undone."""
        real, self._real = self._real, None
        if real is None:
            return
        if self._in_transaction:
            self._server.ask(real.execute("ROLLBACK"))
        self._server.idle.append(real)
        self._database.sessions.remove(self)
        self._database.ended()


class Readers:
    """Connections for reading; one is enough here, as each statement is over at once."""

    def __init__(self, session: Session) -> None:
        """Over this one."""
        self._session = session

    async def fetch(self, sql: str, *values: Any) -> Any:
        """Rows of a statement."""
        return await self._session.fetch(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """The first value of it."""
        return await self._session.fetchval(sql, *values)

    def terminate(self) -> None:
        """Hang up."""
        self._session.terminate()


class NodeStore(PostgresStore):
    """The product's store, on simulated connections."""

    def __init__(self, database: Database, name: str, stall_s: float) -> None:
        """Of a node of this name."""
        self.database = database
        self.sessions: list[Session] = []
        settings = PostgresSettings(
            dsn="", node=name, lease_s=LEASE_S, poll_s=POLL_S, stall_s=stall_s, statement_s=STATEMENT_S
        )
        super().__init__(
            settings,
            connect=self._join,
            make_pool=self._readers_of,
            now=lambda: asyncio.get_running_loop().time(),  # all the time there is
        )

    async def _join(self, settings: PostgresSettings) -> Session:
        session = Session(self.database, settings.silence_s)
        self.sessions.append(session)
        await self.database.nature.pause(self.database.commit_s())
        return session

    async def _readers_of(self, settings: PostgresSettings) -> Readers:
        return Readers(await self._join(settings))

    def killed(self) -> None:
        """Its process is gone."""
        for session in self.sessions:
            session.killed()
