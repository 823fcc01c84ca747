"""The engine on PostgreSQL: durable accepts a second by 1, 2 and 3 nodes, beside a bare batched insert by asyncpg.

One server of our own with its usual durability (fsync on), each node a process of its own; what is compared is the work of the
engine, without HTTP. Each node has its own 64 callers, each of whom waits for the answer before he sends his
next. The bare insert is what a competent user writes in twenty lines: callers gather while a commit is under way, one
multi-row insert with a unique key for all of them, no lanes, no sums, no history, no evidence. The cases take turns. Payments
are made before the clock begins, and the server has written its log's files before the first turn, as one that has been at
work has.

Then: what claiming 64 entries costs with few and with many waiting.
"""

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from multiprocessing.queues import SimpleQueue
from typing import Any, Final, NamedTuple

import asyncpg  # type: ignore[import-untyped]  # it comes without types

from bench.rig import cpu_of, keep
from bench.table import spread, table
from spool.lifecycle import CLAIM
from spool.postgres import PostgresSettings, PostgresStore
from spool.rank import USUAL
from spool.store import Move
from tests.contracts.postgres_server import Server, new_folder
from tests.contracts.spool_examples import NOW_US, draft

CALLERS: Final = 64
SEALED: Final = bytes(400)
ROW: Final = "CREATE TABLE bare (number bigint PRIMARY KEY, channel text, key text, body bytea, UNIQUE (channel, key))"
BARE: Final = (
    "INSERT INTO bare SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[]) ON CONFLICT DO NOTHING"
)

MOST_A_SECOND: Final = 60_000
"""More than any number of nodes takes here."""

WARMING_S: Final = 4.0

_SPAWNING: Final = multiprocessing.get_context("spawn")

HEAD: Final = [
    "case",
    "accepts a second, all nodes together",
    "of the bare insert",
    "µs of each in nodes",
    "µs in the server",
    "commits per accept",
]

Insert = Callable[[int], Awaitable[Any]]


class Turn(NamedTuple):
    """One turn of a case."""

    answered_per_s: float
    #: Of each answered payment: microseconds of processor of its nodes, and of the server with all of its.
    here_us: float
    server_us: float
    #: Commits for each.
    commits: float


class _Node(NamedTuple):
    """What one node is to do: payments of its own, at most so many, from this number on."""

    dsn: str
    first: int
    most: int
    seconds: float


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--backlogs", type=int, nargs="+", default=[1_000, 100_000])


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    server = Server(new_folder(), {"max_wal_size": "4GB", "min_wal_size": "2GB", "shared_buffers": "256MB"})
    try:
        server.prepare()
        server.start()
        asyncio.run(_measure(server, told.seconds, told.turns, told.backlogs))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


async def _measure(server: Server, seconds: float, turns: int, backlogs: list[int]) -> None:
    cases: dict[str, Callable[[int], Awaitable[Turn]]] = {
        "bare insert": lambda turn: _bare(server, turn, seconds),
        "1 node": lambda turn: _nodes(server, turn, 1, seconds),
        "2 nodes": lambda turn: _nodes(server, turn, 2, seconds),
        "3 nodes": lambda turn: _nodes(server, turn, 3, seconds),
    }
    await _nodes(server, turns, 1, WARMING_S)
    found: dict[str, list[Turn]] = {name: [] for name in cases}
    for turn in range(turns):
        for name, case in cases.items():
            server.ask("CHECKPOINT")
            found[name].append(await case(turn))
    rows = [
        [
            name,
            spread(rates, 0),
            _ratios(rates, found["bare insert"]),
            *(spread(each, 1) for each in cpu),
            spread(commits, 3),
        ]
        for name, of_case in found.items()
        for rates, *cpu, commits in (list(zip(*of_case, strict=True)),)
    ]
    print(table(HEAD, rows))
    claims = [[f"{waiting:,}", spread(await _claims(server, waiting), 1)] for waiting in backlogs]
    print("\n" + table(["waiting", "claim of 64 and its commit, ms"], claims))
    keep("nodes", {name: [each._asdict() for each in of_case] for name, of_case in found.items()})


def _ratios(rates: Sequence[float], bare: Sequence[Turn]) -> str:
    """Of the bare insert in the same turn."""
    return spread([rate / each.answered_per_s for rate, each in zip(rates, bare, strict=True)], 2)


async def callers(insert: Insert, numbers: "itertools.count[int]", end: float) -> int:
    """How many one node's callers had answered by the end."""

    async def caller() -> int:
        answered = 0
        while time.perf_counter() < end:
            await insert(next(numbers))
            answered += 1
        return answered

    return sum(await asyncio.gather(*(caller() for _ in range(CALLERS))))


