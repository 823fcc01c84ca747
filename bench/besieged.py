"""What strangers at the admin side cost those who pay: payments taken beside a hostile load, and without, by turns.

The service stands in (its core refuses connections) and takes as many payments as it can. Meanwhile the admin side is asked,
over as many connections as it lets in, as fast as it answers: with tokens that nobody has, with none, with heads that come a byte
at a time, for the longest lists there are and for exports by somebody who may see them, and with all of it at once. One service,
one spool. A round holds each case once, in an order that rotates; a case is four slices, beside nobody, besieged twice, beside
nobody, as a machine with neighbours changes its speed within seconds: its ratio is of its own slices alone. The senders of both
sides share the load's core, hostile ones when it is idle: what the ratio says is of the service as long as that core isn't full. `by CPU` is the same ratio of the service's processor time for a payment, which what else the machine does moves less.

Meanwhile a shift lead looks: status, twice a second, by a token of his own, over one connection, in every slice.
"""

import argparse
import contextlib
import hashlib
import http.client
import os
import socket
import subprocess
import threading
import time
import tomllib
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from bench.installation import TOKEN, Installation, install, running, scratch
from bench.rig import LOAD_CORE, Server, dead_port, keep, tell, wrk
from bench.rounds import CONNECTIONS, rotated
from bench.table import spread, table

VIEWER: Final = "viewer-" + "0123456789abcdef" * 2
"""No secret, as that of the installation."""

LEAD: Final = "lead-" + "0123456789abcdef" * 2
"""The shift lead's; no secret either."""

LOOKS_EVERY_S: Final = 0.5

HOSTILE: Final = 60
"""Connections of a siege: about what the admin side lets in."""

DRIP_S: Final = 0.05
BEGIN_S: Final = 3.0
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
        command = ["chrt", "-i", "0", "taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", "-d600s"]
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
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
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
EXPORTS: Final = "/admin/v1/export?format=jsonl"
CASES: Final[dict[str, Siege]] = {
    "unknown tokens": asking("/admin/v1/status", "nobody-has-this"),
    "no token": asking("/admin/v1/status", ""),
    "slow heads": slow_heads,
    "long lists by a viewer": asking(LISTS, VIEWER),
    "exports by a viewer": asking(EXPORTS, VIEWER),
    "all at once": all_at_once,
}


class Lead:
    """Looks at the status, and notes how long each look took."""

    def __init__(self, port: int) -> None:
        """At this port."""
        self._port = port

    @contextlib.contextmanager
    def looking(self) -> Generator[list[float]]:
        """Milliseconds of each look in the block."""
        took, over = list[float](), threading.Event()

        def look() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            while not over.wait(LOOKS_EVERY_S):
                began = time.perf_counter()
                connection.request("GET", "/admin/v1/status", headers={"Authorization": f"Bearer {LEAD}"})
                connection.getresponse().read()
                took.append(1000 * (time.perf_counter() - began))
            connection.close()

        looks = threading.Thread(target=look)
        looks.start()
        try:
            yield took
        finally:
            over.set()
            looks.join()


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """What one stretch of payments came to."""

    per_s: float
    cpu_us: float
    p99_ms: float
    failed: int
    #: The shift lead's waits.
    looks_ms: list[float]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One siege in one round: the slices beside it, and those without."""

    besieged: list[Slice]
    alone: list[Slice]

    @property
    def rate(self) -> float:
        """Payments a second, of those beside nobody."""
        return sum(each.per_s for each in self.besieged) / sum(each.per_s for each in self.alone)

    @property
    def by_cpu(self) -> float:
        """The same, by what a payment took of the processor."""
        return sum(each.cpu_us for each in self.alone) / sum(each.cpu_us for each in self.besieged)


def open_to_both(made: Installation) -> int:
    """Let the viewer and the shift lead in; the admin side's port."""
    with made.config.open("a") as file:
        for name, token in (("viewer", VIEWER), ("lead", LEAD)):
            digest = hashlib.sha256(token.encode()).hexdigest()
            file.write(f'\n[admin.tokens.{name}]\nrole = "viewer"\nsha256 = "{digest}"\n')
    port: int = tomllib.loads(made.config.read_text())["listen"]["admin"]["port"]
    return port


def sliced(server: Server, admin_port: int, siege: Siege, seconds: float) -> Slice:
    """One stretch beside a siege."""
    with siege(admin_port), Lead(admin_port).looking() as looks_ms:
        used = server.cpu_s()
        load = wrk(server.port, seconds, CONNECTIONS, "json", "v7", "full", TOKEN)
        used = server.cpu_s() - used
    return Slice(
        per_s=load.per_s,
        cpu_us=1e6 * used / load.requests,
        p99_ms=load.p99 / 1e3,
        failed=load.not_2xx,
        looks_ms=looks_ms,
    )


def measured(folder: Path, rounds: int, seconds: float, names: Sequence[str]) -> dict[str, list[Case]]:
    """What each case came to in each round."""
    found: dict[str, list[Case]] = {name: [] for name in names}
    with dead_port() as core:
        made = install(folder, core)
        admin_port = open_to_both(made)
        with running(made) as server:
            wrk(server.port, BEGIN_S, CONNECTIONS, "json", "v7", "full", TOKEN)
            for number in range(rounds):
                for name in rotated(names, number):
                    slices = [
                        sliced(server, admin_port, each, seconds) for each in (nobody, *[CASES[name]] * 2, nobody)
                    ]
                    case = Case(besieged=slices[1:3], alone=[slices[0], slices[3]])
                    found[name].append(case)
                    keep("besieged", {"case": name, "round": number, **msgspec.to_builtins(case)})
                    tell(f"round {number} {name:24} {case.rate:.2f} by CPU {case.by_cpu:.2f}")
    return found


def report(found: dict[str, list[Case]]) -> str:
    """The table of all rounds."""
    rows = list[list[str]]()
    for name, cases in found.items():
        besieged = [each for case in cases for each in case.besieged]
        looks_ms = sorted(took for each in besieged for took in each.looks_ms)
        rows.append(
            [
                name,
                spread([each.per_s for each in besieged], 0),
                spread([case.rate for case in cases], 2),
                spread([case.by_cpu for case in cases], 2),
                spread([each.p99_ms for each in besieged], 0),
                spread(looks_ms, 0),
            ]
        )
    alone = [each for cases in found.values() for case in cases for each in case.alone]
    looks_ms = [took for each in alone for took in each.looks_ms]
    rows.append(
        [
            "nobody",
            spread([each.per_s for each in alone], 0),
            "1",
            "1",
            spread([each.p99_ms for each in alone], 0),
            spread(looks_ms, 0),
        ]
    )
    return table(
        (
            "at the admin side",
            "payments/s",
            f"beside nobody (wanted: {SHARE_WANTED:g})",
            "by CPU",
            "p99 ms",
            "a look, ms",
        ),
        rows,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each of four slices of each case in each round")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    with scratch() as folder:
        print(report(measured(folder, told.rounds, told.seconds, told.cases)))
