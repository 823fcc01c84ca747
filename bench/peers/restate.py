"""Restate: one-way calls of a service, taken by its own ingress under an Idempotency-Key; no front of ours before it.

The service that would deliver is registered and then stopped (SIGSTOP), as the core is down where Nightsafe stands in.
"""

import contextlib
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.case import Setting
from bench.peers.peer import PLACE, Missing, Peer, program, said_by
from bench.rig import LOAD_CORE, ROOT, SERVER_CORE, START_S_MAX, Server, Trouble, free_port, server

SERVER: Final = PLACE / "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server"

PATH: Final = "/Billing/deliver/send"

SETTLING: Final = 200
"""Calls before it is measured: 24 partitions each have some, but for one time in two hundred."""

_CONFIGURATION: Final = """\
bind-ip = "127.0.0.1"
bind-port = {node}
listen-mode = "tcp"
node-name = "bench"
default-num-partitions = {partitions}
disable-telemetry = true

[ingress]
bind-port = {ingress}

[admin]
bind-port = {admin}
"""


def version() -> str:
    """Of the server and the service's library."""
    package = PLACE / "node_modules/@restatedev/restate-sdk/package.json"
    if not package.exists():
        raise Missing("restate-sdk is not here: make bench-peers")
    return f"{said_by(str(SERVER), '--version').split()[-1]}, SDK {json.loads(package.read_text())['version']}"


@contextlib.contextmanager
def service(folder: Path) -> Generator[Server]:
    """What would deliver, on the load's core."""
    port = free_port()
    command = [program("node", "nodejs"), str(ROOT / "bench/peers/restate.mjs"), str(PLACE), str(port)]
    with server(command, port, LOAD_CORE, folder / "service.log") as process:
        yield process


@contextlib.contextmanager
def backend(folder: Path, partitions: int) -> Generator[tuple[Server, int]]:
    """Restate's one process, and the port of its admin API."""
    ingress, admin, configuration = free_port(), free_port(), folder / "restate.toml"
    configuration.write_text(
        _CONFIGURATION.format(ingress=ingress, admin=admin, node=free_port(), partitions=partitions)
    )
    command = [str(SERVER), "--no-logo", "--config-file", str(configuration), "--base-dir", str(folder / "restate")]
    with server(command, ingress, SERVER_CORE, folder / "restate.log") as process:
        yield process, admin


def _ask(port: int, path: str, body: dict[str, Any], key: str = "") -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server on loopback
        return json.loads(answer.read())


def _register(admin: int, port: int) -> None:
    """Tell Restate of the service."""
    _insist(partial(_ask, admin, "/deployments", {"uri": f"http://127.0.0.1:{port}"}))


def _settle(ingress: int) -> None:
    """It listens seconds before each of its partitions is led: have so many calls taken that each has had some."""
    for number in range(SETTLING):
        body = {"account": "7707000000", "amount": "1.00", "currency": "RUB"}
        _insist(partial(_ask, ingress, PATH, body, f"settling-{number}"))


def _insist(ask: Callable[[], Any]) -> Any:
    """Ask until there is an answer; Restate comes up in parts, and says 500 or 503 for those not yet there."""
    until = time.monotonic() + START_S_MAX
    while True:
        try:
            return ask()
        except OSError as error:
            if time.monotonic() > until:
                raise Trouble(f"Restate does not answer: {error}") from error
            time.sleep(0.1)  # there is nothing to be woken by


def _stored(admin: int) -> int:
    """Calls it holds."""
    query = {"query": "SELECT count(*) AS calls FROM sys_invocation_status"}
    found = _insist(partial(_ask, admin, "/query", query))
    return int(found["rows"][0]["calls"]) - SETTLING


@contextlib.contextmanager
def setting(folder: Path, partitions: int) -> Generator[Setting]:
    """Restate with a service that is stopped."""
    with service(folder) as delivers, backend(folder, partitions) as (process, admin):
        _register(admin, delivers.port)
        os.kill(delivers.pid, signal.SIGSTOP)
        try:
            _settle(process.port)
            yield Setting(server=process, stored=partial(_stored, admin))
        finally:
            os.kill(delivers.pid, signal.SIGCONT)


PEERS: Final = (
    Peer(
        name="Restate",
        does="its own ingress: a one-way call under an Idempotency-Key; 24 partitions, its default",
        keeps="in its replicated log of one node, synced (`rocksdb-disable-wal-fsync = false`, its default)",
        version=version,
        setting=partial(setting, partitions=24),
        path=PATH,
    ),
    Peer(
        name="Restate, 4 partitions",
        does="the same, tuned for one core",
        keeps="the same",
        version=version,
        setting=partial(setting, partitions=4),
        path=PATH,
    ),
)
