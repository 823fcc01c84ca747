"""NATS JetStream with `sync_interval: always`: a stream on disk, each message acknowledged once it is synced."""

import contextlib
import importlib
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Final

from bench.case import Setting
from bench.peers.peer import PLACE, Peer, Store, asked, front, library, said_by
from bench.rig import SERVER_CORE, Server, free_port, server

SERVER: Final = PLACE / "venv/bin/nats-server"

_CONFIGURATION: Final = """\
listen: "127.0.0.1:{port}"
jetstream {{
  store_dir: "{folder}/jetstream"
  sync_interval: always
}}
"""


def version() -> str:
    """Of the server and the client."""
    return f"{said_by(str(SERVER), '--version').split()[-1].removeprefix('v')}, nats-py {library('nats-py')}"


@contextlib.contextmanager
def backend(folder: Path) -> Generator[Server]:
    """A server that syncs every message before it is acknowledged."""
    port, configuration = free_port(), folder / "nats.conf"
    configuration.write_text(_CONFIGURATION.format(port=port, folder=folder))
    command = [str(SERVER), "--config", str(configuration)]
    with server(command, port, SERVER_CORE, folder / "nats.log") as process:
        yield process


@contextlib.contextmanager
def setting(folder: Path) -> Generator[Setting]:
    """The front and its server."""
    with backend(folder) as behind, front(folder, "nats", "each", str(behind.port)) as process:
        yield Setting(server=process, behind=(behind,), stored=partial(asked, process.port))


PEERS: Final = (
    Peer(
        name="NATS JetStream",
        does="aiohttp, then a publish with Nats-Msg-Id and its acknowledgement",
        keeps="in the stream's file, synced (`sync_interval: always`)",
        version=version,
        setting=setting,
    ),
)


# Inside the front


async def open_store(_way: str, at: str) -> Store:
    """Connect to the server on port `at`, and make the stream."""
    client = await importlib.import_module("nats").connect(f"nats://127.0.0.1:{at}")
    jetstream = client.jetstream()
    await jetstream.add_stream(name="PAYMENTS", subjects=["payments"])

    async def put(key: str, body: bytes) -> None:
        await jetstream.publish("payments", body, headers={"Nats-Msg-Id": key}, timeout=20)

    async def count() -> int:
        return int((await jetstream.stream_info("PAYMENTS")).state.messages)

    return Store(put=put, count=count)
