"""DBOS: each payment enqueued as a workflow under its key; SQLite (its default) or PostgreSQL keeps it.

No worker runs, as no core does where Nightsafe stands in: what is measured is taking payments, not delivering them.
"""

import argparse
import asyncio
import contextlib
import importlib
import subprocess
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from bench.case import Setting
from bench.peers import postgres
from bench.peers.peer import PYTHON, Peer, Store, asked, front, library
from bench.rig import Trouble

THREADS: Final = 16
"""Its client works in threads; the default would be 6 of them here."""


def make_tables(url: str) -> None:
    """Have DBOS make its tables, as its own start does.

    Raises:
        Trouble: it could not.
    """
    command = [str(PYTHON), "-m", "bench.peers.dbos", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"DBOS did not make its tables: {done.stderr[-500:]}")


@contextlib.contextmanager
def on_sqlite(folder: Path) -> Generator[Setting]:
    """The front, the client in it, and a file."""
    url = f"sqlite:///{folder}/dbos.sqlite"
    make_tables(url)
    with front(folder, "dbos", "sqlite", url) as process:
        yield Setting(server=process, stored=partial(asked, process.port))


@contextlib.contextmanager
def on_postgres(folder: Path) -> Generator[Setting]:
    """The front, the client in it, and a database."""
    with postgres.backend(folder) as behind:
        url = f"postgresql+psycopg://postgres@127.0.0.1:{behind.port}/postgres"
        make_tables(url)
        with front(folder, "dbos", "postgres", url) as process:
            yield Setting(server=process, behind=(behind,), stored=partial(asked, process.port))


def version() -> str:
    """Of the library."""
    return library("dbos")


PEERS: Final = (
    Peer(
        name="DBOS, PostgreSQL",
        does="aiohttp, then DBOSClient.enqueue_async with the key as workflow ID",
        keeps="committed, log synced (`synchronous_commit=on`)",
        version=lambda: f"{version()}, PostgreSQL {postgres.server_version()}",
        setting=on_postgres,
    ),
    Peer(
        name="DBOS, SQLite",
        does="aiohttp, then DBOSClient.enqueue_async with the key as workflow ID",
        keeps="committed and synced (rollback journal, its default)",
        version=version,
        setting=on_sqlite,
    ),
)


# Inside the front


async def open_store(_way: str, at: str) -> Store:
    """Connect to the database at this URL."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    client = importlib.import_module("dbos").DBOSClient(system_database_url=at)

    async def put(key: str, body: bytes) -> None:
        options = {"workflow_name": "deliver", "queue_name": "billing", "workflow_id": key}
        await client.enqueue_async(options, msgspec.json.decode(body))

    async def count() -> int:
        return len(await client.list_workflows_async(load_input=False, load_output=False))

    return Store(put=put, count=count)


def main() -> None:
    """Make the tables: DBOS does it when it is launched."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.dbos", description=main.__doc__)
    parser.add_argument("url")
    dbos = importlib.import_module("dbos").DBOS
    configuration = {"name": "bench", "log_level": "ERROR", "run_admin_server": False}
    dbos(config={**configuration, "system_database_url": parser.parse_args().url})
    dbos.launch()
    dbos.destroy()


if __name__ == "__main__":
    main()
