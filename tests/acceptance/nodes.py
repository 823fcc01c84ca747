"""Several gateways of one scene on one database: each a process of its own, all before the same cores."""

import asyncio
import contextlib
import itertools
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.clock import SystemClock
from gateway.demo.actor import Actor
from gateway.demo.scene import CorePart, Ports, Scene
from tests.acceptance.fork_server import forked
from tests.acceptance.stage import WAIT_S, Stage
from tests.contracts.ports import SCENES, share_of
from tests.contracts.postgres_server import Server, free_port, new_folder

SERVE: Final = ("-m", "gateway", "serve", "--config")
"""What Python is told to be this program."""

LEASE_S: Final = 1.5
DATABASE: Final = {"max_wal_size": "1GB"}
"""With its usual durability: it is killed."""


class Node:
    """One more gateway of a scene, on ports of its own."""

    def __init__(self, scene: Scene, name: str, ports: Ports, command: Sequence[str] = SERVE) -> None:
        """Write its configuration beside the scene's."""
        port, admin_port = ports.take(), ports.take()
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.admin_url = f"http://127.0.0.1:{admin_port}"
        text = scene.config.read_text(encoding="utf-8")
        text = text.replace(f"port = {scene.port}\n", f"port = {port}\n", 1)
        text = text.replace(f"port = {scene.admin_port}\n", f"port = {admin_port}\n", 1)
        text = text.replace("[node]\n", f'[node]\nname = "{name}"\n', 1).replace("/spool/", f"/spool-{name}/")
        config = scene.folder / f"{name}.toml"
        config.write_text(text, encoding="utf-8")
        self._config = config
        self._spawn = scene.spawn
        # Beside the first one's, so that what any of them logs is looked through.
        self._log = scene.folder / "gateway.log"
        self.install(command)

    def install(self, command: Sequence[str]) -> None:
        """From now on this program is what runs here."""
        self.actor = Actor(
            self.name,
            (sys.executable, *command, str(self._config)),
            is_ready=lambda line: '"listening"' in line and '"channels"' in line,
            log=self._log,
            spawn=self._spawn,
        )

    async def restart(self) -> None:
        """SIGKILL and a new start."""
        await self.actor.kill()
        await self.actor.start()

    def pause(self) -> None:
        """It stands still, in the middle of whatever it does."""
        self.actor.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """It goes on and knows nothing of the time between."""
        self.actor.send(signal.SIGCONT)


class Cluster(Stage):
    """A stage with more than one gateway."""

    nodes: list[Node]
    database: Server

    @property
    def actors(self) -> list[Actor]:
        """Every gateway's process."""
        return [self.gateway, *(node.actor for node in self.nodes)]

    async def restart_database(self) -> None:
        """SIGKILL of all its processes, and a new start."""
        await asyncio.to_thread(self.database.kill)
        await asyncio.to_thread(self.database.start)

    async def stop(self) -> None:
        """An end in good order, of all gateways."""
        assert [await actor.stop() for actor in self.actors] == [0] * len(self.actors)

    def round_robin(self) -> Any:
        """The address of the next node at each call, whether it is well or not: as behind a balancer that knows nothing."""
        turns = itertools.cycle([self.scene.url, *(node.url for node in self.nodes)])
        return lambda: next(turns)

    async def lease_lost(self, name: str) -> None:
        """Wait until the others have taken a node's claims away."""
        async with asyncio.timeout(WAIT_S):
            while await asyncio.to_thread(self.database.ask, f"SELECT 1 FROM node WHERE name = '{name}'"):  # noqa: S608 - ours
                pass


@contextlib.asynccontextmanager
async def database(folder: Path | None = None, settings: dict[str, str] | None = None) -> AsyncGenerator[Server]:
    """A server of its own, on a loopback port."""
    server = Server(folder or new_folder(), {**DATABASE, **(settings or {})}, port=free_port())
    try:
        await asyncio.to_thread(server.prepare)
        await asyncio.to_thread(server.start)
        yield server
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(server.folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def replicated() -> AsyncGenerator[tuple[Server, Server]]:
    """A primary whose commits wait for its standby, and that standby."""
    async with database(settings={"synchronous_standby_names": "*"}) as primary:
        standby = Server(new_folder(), DATABASE, port=free_port())
        try:
            await asyncio.to_thread(standby.copy, primary)
            await asyncio.to_thread(standby.start)
            yield primary, standby
        finally:
            await asyncio.to_thread(standby.stop)
            shutil.rmtree(standby.folder, ignore_errors=True)


def spool_on(folder: Path, dsn: str, **more: object) -> dict[str, object]:
    """The keys of a scene's table `[spool]`."""
    url = folder / "database.url"
    url.write_text(dsn, encoding="utf-8")
    return {"engine": "postgres", "postgres": {"url": {"file": str(url)}, "lease_s": LEASE_S, "poll_s": 0.1, **more}}


@contextlib.asynccontextmanager
async def clustered(
    folder: Path,
    server: Server,
    parts: Sequence[CorePart],
    *names: str,
    dsn: str = "",
    command: Sequence[str] = SERVE,
    **more: object,
) -> AsyncGenerator[Cluster]:
    """The first node, and others of these names, all started; at the end whatever still runs is stopped.

    `command` is how Python is told to be the program they begin with.
    """
    clock = SystemClock()
    scene = Scene(
        folder,
        parts,
        clock,
        spool=spool_on(folder, dsn or server.dsn(), **more),
        stop_grace_s=4.0,
        ports=share_of(SCENES),
        spawn=forked,
    )
    nodes = [Node(scene, name, scene._ports, command) for name in names]
    gateway, cores = scene.gateway(command), {part.name: scene.core(part.name) for part in parts}
    async with aiohttp.ClientSession() as client:
        cluster = Cluster(scene, gateway, cores, client)
        cluster.nodes, cluster.database = nodes, server
        try:
            for actor in (*cores.values(), *cluster.actors):
                await actor.start()
            yield cluster
        finally:
            for node in nodes:
                node.go_on()
            for actor in (*reversed(cluster.actors), *cores.values()):
                await (actor.stop() if actor.is_running else actor.wait())
