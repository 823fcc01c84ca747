"""What persons wait for with ten million entries: status, find by each id, the first page of filters, shape, stuck.

The spool is made by SQL alone, so that ten million are there in minutes: rows, tally, keys and indexes as the service
writes them, but no evidence and no real content; nothing that is measured here reads either. Of a hundred entries some
eighty are posted, nineteen wait, one was refused; some hundreds were parked and held. The service runs as its users run it, on
the servers' core, with its core dead; questions come over loopback, one after the other, each on a connection of its own.
What is made is kept under `bench/out/looking`. With `--engine postgres` the same entries are in a PostgreSQL of our own with its
usual settings, made anew each time.
"""

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

from bench.installation import Installation, install, running, scratch
from bench.rig import OUT, dead_port, keep, tell
from bench.table import spread, table
from spool.number import EPOCH_MS, number_at
from spool.postgres import PostgresSettings, PostgresStore
from spool.postgres.statements import SQL as POSTGRES
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.keys import Keys
from spool.sqlite.statements import migrations
from tests.contracts.postgres_server import Server as PostgresServer
from tests.contracts.postgres_server import new_folder

ENTRIES: Final = 10_000_000
TOKEN: Final = "looker-" + "0123456789abcdef" * 2
"""No secret, as that of the installation."""

ROUNDS: Final = 20
SLOW_ROUNDS: Final = 3
SPAN_US: Final = 7 * 86_400_000_000
"""All of it came within a week ..."""

ENDS_US: Final = EPOCH_MS * 1000 + 60 * 86_400_000_000
"""... that ended then."""

STATUS_MS_WANTED: Final = 50
FIND_MS_WANTED: Final = 20
PAGE_MS_WANTED: Final = 200

_ROWS: Final = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy,
    reverses, key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, core_id, reason
)
SELECT
    number, randomblob(16), 1, channel, 'key-' || i, randomblob(16), 'main', random(), 100 + abs(random()) % 1500000, 'RUB',
    at_us, 1, 'policy', 0, 1, state, CASE state WHEN 1 THEN 1 WHEN 4 THEN 2 WHEN 5 THEN 2 ELSE 0 END, state = 7, state = 7,
    at_us + 1000, 2, 2, zeroblob(300), NULL, CASE state WHEN 7 THEN 'B-' || i ELSE '' END,
    CASE state WHEN 5 THEN 'conflict' ELSE '' END
FROM (
    SELECT i, :ends - :span + (:span / :count) * i AS at_us,
        ((:ends - :span + (:span / :count) * i) / 1000 - :epoch_ms) * 4194304 + i % 4194304 AS number,
        CASE i % 3 WHEN 0 THEN 'kiosk' ELSE 'bank' END AS channel,
        CASE
            WHEN i % 20011 = 0 THEN 5 WHEN i % 30011 = 0 THEN 4 WHEN i % 101 = 0 THEN 8
            WHEN i > :count * 4 / 5 THEN 1 ELSE 7
        END AS state
    FROM n
)
"""

_ROWS_POSTGRES: Final = """
INSERT INTO entry (
    number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as, policy,
    reverses, key_id, state, place, epoch, attempts, changed_at_us, told, told_as, sealed, leaf, seat, lease, core_id, reason
)
SELECT
    number, decode(md5(n::text), 'hex'), 1, channel, 'key-' || n, decode(md5(n::text), 'hex'), 'main',
    hashtextextended('account' || n, 0), 100 + mod(n * 7919, 1500000), 'RUB', at_us, 1, 'policy', 0, 1, state,
    CASE state WHEN 1 THEN 1 WHEN 4 THEN 2 WHEN 5 THEN 2 ELSE 0 END, (state = 7)::int, (state = 7)::int, at_us + 1000, 2, 2,
    decode(repeat('00', 300), 'hex'), n, 0, 1, CASE state WHEN 7 THEN 'B-' || n ELSE '' END,
    CASE state WHEN 5 THEN 'conflict' ELSE '' END
