"""The engine on PostgreSQL with millions of entries in it: what accepting, claiming, settling and starting cost then.

The server makes the entries itself (`generate_series`), as payments leave them: numbers by time, random keys, as many lanes
as there are accounts, settled ones with their event. They have no evidence, so a spool filled like this passes no audit: it is
for times alone. It is filled with fsync off and with the index of keys made anew at the end, and measured with the server's
usual durability, at each stage, after another spool on the same server, in which a thousand wait: a busy machine is busy for both.

A million entries take about a gigabyte: `--waiting 5000000 --settled 50000000` needs 65 GB for as long as it runs, and is done
when there is no more room than a reserve.

Beside it stands how many updates stayed within their page and touched no index (HOT), by the server's own count.
"""

import argparse
import asyncio
import itertools
import shutil
import time
from statistics import median
from typing import Any, Final

from bench.nodes import CALLERS, SEALED, callers
from bench.rig import keep, tell
from bench.table import table
from spool.lifecycle import CLAIM, POST
from spool.number import EPOCH_MS
from spool.postgres import PostgresSettings, PostgresStore
from spool.rank import USUAL
from spool.store import Move
from tests.contracts.postgres_server import Server, apart, new_folder
from tests.contracts.spool_examples import NOW_US, draft

ACCOUNTS: Final = 2_000_000
STEP: Final = 250_000
FEW: Final = 1_000
RESERVE: Final = 10 << 30
"""Bytes that filling leaves free on the disk."""
MILLISECOND: Final = 1 << 22
"""How far two numbers are apart that were minted a millisecond after each other."""

ENTRIES: Final = f"""
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy, reverses,
    key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, rank, seat, lease, core_id
) SELECT
    n * {MILLISECOND}, decode(md5(n::text), 'hex'), 1, 'kiosk', md5('key' || n), sha256(n::text::bytea), 'billing',
    hashtextextended('account' || mod(n, {ACCOUNTS}), 0), 10000, 'RUB', {EPOCH_MS} * 1000 + n * 1000, 1, 'p', 0, 1,
    %s, {EPOCH_MS} * 1000 + n * 1000, 2, 2, decode(repeat(md5(n::text), 20), 'hex'), n, 2, 0, 1, %s
FROM generate_series(%d::bigint, %d) AS n
"""  # noqa: S608 - ours
EVENTS: Final = f"""
INSERT INTO event (number, leaf, at_us, name, source, target, attempt, reason, actor, note, told, core_id)
SELECT n * {MILLISECOND}, n, {EPOCH_MS} * 1000 + n * 1000, 'post', 2, 7, 1, '', '', '', 2, 'c' || n
FROM generate_series(%d::bigint, %d) AS n
"""  # noqa: S608 - ours
SUMS: Final = """
INSERT INTO tally AS t (seat, route, channel, currency, kind, state, told, entries, amount)
VALUES (0, 'billing', 'kiosk', 'RUB', 1, %d, 2, %d, %d)
ON CONFLICT (seat, route, channel, currency, kind, state, told)
DO UPDATE SET entries = t.entries + excluded.entries, amount = t.amount + excluded.amount
"""
USES: Final = """
INSERT INTO key_use AS k (key_id, entries, waiting, changed_at_us) VALUES (1, %d, %d, 0)
ON CONFLICT (key_id) DO UPDATE SET entries = k.entries + excluded.entries, waiting = k.waiting + excluded.waiting
"""
SETTLED: Final = ("7, 0, 1, 1", "'c' || n", EVENTS)
WAITING: Final = ("1, 1, 0, 0", "''", "")
"""An entry's state, place, epoch and attempts; its id at the core; what happened to it."""

QUICK: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "3GB",
    "maintenance_work_mem": "1GB",
    "checkpoint_timeout": "1h",
}
COMMON: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "wal_level": "minimal", "max_wal_senders": "0"}

SCHEMAS: Final = ("few", "many")
TIMES: Final = 15
SIZE: Final = """
SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = '%s' AND c.relkind = 'r'
"""
HOT: Final = """
SELECT relname, n_tup_upd, round(100.0 * n_tup_hot_upd / greatest(1, n_tup_upd), 1)::float
FROM pg_stat_user_tables WHERE schemaname = 'many' AND relname IN ('entry', 'tally', 'node', 'log', 'key_use') ORDER BY relname
"""


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--waiting", type=int, nargs="*", default=[1_000_000])
    options.add_argument("--settled", type=int, nargs="*", default=[10_000_000], help="filled in last")


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    server = Server(new_folder(), {**COMMON})
    try:
        server.prepare()
        asyncio.run(_measure(server, told.seconds, told.waiting, told.settled))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


async def _measure(server: Server, seconds: float, waiting: list[int], settled: list[int]) -> None:
    for schema in SCHEMAS:
        _lay_out(server, schema)
    _fill(server, "few", 1, FEW + 1, WAITING)
    rows, backlog = list[list[str]](), 0
    for stage in waiting:
        filled = _fill(server, "many", backlog + 1, stage + 1, WAITING)
        backlog = filled - 1
        rows += await _stage(server, backlog, 0, seconds)
    # Settled ones are the younger here, so that what waits is behind all of them, as after a long outage.
    done = 0
    for stage in settled:
        filled = _fill(server, "many", backlog + done + 1, backlog + stage + 1, SETTLED)
        done = filled - 1 - backlog
        rows += await _stage(server, backlog, done, seconds)
    print(table(["waiting", "settled", *FIGURES], rows))


