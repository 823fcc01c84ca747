"""The engine on PostgreSQL: durable accepts a second by 1, 2 and 3 nodes, beside a bare batched insert by asyncpg.

One server of our own with its usual durability (fsync on), and all nodes in this process, so what is compared is the work
of the engine, not of processors. Each node has its own 64 callers, each of whom waits for the answer before he sends his
next. The bare insert is what a competent user writes in twenty lines: callers gather while a commit is under way, one
multi-row insert with a unique key for all of them, no lanes, no sums, no history, no evidence. The cases take turns.

Then: what claiming 64 entries costs with few and with many waiting.
"""

import argparse
import asyncio
import contextlib
import itertools
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from statistics import median
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types

from bench.rig import keep
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

Insert = Callable[[int], Awaitable[Any]]


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--seconds", type=float, default=4.0)
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--backlogs", type=int, nargs="+", default=[1_000, 100_000])


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    server = Server(new_folder(), {"max_wal_size": "4GB", "shared_buffers": "256MB"})
    try:
        server.prepare()
        server.start()
        asyncio.run(_measure(server, told.seconds, told.turns, told.backlogs))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


async def _measure(server: Server, seconds: float, turns: int, backlogs: list[int]) -> None:
    rates: dict[str, list[float]] = {}
    commits: dict[str, list[float]] = {}
    for turn in range(turns):
        rates.setdefault("bare insert", []).append(await _bare(server, turn, seconds))
        for nodes in (1, 2, 3):
            name = f"{nodes} node{'s' * (nodes > 1)}"
            rate, each = await _nodes(server, turn, nodes, seconds)
            rates.setdefault(name, []).append(rate)
            commits.setdefault(name, []).append(each)
    bare = median(rates["bare insert"])
    rows = [
        [name, spread(figures, 0), f"{median(figures) / bare:.2f}", spread(commits.get(name, []), 3)]
        for name, figures in rates.items()
    ]
    print(table(["case", "accepts a second, all nodes together", "of the bare insert", "commits per accept"], rows))
    claims = [[f"{waiting:,}", spread(await _claims(server, waiting), 1)] for waiting in backlogs]
    print("\n" + table(["waiting", "claim of 64 and its commit, ms"], claims))
    keep("nodes", {"rates": rates, "commits": commits})


async def callers(insert: Insert, numbers: "itertools.count[int]", end: float) -> int:
    """How many one node's callers had answered by the end."""

    async def caller() -> int:
        answered = 0
        while time.perf_counter() < end:
            await insert(next(numbers))
            answered += 1
        return answered

    return sum(await asyncio.gather(*(caller() for _ in range(CALLERS))))


async def _bare(server: Server, turn: int, seconds: float) -> float:
    server.ask("DROP TABLE IF EXISTS bare", ROW)
    connection = await asyncpg.connect(**server.address)
    waiting: list[tuple[int, asyncio.Future[None]]] = []
    wake = asyncio.Event()

    async def commit() -> None:
        while True:
            await wake.wait()
            wake.clear()
            batch, waiting[:] = waiting[:], []
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

    async with _working(commit()):
        answered = await callers(insert, itertools.count(1 + turn), time.perf_counter() + seconds)
    await connection.close()
    return answered / seconds


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


async def _nodes(server: Server, turn: int, nodes: int, seconds: float) -> tuple[float, float]:
    async with _stores(server, f"bench_{turn}_{nodes}", nodes) as stores:
        numbers, end = itertools.count(1), time.perf_counter() + seconds

        def insert_at(store: PostgresStore) -> Insert:
            return lambda number: store.insert(draft(number), 1, SEALED)

        answered = sum(await asyncio.gather(*(callers(insert_at(store), numbers, end) for store in stores)))
    ((blocks, entries),) = server.ask(
        f"SELECT (SELECT count(*) FROM bench_{turn}_{nodes}.block), (SELECT count(*) FROM bench_{turn}_{nodes}.entry)"  # noqa: S608 - names of ours
    )
    assert entries == answered, "what was answered is there, and nothing else"
    return answered / seconds, blocks / entries


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
