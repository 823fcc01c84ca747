"""What strangers at the admin side cost those who pay: payments taken beside a hostile load, and without, by turns.

The service stands in (its core refuses connections) and takes as many payments as it can. Meanwhile the admin side is asked,
over as many connections as it lets in, as fast as it answers: with tokens that nobody has, with none, with heads that come a byte
at a time, for the longest lists there are by somebody who may see them, and with all of it at once. One service, one spool; a round
holds each case once, in an order that rotates, and a ratio is taken inside one round. The senders of both sides share the load's
core, hostile ones at the lowest priority: what the ratio says is of the service as long as that core isn't full.
"""

import argparse
import contextlib
import hashlib
import socket
import subprocess
import threading
import tomllib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench.installation import TOKEN, Installation, install, running, scratch
from bench.rig import LOAD_CORE, dead_port, keep, tell, wrk
from bench.rounds import CONNECTIONS, rotated
from bench.table import spread, table

VIEWER: Final = "viewer-" + "0123456789abcdef" * 2
"""No secret, as that of the installation."""

HOSTILE: Final = 60
"""Connections of a siege: about what the admin side lets in."""

DRIP_S: Final = 0.05
BEGIN_S: Final = 5.0
SHARE_WANTED: Final = 0.9

Siege = Callable[[int], AbstractContextManager[None]]


@contextlib.contextmanager
def nobody(port: int) -> Generator[None]:
    """No hostile load."""
    del port
    yield


def asking(path: str, token: str, connections: int = HOSTILE) -> Siege:
    """Somebody who asks for a path as fast as answers come."""

    @contextlib.contextmanager
    def siege(port: int) -> Generator[None]:
        headers = ["-H", f"Authorization: Bearer {token}"] if token else []
        command = ["nice", "-n", "19", "taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", "-d600s"]
        address = f"http://127.0.0.1:{port}{path}"
        asked = subprocess.Popen([*command, *headers, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            asked.kill()
            asked.wait()

    return siege


@contextlib.contextmanager
def slow_heads(port: int, connections: int = HOSTILE) -> Generator[None]:
    """Somebody whose requests come a byte at a time and never end; who is closed out comes again."""
    over = threading.Event()

    def drip() -> None:
        held = list[socket.socket]()
        while not over.wait(DRIP_S):
            while len(held) < connections:
                held.append(socket.create_connection(("127.0.0.1", port), 5))
                held[-1].sendall(b"GET /admin/v1/status HTTP/1.1\r\nHost: x\r\nX-Drip: ")
            for each in list(held):
                try:
                    each.sendall(b"a")
                except OSError:
                    each.close()
                    held.remove(each)
        for each in held:
            each.close()

    sender = threading.Thread(target=drip)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


@contextlib.contextmanager
def all_at_once(port: int) -> Generator[None]:
    """A quarter of each."""
    quarter = HOSTILE // 4
    with contextlib.ExitStack() as stack:
        for siege in (
            asking("/admin/v1/status", "nobody-has-this", quarter),
            asking("/admin/v1/status", "", quarter),
            asking(LISTS, VIEWER, quarter),
        ):
            stack.enter_context(siege(port))
        stack.enter_context(slow_heads(port, quarter))
        yield


LISTS: Final = "/admin/v1/entries?limit=500"
CASES: Final[dict[str, Siege]] = {
    "nobody": nobody,
    "unknown tokens": asking("/admin/v1/status", "nobody-has-this"),
    "no token": asking("/admin/v1/status", ""),
    "slow heads": slow_heads,
    "long lists by a viewer": asking(LISTS, VIEWER),
    "all at once": all_at_once,
}


def open_to_a_viewer(made: Installation) -> int:
    """Let a viewer in; the admin side's port."""
    digest = hashlib.sha256(VIEWER.encode()).hexdigest()
    with made.config.open("a") as file:
        file.write(f'\n[admin.tokens.viewer]\nrole = "viewer"\nsha256 = "{digest}"\n')
    port: int = tomllib.loads(made.config.read_text())["listen"]["admin"]["port"]
    return port


def measured(folder: Path, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Payments taken a second, by case, a figure for each round."""
    found: dict[str, list[float]] = {name: [] for name in CASES}
    with dead_port() as core:
        made = install(folder, core)
        admin_port = open_to_a_viewer(made)
        with running(made) as server:
            wrk(server.port, BEGIN_S, CONNECTIONS, "json", "v7", "full", TOKEN)
            for number in range(rounds):
                for name in rotated(list(CASES), number):
                    with CASES[name](admin_port):
                        load = wrk(server.port, seconds, CONNECTIONS, "json", "v7", "full", TOKEN)
                    found[name].append(load.per_s)
                    keep("besieged", {"case": name, "round": number, "per_s": load.per_s, "failed": load.not_2xx})
                    tell(
                        f"round {number} {name:24} {load.per_s:8,.0f}/s p99 {load.p99 / 1e3:.1f} ms failed {load.not_2xx}"
                    )
    return found


def report(found: dict[str, list[float]]) -> str:
    """The table of all rounds."""
    rows = [
        [name, spread(figures, 0), spread([each / alone for each, alone in zip(figures, found["nobody"], strict=True)], 2)]
        for name, figures in found.items()
    ]  # fmt: skip
    return table(("at the admin side", "payments/s", f"beside nobody (wanted: {SHARE_WANTED:g})"), rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case in each round")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    with scratch() as folder:
        print(report(measured(folder, told.rounds, told.seconds)))
