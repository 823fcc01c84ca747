"""PostgreSQL: a table of payments with a unique key, an insert for each payment or for all that wait."""

import contextlib
import importlib
import os
import shutil
import subprocess
import time
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.case import Setting
from bench.peers.batches import Batches, Waiting
from bench.peers.peer import Missing, Peer, Store, asked, front, library, program, said_by
from bench.rig import SERVER_CORE, START_S_MAX, Server, Trouble, free_port, server

POOL: Final = 16
"""Connections for inserts one by one: more than that cost more than they bring, on one core."""

MORE: Final = ("synchronous_commit=on", "shared_buffers=512MB", "max_wal_size=4GB", "max_connections=100")
"""Its default of durability, said aloud; memory and log so that no checkpoint comes in between."""

TABLE: Final = (
    "CREATE TABLE payment (number bigserial PRIMARY KEY, key uuid NOT NULL UNIQUE, body bytea NOT NULL,"
    " state smallint NOT NULL DEFAULT 0)"
)
EACH: Final = "INSERT INTO payment (key, body) VALUES ($1, $2) ON CONFLICT DO NOTHING"
TOGETHER: Final = "INSERT INTO payment (key, body) SELECT * FROM unnest($1::uuid[], $2::bytea[]) ON CONFLICT DO NOTHING"


def _program(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return program(name, "postgresql", *(str(place) for place in places))


def server_version() -> str:
    """Of the server."""
    return said_by(_program("postgres"), "--version").split()[2]


def version() -> str:
    """Of the server and the client."""
    return f"{server_version()}, asyncpg {library('asyncpg')}"


def _as_its_user(command: list[str]) -> list[str]:
    """As root a command runs as `postgres`: the server refuses to be root."""
    if os.geteuid():
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


@contextlib.contextmanager
def backend(folder: Path) -> Generator[Server]:
    """A server of its own with an empty database, ready for queries."""
    port, data = free_port(), folder / "postgres"
    data.mkdir()
    if not os.geteuid():
        folder.chmod(0o711)
        shutil.chown(data, "postgres", "postgres")
    made = subprocess.run(
        _as_its_user(
            [_program("initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Missing(f"initdb fails: {made.stderr.strip()[-300:]}")
    command = [_program("postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data)]
    for each in MORE:
        command += ["-c", each]
    with server(_as_its_user(command), port, SERVER_CORE, folder / "postgres.log") as process:
        _await_ready(port)
        yield process


def _await_ready(port: int) -> None:
    """It listens a moment before it answers queries."""
    until = time.monotonic() + START_S_MAX
    asking = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres"]
    while subprocess.run(asking, check=False).returncode:
        if time.monotonic() > until:
            raise Trouble("PostgreSQL listens and is not ready")
        time.sleep(0.02)  # pg_isready is what it offers to be asked with


@contextlib.contextmanager
def setting(folder: Path, way: str) -> Generator[Setting]:
    """The front and its database."""
    with backend(folder) as behind, front(folder, "postgres", way, str(behind.port)) as process:
        yield Setting(server=process, behind=(behind,), stored=partial(asked, process.port))


PEERS: Final = (
    Peer(
        name="PostgreSQL, each",
        does=f"aiohttp, then INSERT .. ON CONFLICT DO NOTHING over a pool of {POOL}",
        keeps="committed, log synced (`synchronous_commit=on`)",
        version=version,
        setting=partial(setting, way="each"),
    ),
    Peer(
        name="PostgreSQL, batches by hand",
        does="aiohttp, then one INSERT .. SELECT unnest() for all that wait",
        keeps="committed, log synced (`synchronous_commit=on`)",
        wanted=1.2,
        version=version,
        setting=partial(setting, way="batches"),
    ),
)


# Inside the front


async def open_store(way: str, at: str) -> Store:
    """Connect to the server on port `at`, and make the table."""
    size = POOL if way == "each" else 2
    pool = await importlib.import_module("asyncpg").create_pool(
        host="127.0.0.1", port=int(at), user="postgres", database="postgres", min_size=size, max_size=size
    )
    await pool.execute(TABLE)

    async def each(key: str, body: bytes) -> None:
        await pool.execute(EACH, key, body)

    async def count() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM payment"))

    if way == "each":
        return Store(put=each, count=count)
    connection = await pool.acquire()

    async def together(batch: Sequence[Waiting]) -> None:
        await connection.execute(TOGETHER, [one.key for one in batch], [one.body for one in batch])

    return Store(put=Batches(together).put, count=count)
