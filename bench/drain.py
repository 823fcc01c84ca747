"""How fast a backlog is delivered, beside a bare client loop at the same core in the same round.

The scripted core runs on the load's core, answers 5 ms after booking and keeps its ledger on disk; both senders run on the
servers' core with the same number of attempts at once: the service with its spool (claim, send, record, one attempt per
account), and a plain aiohttp loop that posts ready-made bodies and looks at the status. Deliveries are counted in the
core's ledger, by the core's own times, and each must be there once.
"""

import argparse
import asyncio
import contextlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from statistics import median
from typing import Final

import aiohttp
import msgspec
import uvloop

from bench.installation import install, running, scratch
from bench.preload import copied, preloaded
from bench.rig import LOAD_CORE, SERVER_CORE, Server, Trouble, free_port, keep, pinned, python, server, tell
from bench.table import spread, table

ANSWER_DELAY_MS: Final = 5
RATIO_WANTED: Final = 0.60
BEGUN: Final = 2_000
"""Deliveries before CPU is counted, so that the start of the process isn't."""

DRAIN_S_MAX: Final = 300.0


class Drained(msgspec.Struct, frozen=True, kw_only=True):
    """One sender in one round."""

    sender: str
    round: int
    at_once: int
    deliveries: int
    per_s: float
    #: CPU per delivery of the sender and of the core, microseconds.
    cpu_us: float
    core_cpu_us: float