FROM (
    SELECT n, {ends} - {span} + ({span} / {count}) * n AS at_us,
        (({ends} - {span} + ({span} / {count}) * n) / 1000 - {epoch_ms}) * 4194304 + mod(n, 4194304) AS number,
        CASE mod(n, 3) WHEN 0 THEN 'kiosk' ELSE 'bank' END AS channel,
        CASE
            WHEN mod(n, 20011) = 0 THEN 5 WHEN mod(n, 30011) = 0 THEN 4 WHEN mod(n, 101) = 0 THEN 8
            WHEN n > {count}::bigint * 4 / 5 THEN 1 ELSE 7
        END AS state
    FROM generate_series({first}::bigint, {last}) AS n
) AS made
"""
STEP: Final = 100_000
QUICK: Final = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}

_TALLY: Final = """
INSERT INTO tally SELECT route, channel, currency, kind, state, told, count(*), sum(amount) FROM entry
GROUP BY route, channel, currency, kind, state, told
"""


def made(count: int) -> Path:
    """A folder with a spool of so many entries, made when it isn't there."""
    layout = hashlib.sha256(repr((migrations(), _ROWS)).encode()).hexdigest()[:8]
    folder = OUT / f"looking/{count}-{layout}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        tell(f"making {count:,} entries, once")
        installation = install(folder, 9)
        asyncio.run(_empty(installation.spool))
        _fill(installation.spool, count)
        (folder / "done").touch()
    return folder