FIGURES: Final = (
    "accepts a second",
    "commit of 64 accepts, ms",
    "claim of 64, ms",
    "posting of 64, ms",
    "look round, ms",
    "start, ms",
    "on disk, GB",
    "updates within their page, %",
)


def _lay_out(server: Server, schema: str) -> None:
    server.start()
    server.ask(f"CREATE SCHEMA {schema}")
    apart(_open_once(server, schema))
    server.stop()


async def _open_once(server: Server, schema: str) -> None:
    store = _store(server, schema)
    await store.open(NOW_US)
    await store.close()


def _fill(server: Server, schema: str, first: int, end: int, kind: tuple[str, str, str]) -> int:
    """Make entries of these places, as far as there is room; the place after the last."""
    (*entry, events), before = kind, dict(server.settings)
    server.settings |= QUICK
    server.start()
    here = f"SET search_path = {schema}"
    ((keys,),) = server.ask(here, "SELECT pg_get_indexdef('entry_key'::regclass)")
    server.ask(here, "DROP INDEX entry_key")
    began, at = time.perf_counter(), first
    while at < end and shutil.disk_usage(server.folder).free > RESERVE:
        last = min(at + STEP, end) - 1
        made = [ENTRIES % (*entry, at, last), *([events % (at, last)] if events else [])]
        # While they are in memory: what is known to be there for all needs no second writing.
        server.ask(here, *made, "VACUUM (TRUNCATE false) entry", "VACUUM (TRUNCATE false) event")
        at = last + 1
        tell(f"{at - first:,} filled, {time.perf_counter() - began:.0f} s")
    state, waits = (7, 0) if events else (1, 1)
    count = at - first
    sums = [SUMS % (state, count, 10_000 * count), USES % (count, waits * count)]
    server.ask(here, keys, *sums, "ANALYZE", "CHECKPOINT")
    tell(f"keys indexed, {time.perf_counter() - began:.0f} s")
    server.stop()
    server.settings = before
    return at


def _store(server: Server, schema: str) -> PostgresStore:
    return PostgresStore(PostgresSettings(dsn=server.dsn(search_path=schema), node="filled", statement_s=60.0))


async def _stage(server: Server, waiting: int, settled: int, seconds: float) -> list[list[str]]:
    """Lines of figures: of few entries, and of as many as there are."""
    server.start()
    await asyncio.to_thread(server.ask, "SELECT pg_stat_reset()")
    few = await _figures(server, "few", seconds)
    many = await _figures(server, "many", seconds)
    within = server.ask(HOT)
    server.stop()
    keep("filled", {"waiting": waiting, "settled": settled, "few": few, "many": many, "hot": within})
    words = ", ".join(f"{name} {share:.0f}" for name, updates, share in within if updates)
    return [_line(FEW, 0, few, ""), _line(waiting, settled, many, words)]


def _line(waiting: int, settled: int, figures: list[float], words: str) -> list[str]:
    return [f"{waiting:,}", f"{settled:,}", f"{figures[0]:,.0f}", *(f"{each:,.1f}" for each in figures[1:]), words]


async def _figures(server: Server, schema: str, seconds: float) -> list[float]:
    store, began = _store(server, schema), time.perf_counter()
    await store.open(NOW_US)
    started = _since(began)
    number = itertools.count(await store.highest_number() + 1)
    commits = [await _timed(_accept(store, number)) for _ in range(TIMES)]
    looks = [await _timed(store.look_round()) for _ in range(TIMES)]
    end = time.perf_counter() + seconds
    answered = await callers(lambda at: store.insert(draft(at), 1, SEALED), number, end)
    claims, posts = await _send(store)
    await store.close()
    size = server.ask(SIZE % schema)[0][0]
    return [answered / seconds, *map(median, (commits, claims, posts, looks)), started, size / 1e9]


async def _accept(store: PostgresStore, number: "itertools.count[int]") -> None:
    await asyncio.gather(*(store.insert(draft(next(number)), 1, SEALED) for _ in range(CALLERS)))


async def _send(store: PostgresStore) -> tuple[list[float], list[float]]:
    """Milliseconds of claiming 64 of those that wait longest, and of recording that they are posted."""
    claims, posts = list[float](), list[float]()
    for _ in range(TIMES):
        began = time.perf_counter()
        found = [each.entry for each in await store.ready("billing", USUAL, 0, CALLERS)]
        taken = [Move(entry=each, transition=CLAIM, at_us=NOW_US + 1) for each in found]
        made = await store.move(taken)
        claims.append(_since(began))
        began = time.perf_counter()
        sent = [move.after() for move, done in zip(taken, made, strict=True) if done]
        posted = [Move(entry=each, transition=POST, at_us=NOW_US + 2, core_id=f"c{each.number}") for each in sent]
        await store.move(posted)
        posts.append(_since(began))
    return claims, posts


async def _timed(work: Any) -> float:
    began = time.perf_counter()
    await work
    return _since(began)


def _since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)