class Ledger:
    """The core's ledger, read while it is written."""

    def __init__(self, path: Path) -> None:
        """Read only; whoever writes isn't disturbed."""
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)

    def count(self) -> int:
        """Bookings so far."""
        found: int = self._db.execute("SELECT coalesce(max(sequence), 0) FROM booking").fetchone()[0]
        return found

    def doubled(self) -> int:
        """Payments booked more than once."""
        found: int = self._db.execute("SELECT count(*) - count(DISTINCT reference) FROM booking").fetchone()[0]
        return found

    def per_s(self) -> float:
        """Bookings a second between the first and the last hundredth."""
        count = self.count()
        first, last = (self._at(share * count // 100) for share in (1, 99))
        return 0.98 * count / ((last - first) / 1e6)

    def _at(self, sequence: int) -> int:
        found: int = self._db.execute("SELECT booked_at_us FROM booking WHERE sequence = ?", (sequence,)).fetchone()[0]
        return found

    def close(self) -> None:
        """Let go."""
        self._db.close()


@contextlib.contextmanager
def scripted_core(folder: Path) -> Generator[tuple[Server, Ledger]]:
    """A core that answers after 5 ms, on the load's core."""
    port, path = free_port(), folder / "ledger.db"
    command = python("-m", "adapters.cores.scripted", "--ledger", str(path), "--port", str(port))
    command += ["--answer-delay-ms", str(ANSWER_DELAY_MS)]
    with server(command, port, LOAD_CORE, folder / "core.log") as core, contextlib.closing(Ledger(path)) as ledger:
        yield core, ledger


def from_spool(number: int, count: int, at_once: int) -> Drained:
    """The service drains its spool."""
    with scratch() as folder, scripted_core(folder) as (core, ledger):
        made = install(folder, core.port, in_flight=at_once)
        copied(folder, preloaded(count, "v7"))
        with running(made) as gateway:
            _reach(ledger, BEGUN)
            begun, cpu_s, core_s = ledger.count(), gateway.cpu_s(), core.cpu_s()
            _reach(ledger, count)
            cpu_s, core_s, done = gateway.cpu_s() - cpu_s, core.cpu_s() - core_s, count - begun
        if not done:
            raise Trouble(f"{count} are too few: all were booked before the CPU was read")
        return Drained(
            sender="service",
            round=number,
            at_once=at_once,
            deliveries=count,
            per_s=_counted(ledger, count),
            cpu_us=cpu_s / done * 1e6,
            core_cpu_us=core_s / done * 1e6,
        )


def bare(number: int, count: int, at_once: int) -> Drained:
    """A bare loop sends as many."""
    with scratch() as folder, scripted_core(folder) as (core, ledger):
        before = core.cpu_s()
        command = python("-m", "bench.drain", "--inside", str(core.port), "--count", str(count))
        command = pinned([*command, "--at-once", str(at_once)], SERVER_CORE)
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            raise Trouble(said.stderr[-2000:])
        cpu_s, core_s = json.loads(said.stdout)["cpu_s"], core.cpu_s() - before
        return Drained(
            sender="bare loop",
            round=number,
            at_once=at_once,
            deliveries=count,
            per_s=_counted(ledger, count),
            cpu_us=cpu_s / count * 1e6,
            core_cpu_us=core_s / count * 1e6,
        )


def _reach(ledger: Ledger, count: int) -> None:
    until = time.monotonic() + DRAIN_S_MAX
    while ledger.count() < count:
        if time.monotonic() > until:
            raise Trouble(f"{ledger.count()} of {count} delivered after {DRAIN_S_MAX:.0f} s")
        time.sleep(0.1)  # the ledger is another process's file: there is nothing to be woken by


def _counted(ledger: Ledger, count: int) -> float:
    """Deliveries a second, when each is there once."""
    if ledger.count() != count or ledger.doubled():
        raise Trouble(f"{ledger.count()} booked of {count}, {ledger.doubled()} doubled")
    return ledger.per_s()


# Inside the bare loop's process


async def loop(port: int, count: int, at_once: int) -> float:
    """Send so many payments, so many at once; seconds of CPU it took."""
    url = f"http://127.0.0.1:{port}/payments"
    left = iter([(_HEADERS | {"Idempotency-Key": f"id-{each}"}, _BODY % (each, each % 10**7)) for each in range(count)])
    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def send() -> None:
            for headers, body in left:
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    assert answer.status == 201, answer.status

        began = time.process_time()
        await asyncio.gather(*(send() for _ in range(at_once)))
        return time.process_time() - began


_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}
_BODY: Final = (
    b'{"id":"id-%d","account":"770%07d","amount":"123.45","currency":"RUB","paid_at":"2026-01-15T12:00:00.000000Z"}'
)


def report(runs: list[Drained]) -> str:
    """The table of all rounds."""
    rows = list[list[str]]()
    for at_once in sorted({run.at_once for run in runs}):
        base = {run.round: run for run in runs if (run.sender, run.at_once) == ("bare loop", at_once)}
        for sender in ("bare loop", "service"):
            mine = [run for run in runs if (run.sender, run.at_once) == (sender, at_once)]
            ratios = [run.per_s / base[run.round].per_s for run in mine if run.round in base]
            busy = median(run.per_s * run.core_cpu_us / 1e6 for run in mine)
            rows.append(
                [
                    f"{sender}, {at_once} at once",
                    spread([run.per_s for run in mine], 0),
                    spread(ratios, 2),
                    spread([run.cpu_us for run in mine], 0),
                    f"{busy:.0%}",
                ]
            )
    return table(("sender", "deliveries/s", "ratio", "CPU µs/delivery", "core busy"), rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=100_000, help="payments that wait")
    parser.add_argument("--at-once", type=int, default=32, help="attempts at once, of either sender")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    runs: list[Drained] = []
    for number in range(told.rounds):
        for sender in ((bare, from_spool), (from_spool, bare))[number % 2]:
            runs.append(one := sender(number, told.count, told.at_once))
            keep("drain", msgspec.to_builtins(one))
            tell(
                f"round {number} {one.sender:10} {one.per_s:7,.0f}/s {one.cpu_us:.0f} µs, core {one.core_cpu_us:.0f} µs"
            )
    print(report(runs))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.drain", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.inside is None:
        run(told)
    else:
        print(json.dumps({"cpu_s": uvloop.run(loop(told.inside, told.count, told.at_once))}))


if __name__ == "__main__":
    main()
