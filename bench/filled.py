"""The engine on PostgreSQL with millions of entries in it: what accepting, claiming, settling and starting cost then.

The server makes the entries itself (`generate_series`), as payments leave them: numbers by time, random keys, as many lanes
as there are accounts, settled ones with their event. They have no evidence, so a spool filled like this passes no audit: it is
for times alone. It is filled with fsync off, and measured with the server's usual durability, at each stage.

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
from spool.postgres.statements import SQL
from spool.rank import USUAL
from spool.store import Move
from tests.contracts.postgres_server import Server, apart, new_folder
from tests.contracts.spool_examples import NOW_US, draft

ACCOUNTS: Final = 2_000_000
STEP: Final = 100_000
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
SETTLED: Final = ("7, 0, 1, 1", "'c' || n")
WAITING: Final = ("1, 1, 0, 0", "''")
EVENTS: Final = f"""
INSERT INTO event (number, leaf, at_us, name, source, target, attempt, reason, actor, note, told, core_id)
SELECT n * {MILLISECOND}, n, {EPOCH_MS} * 1000 + n * 1000, 'post', 2, 7, 1, '', '', '', 2, 'c' || n
FROM generate_series(%d::bigint, %d) AS n
"""  # noqa: S608 - ours
QUICK: Final = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
COMMON: Final = {"shared_buffers": "512MB", "max_wal_size": "4GB", "wal_level": "minimal", "max_wal_senders": "0"}

HOT: Final = """
SELECT relname, n_tup_upd, round(100.0 * n_tup_hot_upd / greatest(1, n_tup_upd), 1)::float
FROM pg_stat_user_tables WHERE relname IN ('entry', 'tally', 'node', 'log', 'key_use') ORDER BY relname
"""


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--waiting", type=int, nargs="+", default=[1_000, 1_000_000])
    options.add_argument("--settled", type=int, default=10_000_000, help="filled in last")


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    server = Server(new_folder(), {**COMMON})
    try:
        server.prepare()
        asyncio.run(_measure(server, told.seconds, told.waiting, told.settled))
    finally:
        server.stop()
        shutil.rmtree(server.folder)


async def _measure(server: Server, seconds: float, backlogs: list[int], settled: int) -> None:
    rows, filled = list[list[str]](), 1
    for waiting in backlogs:
        filled = _fill(server, filled, waiting + 1, WAITING)
        rows.append(await _stage(server, waiting, 0, seconds))
    if settled:
        # Settled ones are the younger here, so that what waits is behind all of them, as after a long outage.
        _fill(server, filled, filled + settled, SETTLED, EVENTS)
        rows.append(await _stage(server, backlogs[-1], settled, seconds))
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


def _fill(server: Server, first: int, end: int, kind: tuple[str, str], events: str = "") -> int:
    """Make entries of these places; the place after the last."""
    server.settings |= QUICK
    server.start()
    if first == 1:
        server.ask("CREATE SCHEMA filled")
        apart(_lay_out(server))
    began = time.perf_counter()
    for at in range(first, end, STEP):
        last = min(at + STEP, end) - 1
        server.ask("SET search_path = filled", ENTRIES % (*kind, at, last), *([events % (at, last)] if events else []))
        if at % (10 * STEP) == 1:
            tell(f"{last:,} filled, {time.perf_counter() - began:.0f} s")
    server.ask(
        "SET search_path = filled",
        "TRUNCATE tally, key_use",
        SQL["sum_up"],
        SQL["sum_up_keys"],
        "VACUUM (ANALYZE) entry",
        "VACUUM (ANALYZE) event",
        "CHECKPOINT",
    )
    server.stop()
    for name in QUICK:
        del server.settings[name]
    return end


async def _lay_out(server: Server) -> None:
    store = _store(server)
    await store.open(NOW_US)
    await store.close()


def _store(server: Server) -> PostgresStore:
    return PostgresStore(PostgresSettings(dsn=server.dsn(search_path="filled"), node="filled", statement_s=60.0))


async def _stage(server: Server, waiting: int, settled: int, seconds: float) -> list[str]:
    """One line of figures."""
    server.start()
    await asyncio.to_thread(server.ask, "SELECT pg_stat_reset()")
    store, began = _store(server), time.perf_counter()
    await store.open(NOW_US)
    started = _since(began)
    number = itertools.count(await store.highest_number() + 1)
    commits = [await _timed(_accept(store, number)) for _ in range(9)]
    looks = [await _timed(store.look_round()) for _ in range(9)]
    end = time.perf_counter() + seconds
    answered = await callers(lambda at: store.insert(draft(at), 1, SEALED), number, end)
    claims, posts = await _send(store)
    await store.close()
    within = server.ask("SET search_path = filled", HOT)
    size = server.ask("SELECT pg_database_size('postgres')")[0][0]
    server.stop()
    figures = [answered / seconds, *map(median, (commits, claims, posts, looks)), started, size / 1e9]
    keep("filled", {"waiting": waiting, "settled": settled, "figures": figures, "hot": within})
    words = ", ".join(f"{name} {share:.0f}" for name, updates, share in within if updates)
    return [f"{waiting:,}", f"{settled:,}", f"{figures[0]:,.0f}", *(f"{each:,.1f}" for each in figures[1:]), words]


async def _accept(store: PostgresStore, number: "itertools.count[int]") -> None:
    await asyncio.gather(*(store.insert(draft(next(number)), 1, SEALED) for _ in range(CALLERS)))


async def _send(store: PostgresStore) -> tuple[list[float], list[float]]:
    """Milliseconds of claiming 64 of those that wait longest, and of recording that they are posted."""
    claims, posts = list[float](), list[float]()
    for _ in range(9):
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