async def _empty(path: Path) -> None:
    store = SqliteStore(path)
    await store.open(time.time_ns() // 1000)
    await store.close()


def _fill(path: Path, count: int) -> None:
    db: Any = driver.connect(str(path), isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    indexes = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    db.execute("BEGIN")
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    values = {"count": count, "span": SPAN_US, "ends": ENDS_US, "epoch_ms": EPOCH_MS}
    db.execute(_ROWS, values)
    tell("rows are there")
    for _, sql in indexes:
        db.execute(sql)
    db.execute(_TALLY)
    (salt,) = db.execute("SELECT salt FROM key_mark").fetchone()
    db.create_function("key_hash", 2, Keys(salt, 0, 0).hash, deterministic=True)
    db.execute("INSERT INTO key SELECT key_hash(channel, key), number FROM entry ORDER BY 1, 2")
    db.execute("UPDATE key_mark SET indexed_to = (SELECT max(number) FROM entry)")
    db.execute("UPDATE log SET adopting = 0")
    db.execute("COMMIT")
    db.close()


def _fill_postgres(server: PostgresServer, count: int) -> None:
    """Make the same entries in a database, without syncs; it is started anew with them."""
    server.settings |= QUICK
    server.start()

    async def lay_out() -> None:
        store = PostgresStore(PostgresSettings(dsn=server.dsn(), node="filled"))
        await store.open(time.time_ns() // 1000)
        await store.close()

    asyncio.run(lay_out())
    # Rows first, then indexes: millions of rows at random places of each would take hours.
    indexes = server.ask(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'entry' AND indexname <> 'entry_pkey'"
    )
    server.ask(*(f"DROP INDEX {name}" for name, _ in indexes))
    for first in range(1, count + 1, STEP):
        last = min(first + STEP - 1, count)
        server.ask(
            _ROWS_POSTGRES.format(first=first, last=last, count=count, span=SPAN_US, ends=ENDS_US, epoch_ms=EPOCH_MS)
        )
        if last % (10 * STEP) == 0:
            tell(f"{last:,} entries")
    server.ask("SET maintenance_work_mem = '512MB'", *(made_again for _, made_again in indexes))
    server.ask(POSTGRES["sum_up"], POSTGRES["sum_up_keys"], "VACUUM (ANALYZE)", "CHECKPOINT")
    server.stop()
    for name in QUICK:
        del server.settings[name]
    server.start()


@contextlib.contextmanager
def postgres(folder: Path, count: int) -> Generator[str]:
    """What a configuration says of a database with so many entries."""
    server = PostgresServer(new_folder(), {"shared_buffers": "512MB", "max_wal_size": "4GB"})
    try:
        server.prepare()
        _fill_postgres(server, count)
        size = server.ask("SELECT pg_database_size(current_database())")[0][0]
        tell(f"the database: {size / 2**30:.1f} GiB")
        address = folder / "database"
        address.write_text(server.dsn())
        address.chmod(0o600)
        yield f'[spool.postgres]\nurl = {{ file = "{address}" }}\n'
    finally:
        server.stop()
        shutil.rmtree(server.folder)


class Asker:
    """Asks the admin side, and says how long it took."""

    def __init__(self, port: int) -> None:
        """At this port."""
        self._port = port

    def ask(self, method: str, path: str, body: Any = None) -> tuple[float, Any]:
        """Milliseconds from the request to the whole answer, and the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        sent = None if body is None else json.dumps(body)
        began = time.perf_counter()
        connection.request(method, path, sent, {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        took_ms = 1000 * (time.perf_counter() - began)
        connection.close()
        assert answer.status == http.client.OK, told
        return took_ms, told


def questions(count: int) -> dict[str, tuple[str, str, Any, float]]:
    """Every question by name: method, path, body, and the milliseconds wanted (0: none)."""
    middle = count // 2 + 1
    number = number_at(ENDS_US - SPAN_US + SPAN_US // count * middle) + middle % 2**22
    hour = "accepted_from=2025-02-27T12:00:00Z&accepted_before=2025-02-27T13:00:00Z"
    pages = {
        "newest": "",
        "oldest": "order=oldest",
        "posted, oldest": "state=posted&order=oldest",
        "waiting, newest": "state=ready",
        "waiting, oldest": "state=ready&order=oldest",
        "refused": "state=refused",
        "parked": "state=parked",
        "returned (none)": "state=returned",
        "in flight (none)": "state=in_flight",
        "a channel": "channel=kiosk",
        "a channel's parked": "state=parked&channel=kiosk&reason=conflict",
        "a channel there is none of": "channel=nobody",
        "an amount, anywhere": "amount=7777.77",
        "an amount within an hour": f"amount_from=7000&amount_to=7001&{hour}",
        "an hour, oldest": f"order=oldest&{hour}",
        "a lane there is none of": "lane=1",
    }
    entries = "/admin/v1/entries"
    found: dict[str, tuple[str, str, Any, float]] = {
        "status": ("GET", "/admin/v1/status", None, STATUS_MS_WANTED),
        "find by key": ("POST", "/admin/v1/find", {"id": f"key-{middle}"}, FIND_MS_WANTED),
        "find by the core's id": ("POST", "/admin/v1/find", {"id": f"B-{middle}"}, FIND_MS_WANTED),
        "find by number": ("POST", "/admin/v1/find", {"id": str(number)}, FIND_MS_WANTED),
    }
    found |= {f"list: {name}": ("GET", f"{entries}?{query}", None, PAGE_MS_WANTED) for name, query in pages.items()}
    found["find by account (none)"] = ("POST", "/admin/v1/find", {"account": "79160000000"}, PAGE_MS_WANTED)
    return found


def measured(port: int, count: int, engine: str) -> list[list[str]]:
    """A row for each question."""
    asker, rows = Asker(port), list[list[str]]()
    for name, (method, path, body, wanted) in questions(count).items():
        first_ms, told = asker.ask(method, path, body)
        times = [asker.ask(method, path, body)[0] for _ in range(ROUNDS)]
        there = len(told["entries"]) if "entries" in told else ""
        rows.append([name, f"{first_ms:,.1f}", spread(times, 1), f"{wanted:g}", f"{there}"])
        keep("looking", {"what": name, "engine": engine, "entries": count, "first_ms": first_ms, "times_ms": times})
    for name, path in (("shape", "/admin/v1/shape?by=channel"), ("stuck", "/admin/v1/stuck")):
        first_ms, _ = asker.ask("GET", path)
        times = [asker.ask("GET", path)[0] for _ in range(SLOW_ROUNDS)]
        rows.append([name, f"{first_ms:,.1f}", spread(times, 1), "", ""])
        keep("looking", {"what": name, "engine": engine, "entries": count, "first_ms": first_ms, "times_ms": times})
    return rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--engine", choices=("sqlite", "postgres"), default="sqlite")


def run(told: argparse.Namespace) -> None:
    """Measure and print."""
    with dead_port() as core:
        if told.engine == "sqlite":
            rows = _looked(install(made(told.entries), core), told)
        else:
            with scratch() as folder, postgres(folder, told.entries) as database:
                installation = install(folder, core)
                text = installation.config.read_text()
                installation.config.write_text(text.replace("[spool]\n", '[spool]\nengine = "postgres"\n') + database)
                rows = _looked(installation, told)
    head = ("question", "first, ms", f"then, ms: median (least-most) of {ROUNDS}", "at most", "entries")
    print(table(head, rows))


def _looked(installation: Installation, told: argparse.Namespace) -> list[list[str]]:
    """Let somebody in, and have him look."""
    text = installation.config.read_text()
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    installation.config.write_text(f'{text}\n[admin.tokens.bench]\nrole = "auditor"\nsha256 = "{digest}"\n')
    admin_port = int(text.partition("[listen.admin]\nport = ")[2].partition("\n")[0])
    with running(installation):
        return measured(admin_port, told.entries, told.engine)