async def _bare(server: Server, turn: int, seconds: float) -> Turn:
    server.ask("DROP TABLE IF EXISTS bare", ROW)
    connection = await asyncpg.connect(**server.address)
    waiting: list[tuple[int, asyncio.Future[None]]] = []
    wake = asyncio.Event()
    commits = itertools.count()

    async def commit() -> None:
        while True:
            await wake.wait()
            wake.clear()
            batch, waiting[:] = waiting[:], []
            next(commits)
            numbers = [number for number, _ in batch]
            keys = [f"key-{number}" for number in numbers]
            await connection.execute(BARE, numbers, ["kiosk"] * len(batch), keys, [SEALED] * len(batch))
            for _, answer in batch:
                answer.set_result(None)

    def insert(number: int) -> "asyncio.Future[None]":
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append((number, answer))
        wake.set()
        return answer

    used = _Used(server)
    async with _working(commit()):
        answered = await callers(insert, itertools.count(1 + turn), time.perf_counter() + seconds)
    here_us, server_us = 1e6 * used.here_s() / answered, 1e6 * used.server_s() / answered
    await connection.close()
    return Turn(answered / seconds, here_us, server_us, next(commits) / answered)


class _Used:
    """What processors were used from now on."""

    def __init__(self, server: Server) -> None:
        assert server.process is not None, "it runs"
        self._pid = server.process.pid
        self._here_s, self._server_s = time.process_time(), cpu_of(self._pid)

    def here_s(self) -> float:
        """Seconds of this process."""
        return time.process_time() - self._here_s

    def server_s(self) -> float:
        """Seconds of the server and all its processes."""
        return cpu_of(self._pid) - self._server_s


@contextlib.asynccontextmanager
async def _working(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.asynccontextmanager
async def _stores(server: Server, name: str, nodes: int) -> AsyncGenerator[list[PostgresStore]]:
    server.ask(f"DROP SCHEMA IF EXISTS {name} CASCADE", f"CREATE SCHEMA {name}")
    dsn = server.dsn(search_path=name)
    stores = [PostgresStore(PostgresSettings(dsn=dsn, node=f"node-{i}")) for i in range(nodes)]
    for store in stores:
        await store.open(NOW_US)
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


async def _nodes(server: Server, turn: int, nodes: int, seconds: float) -> Turn:
    name, most = f"bench_{turn}_{nodes}", round(MOST_A_SECOND * seconds)
    server.ask(f"DROP SCHEMA IF EXISTS {name} CASCADE", f"CREATE SCHEMA {name}")
    start = _SPAWNING.Barrier(nodes + 1)
    told: SimpleQueue[tuple[int, float]] = _SPAWNING.SimpleQueue()
    works = [_Node(server.dsn(search_path=name), node * most + 1, most, seconds) for node in range(nodes)]
    processes = [_SPAWNING.Process(target=_node, args=(work, start, told)) for work in works]
    for process in processes:
        process.start()
    start.wait()
    used = _Used(server)
    start.wait()
    server_s = used.server_s()
    counted = [told.get() for _ in processes]
    for process in processes:
        process.join()
    answered, here_s = map(sum, zip(*counted, strict=True))
    ((blocks, entries),) = server.ask(
        f"SELECT (SELECT count(*) FROM {name}.block), (SELECT count(*) FROM {name}.entry)"  # noqa: S608 - names of ours
    )
    assert entries == answered, "what was answered is there, and nothing else"
    return Turn(answered / seconds, 1e6 * here_s / answered, 1e6 * server_s / answered, blocks / entries)


def _node(work: _Node, start: Any, told: Any) -> None:
    """One node in a process of its own: says how many payments were answered, and what it used of a processor, in seconds."""
    asyncio.run(_at_work(work, start, told))


async def _at_work(work: _Node, start: Any, told: Any) -> None:
    payments = list(map(draft, range(work.first, work.first + work.most)))
    store = PostgresStore(PostgresSettings(dsn=work.dsn, node=f"node-{work.first}"))
    await store.open(NOW_US)
    start.wait()
    used_s, end = time.process_time(), time.perf_counter() + work.seconds
    answered = await callers(lambda number: store.insert(payments[number], 1, SEALED), itertools.count(), end)
    used_s = time.process_time() - used_s
    start.wait()
    told.put((answered, used_s))
    await store.close()


async def _claims(server: Server, waiting: int) -> list[float]:
    """Milliseconds of several claims of 64 entries, with so many waiting."""
    async with _stores(server, f"bench_claims_{waiting}", 1) as (store,):
        for begin in range(1, waiting + 1, 512):
            last = min(begin + 512, waiting + 1)
            await asyncio.gather(*(store.insert(draft(number), 1, SEALED) for number in range(begin, last)))
        took: list[float] = []
        for _ in range(9):
            began = time.perf_counter()
            found = await store.ready("billing", USUAL, 0, 64)
            await store.move([Move(entry=each.entry, transition=CLAIM, at_us=NOW_US + 1) for each in found])
            took.append(1000 * (time.perf_counter() - began))
    return took
