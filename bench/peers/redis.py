"""Redis with `appendfsync always`: a stream of payments, and a key for each that was seen."""

import contextlib
import importlib
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench.case import Setting
from bench.peers.batches import Batches, Waiting
from bench.peers.peer import CONNECTIONS_MAX, Peer, Store, asked, front, library, program, said_by
from bench.rig import SERVER_CORE, Server, free_port, server

ONCE: Final = """\
if redis.call('SET', KEYS[1], '1', 'NX', 'EX', 86400) then
  redis.call('XADD', 'payments', '*', 'key', KEYS[1], 'body', ARGV[1])
end
"""
"""A payment is added unless its key was seen: one script, so that nothing comes between."""


def version() -> str:
    """Of the server and the client."""
    words = said_by(program("redis-server", "redis-server"), "--version").split()
    return f"{words[2].removeprefix('v=')}, redis-py {library('redis')}"


@contextlib.contextmanager
def backend(folder: Path) -> Generator[Server]:
    """A server that syncs its log before every answer, and does nothing else on the side."""
    port = free_port()
    command = [program("redis-server", "redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--dir", str(folder), "--appendonly", "yes", "--appendfsync", "always"]
    command += ["--save", "", "--auto-aof-rewrite-percentage", "0"]
    with server(command, port, SERVER_CORE, folder / "redis.log") as process:
        yield process


@contextlib.contextmanager
def setting(folder: Path, way: str) -> Generator[Setting]:
    """The front and its Redis."""
    with backend(folder) as behind, front(folder, "redis", way, str(behind.port)) as process:
        yield Setting(server=process, behind=(behind,), stored=partial(asked, process.port))


PEERS: Final = (
    Peer(
        name="Redis, each",
        does="aiohttp, then one script: SET NX of the key and XADD; a connection for each payment under way",
        keeps="in the append-only file, synced (`appendfsync always`)",
        version=version,
        setting=partial(setting, way="each"),
    ),
    Peer(
        name="Redis, batches by hand",
        does="the same, one pipeline for all that wait",
        keeps="in the append-only file, synced (`appendfsync always`)",
        wanted=None,
        version=version,
        setting=partial(setting, way="batches"),
    ),
)


# Inside the front


async def open_store(way: str, at: str) -> Store:
    """Connect to the server on port `at`."""
    client = importlib.import_module("redis.asyncio").Redis(
        host="127.0.0.1", port=int(at), max_connections=CONNECTIONS_MAX
    )
    digest = await client.script_load(ONCE)

    async def each(key: str, body: bytes) -> None:
        await client.evalsha(digest, 1, key, body)

    async def together(batch: Sequence[Waiting]) -> None:
        pipeline = client.pipeline(transaction=False)
        for one in batch:
            pipeline.evalsha(digest, 1, one.key, one.body)
        await pipeline.execute()

    async def count() -> int:
        return int(await client.xlen("payments"))

    return Store(put=each if way == "each" else Batches(together).put, count=count)
