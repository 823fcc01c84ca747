"""What taking a payment costs, beside a bare server in the same round.

Cases: B (`bench.bare`); the durable, sealed accept of the whole service while it stands in (its core refuses
connections): HTTP in, bearer token, Idempotency-Key, checked, limits counted, sealed, synced, answered 202, with random
keys and with keys that rise with time; and, for information, payments passed through to the scripted core by the JSON
API and by OSMP (the core runs on the load's core and isn't counted).

Each round runs every case once, in an order that rotates; a ratio is taken inside one round (CPU per request of B over
that of the case) and the median of the rounds is given.
"""

import argparse
import contextlib
import sqlite3
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.installation import TOKEN, Installation, install, running, scratch
from bench.rig import (
    LOAD_CORE,
    SERVER_CORE,
    Server,
    Trouble,
    dead_port,
    free_port,
    keep,
    python,
    server,
    tell,
    wrk,
)
from bench.table import spread, table
from spool.lifecycle import Told

CONNECTIONS: Final = 64
WARM_UP_S: Final = 1.0


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be measured."""

    name: str
    #: Starts what is measured in a scratch folder.
    setting: "Callable[[Path], AbstractContextManager[Setting]]"
    #: What `load.lua` is told.
    script: tuple[str, ...]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A case that runs."""

    server: Server
    installation: Installation | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One case in one round."""

    case: str
    round: int
    requests: int
    per_s: float
    #: CPU per request, microseconds.
    cpu_us: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    #: Answers that were no 2xx, broken connections, and requests without an answer.
    failed: int
    memory_mib: float
    #: Payments on disk less payments answered yes, warm-up included: what was under way at the end is a few more.
    stored_more: int | None = None
    #: Share of the payments on disk that were answered provisionally.
    stood_in: float | None = None


@contextlib.contextmanager
def bare(folder: Path) -> Generator[Setting]:
    """B."""
    port = free_port()
    with server(python("-m", "bench.bare", "--port", str(port)), port, SERVER_CORE, folder / "bare.log") as process:
        yield Setting(server=process)


@contextlib.contextmanager
def standing_in(folder: Path) -> Generator[Setting]:
    """The service while its core refuses connections."""
    with dead_port() as core:
        made = install(folder, core)
        with running(made) as process:
            yield Setting(server=process, installation=made)


@contextlib.contextmanager
def passing_through(folder: Path) -> Generator[Setting]:
    """The service before a core that is well."""
    port = free_port()
    command = python("-m", "adapters.cores.scripted", "--ledger", str(folder / "ledger.db"), "--port", str(port))
    made = install(folder, port, in_flight=2 * CONNECTIONS)
    with server(command, port, LOAD_CORE, folder / "core.log"), running(made) as process:
        yield Setting(server=process, installation=made)


def cases(body: str) -> list[Case]:
    """The standard set, B first."""

    def json(keys: str) -> tuple[str, ...]:
        return "json", keys, body, TOKEN

    return [
        Case(name="B", setting=bare, script=json("v4")),
        Case(name="durable accept, random keys", setting=standing_in, script=json("v4")),
        Case(name="durable accept, rising keys", setting=standing_in, script=json("v7")),
        Case(name="JSON passed through", setting=passing_through, script=json("v7")),
        Case(name="OSMP pay passed through", setting=passing_through, script=("osmp", "v7")),
    ]


def measure(case: Case, number: int, seconds: float) -> Result:
    """Run one case once.

    Raises:
        Trouble: it can't be run, or less is on disk than was answered.
    """
    with scratch() as folder:
        with case.setting(folder) as setting:
            warm = wrk(setting.server.port, WARM_UP_S, CONNECTIONS, *case.script)
            before = setting.server.cpu_s()
            load = wrk(setting.server.port, seconds, CONNECTIONS, *case.script)
            cpu_s = setting.server.cpu_s() - before
            memory = setting.server.memory_mib("VmHWM")
        kept = None if setting.installation is None else count(setting.installation.spool)
    failed = load.not_2xx + load.socket_errors + load.timeouts
    more = None if kept is None else kept[0] - load.requests - warm.requests + load.not_2xx + warm.not_2xx
    if more is not None and more < 0:
        raise Trouble(f"{case.name}: {-more} payments were answered and are not on disk")
    return Result(
        case=case.name,
        round=number,
        requests=load.requests,
        per_s=load.per_s,
        cpu_us=cpu_s / max(1, load.requests) * 1e6,
        p50_ms=load.p50 / 1e3,
        p99_ms=load.p99 / 1e3,
        p999_ms=load.p999 / 1e3,
        failed=failed,
        memory_mib=memory,
        stored_more=more,
        stood_in=None if kept is None else kept[1] / max(1, kept[0]),
    )


def count(spool: Path) -> tuple[int, int]:
    """Payments in a spool nobody runs on: all, and those answered provisionally."""
    with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT count(*), coalesce(sum(told = ?), 0) FROM entry", (Told.PROVISIONAL,)).fetchone()
        return int(found[0]), int(found[1])


def report(results: list[Result]) -> str:
    """The table of all rounds."""
    base = {each.round: each for each in results if each.case == "B"}
    rows = [_row(name, [each for each in results if each.case == name], base) for name in _names(results)]
    head = ("case", "req/s", "CPU µs/req", "CPU ratio", "p50 ms", "p99 ms", "p99 / B's", "MiB", "stood in", "failed")
    return table(head, rows)


def _names(results: list[Result]) -> list[str]:
    return sorted({each.case for each in results}, key=[case.name for case in cases("full")].index)


def _row(name: str, found: list[Result], base: dict[int, Result]) -> list[str]:
    paired = [(each, base[each.round]) for each in found if each.round in base]
    return [
        name,
        spread([each.per_s for each in found], 0),
        spread([each.cpu_us for each in found], 1),
        spread([b.cpu_us / each.cpu_us for each, b in paired], 2),
        f"{median(each.p50_ms for each in found):.1f}",
        spread([each.p99_ms for each in found], 1),
        spread([each.p99_ms / b.p99_ms for each, b in paired], 1),
        f"{max(each.memory_mib for each in found):.0f}",
        "" if found[0].stood_in is None else f"{median(each.stood_in or 0 for each in found):.0%}",
        str(sum(each.failed for each in found)),
    ]


def rounds(chosen: list[Case], how_many: int, seconds: float) -> list[Result]:
    """All rounds, the order of the cases rotated from one to the next."""
    results: list[Result] = []
    for number in range(how_many):
        turn = number % len(chosen)
        for case in chosen[turn:] + chosen[:turn]:
            result = measure(case, number, seconds)
            results.append(result)
            keep("accept", msgspec.to_builtins(result))
            tell(
                f"round {number} {result.case:28} {result.per_s:8,.0f}/s {result.cpu_us:6.1f} µs "
                f"p50 {result.p50_ms:.2f} p99 {result.p99_ms:.2f} ms failed {result.failed}"
            )
    return results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case in each round")
    parser.add_argument("--body", choices=("full", "plain"), default="full", help="all fields of the API, or three")
    parser.add_argument("--only", default="", help="cases whose name holds this, beside B")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    chosen = [case for case in cases(told.body) if case.name == "B" or told.only in case.name]
    results = rounds(chosen, told.rounds, told.seconds)
    print(report(results))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.accept", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
