"""A node whose network is gone, of three on one database: the others go on, and what it says afterwards is not stored.

The node runs in a network namespace of its own (`wire`); its ways to database, cores and senders are one cable.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.channels.scripted.diary import Diary
from adapters.core import Level
from adapters.cores.scripted.ledger import read_attempts
from gateway.demo.actor import Actor
from gateway.demo.scene import CorePart
from tests.acceptance.nodes import SERVE, Cluster, Node, clustered, database
from tests.acceptance.stage import seed
from tests.faults import wire as cable
from tests.faults.wire import HERE, THERE, Wire, wired

pytestmark = pytest.mark.process

PARTS: Final = (CorePart(name="a"), CorePart(name="b", level=Level.B))
BOTH: Final = ("a", "b")
CHUNK: Final = 1 << 16


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """A good cable, to begin with."""
    if cable.missing():
        pytest.skip(cable.missing())
    async with wired(random.Random(13)) as made:  # noqa: S311 - repeatable on purpose
        yield made


@contextlib.asynccontextmanager
async def carried(port: int) -> AsyncGenerator[None]:
    """What comes to this port over the cable goes to the same port of this machine, and back."""
    going, ends = set[asyncio.Task[None]](), set[asyncio.StreamWriter]()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        ends.update((writer, back))
        carrying = {asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))}
        going.update(carrying)
        await asyncio.wait(carrying)

    server = await asyncio.start_server(meet, HERE, port)
    try:
        yield
    finally:
        server.close()
        for end in ends:
            end.transport.abort()
        if going:
            await asyncio.wait(going)
        await asyncio.wait([asyncio.create_task(end.wait_closed()) for end in ends])


def far_node(cluster: Cluster, wire: Wire, dsn: str) -> Node:
    """One more node, at the far end."""
    node = Node(cluster.scene, "far", cluster.scene._ports)
    text = node._config.read_text(encoding="utf-8")
    near, far = cluster.scene.folder / "database.url", cluster.scene.folder / "far.url"
    far.write_text(dsn.replace("127.0.0.1", HERE), encoding="utf-8")
    text = text.replace(str(near), str(far))
    for core in BOTH:
        text = text.replace(cluster.scene.core_url(core), cluster.scene.core_url(core).replace("127.0.0.1", HERE))
    for url in (node.url, node.admin_url):
        port = url.rpartition(":")[2]
        text = text.replace(f"port = {port}\n", f'port = {port}\nhost = "{THERE}"\n')
    admin = node.admin_url.rpartition(":")[2]
    text = text.replace(
        f'port = {admin}\nhost = "{THERE}"\n', f'port = {admin}\nhost = "{THERE}"\nallow_plain = true\n'
    )
    text = text.replace('allow = ["127.0.0.0/8"]', f'allow = ["{HERE}/32"]')
    node._config.write_text(text, encoding="utf-8")
    node.url = node.url.replace("127.0.0.1", THERE)
    node.actor = Actor(
        "far",
        (*wire.within(), sys.executable, *SERVE, str(node._config)),
        is_ready=lambda line: '"listening"' in line and '"channels"' in line,
        log=cluster.scene.folder / "gateway.log",
    )
    return node


async def answers(diary: Diary, more: int) -> None:
    """Wait until the senders have had so many final answers more."""
    await diary.answers.reach(diary.answers.count + more)


async def test_a_node_cut_off_from_everything_writes_nothing_stale_and_the_others_go_on(
    wire: Wire, tmp_path: Path
) -> None:
    """One answer and one booking per key; one attempt of an account at a time, by the cores' own logs.

    Neither end is told of the cut: what the node sent before, and its system sends again and again, arrives when the cable
    is whole, after others took its claims over.
    """
    chance = random.Random(seed())  # noqa: S311 - repeatable on purpose
    quick: dict[str, Any] = {"connect_timeout_s": 1.0, "statement_timeout_s": 30.0}
    async with database() as server, clustered(tmp_path, server, PARTS, "second", **quick) as cluster:
        async with contextlib.AsyncExitStack() as stack:
            for port in (server.port, *(cluster.scene.core_ports(core)[0] for core in BOTH)):
                await stack.enter_async_context(carried(port))
            node = far_node(cluster, wire, server.dsn())
            await node.actor.start()
            cluster.nodes.append(node)
            habits: dict[str, Any] = {"reversals": 0.1, "patience_s": 3.0}
            async with cluster.traffic(BOTH, 15.0, chance, address=cluster.round_robin(), **habits) as diary:
                for _ in range(2):
                    await answers(diary, chance.randint(20, 50))
                    wire.cut()
                    await cluster.lease_lost("far")
                    await answers(diary, chance.randint(20, 50))
                    wire.heal()
                    await answers(diary, chance.randint(20, 50))
            stopped = await node.actor.stop()
            cluster.nodes.remove(node)
        await cluster.stop()
        judged = {core: await cluster.history(core, several=True) for core in BOTH}
        verified, words = await cluster.command("verify")
    crossed = [each for core in BOTH for each in read_attempts(cluster.scene.ledger(core)) if each.in_flight]
    for _, verdict in judged.values():
        sys.stdout.write(f"{verdict['text']}\n")
    assert {core: verdict for core, (wrong, verdict) in judged.items() if wrong or verdict["waiting"]} == {}
    assert (crossed, stopped, verified, wire.dropped > 0) == ([], 0, 0, True), words
    assert cluster.blunders() == []
