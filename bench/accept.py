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
from collections.abc import Generator
from pathlib import Path
from statistics import median

from bench.case import Case, Setting
from bench.installation import TOKEN, install, running
from bench.rig import LOAD_CORE, SERVER_CORE, dead_port, free_port, python, server
from bench.rounds import CONNECTIONS, Result, insist, rounds
from bench.table import spread, table


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
            yield Setting(server=process, spool=made.spool)


@contextlib.contextmanager
def passing_through(folder: Path) -> Generator[Setting]:
    """The service before a core that is well."""
    port = free_port()
    command = python("-m", "adapters.cores.scripted", "--ledger", str(folder / "ledger.db"), "--port", str(port))
    made = install(folder, port, in_flight=2 * CONNECTIONS)
    with server(command, port, LOAD_CORE, folder / "core.log"), running(made) as process:
        yield Setting(server=process, spool=made.spool)


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each case in each round")
    parser.add_argument("--body", choices=("full", "plain"), default="full", help="all fields of the API, or three")
    parser.add_argument("--only", default="", help="cases whose name holds this, beside B")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table.

    Raises:
        Trouble: a case could not be measured in some round, or kept less than it answered.
    """
    chosen = [case for case in cases(told.body) if case.name == "B" or told.only in case.name]
    results, troubles = rounds("accept", chosen, told.rounds, told.seconds)
    print(report(results))
    insist(troubles)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.accept", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
