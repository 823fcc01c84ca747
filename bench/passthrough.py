"""What Nightsafe adds in health: a payment through it, beside the same core called directly, and beside one sync.

The scripted core (its ledger on disk) runs on the load's core, Nightsafe on the servers'. Each round measures, at one
connection one call after another and at a modest fixed rate: calls to the core as Nightsafe makes them, and payments of
the JSON API through Nightsafe to the same core; and what one write and sync cost at that moment. One commit stands before
the answer (the payment, before it is sent); what the core said goes to disk behind the answer's back.
"""

import argparse
import contextlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.clocked import Generator as Load
from bench.clocked import Make, Waits, calls, payments, share
from bench.disk import syncs
from bench.installation import TOKEN, install, running, scratch
from bench.rig import LOAD_CORE, Trouble, free_port, keep, pin_this_process, python, server, tell
from bench.table import spread, table

ADDED_MS_WANTED: Final = 1.0
"""At the median, and one sync."""

WARM_UP: Final = 200
SYNC_BYTES: Final = 4096


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """One round of one way of sending."""

    way: str
    round: int
    direct: Waits
    through: Waits
    #: Median of one write and sync, microseconds.
    sync_us: float

    @property
    def added_ms(self) -> float:
        """What Nightsafe adds at the median."""
        return (self.through.p50_us - self.direct.p50_us) / 1e3


@contextlib.contextmanager
def _scene(folder: Path) -> Generator[tuple[int, int]]:
    """The ports of a well core and of the service before it."""
    port = free_port()
    command = python("-m", "adapters.cores.scripted", "--ledger", str(folder / "ledger.db"), "--port", str(port))
    made = install(folder, port, in_flight=64)
    with server(command, port, LOAD_CORE, folder / "core.log"), running(made) as process:
        yield port, process.port


def _waits(port: int, make: Make, told: argparse.Namespace) -> tuple[Waits, Waits]:
    """One call after another, then by the clock."""
    load = Load(port, make, connections=64)
    try:
        load.one_by_one(WARM_UP)
        return load.one_by_one(told.count), load.run(told.per_s, told.seconds)
    finally:
        load.close()


def round_of(number: int, told: argparse.Namespace) -> list[Passed]:
    """Both ways of sending; which of the two places goes first alternates.

    Raises:
        Trouble: a payment was refused or not passed through.
    """
    with scratch() as folder:
        sync_us = share(syncs(folder / "disk.bin", SYNC_BYTES, 0.5, fresh=True), 0.5) * 1e6
        with _scene(folder) as (core, gateway):
            places = {"direct": (core, calls()), "through": (gateway, payments("/v1/payments", TOKEN))}
            order = sorted(places, reverse=bool(number % 2))
            seen = {name: _waits(*places[name], told) for name in order}
    if any(waits.failed for pair in seen.values() for waits in pair):
        raise Trouble("a payment was not said yes to")
    ways = ("one after another", f"{told.per_s:,.0f} a second")
    return [
        Passed(way=way, round=number, direct=direct, through=through, sync_us=sync_us)
        for way, direct, through in zip(ways, seen["direct"], seen["through"], strict=True)
    ]


def report(runs: Sequence[Passed]) -> str:
    """The table of all rounds."""
    rows = [_row(way, [run for run in runs if run.way == way]) for way in dict.fromkeys(run.way for run in runs)]
    head = (
        "payments", "core alone p50 ms", "through p50 ms", "added at p50 ms", "one sync ms", "added less one sync ms",
        "core alone p99 ms", "through p99 ms",
    )  # fmt: skip
    return table(head, rows)


def _row(way: str, mine: Sequence[Passed]) -> list[str]:
    return [
        way,
        spread([run.direct.p50_us / 1e3 for run in mine], 2),
        spread([run.through.p50_us / 1e3 for run in mine], 2),
        spread([run.added_ms for run in mine], 2),
        spread([run.sync_us / 1e3 for run in mine], 2),
        spread([run.added_ms - run.sync_us / 1e3 for run in mine], 2),
        spread([run.direct.p99_us / 1e3 for run in mine], 2),
        spread([run.through.p99_us / 1e3 for run in mine], 2),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000, help="payments one after another, in each round")
    parser.add_argument("--per-s", type=float, default=200.0, help="payments a second")
    parser.add_argument("--seconds", type=float, default=5.0, help="of the fixed rate, in each round")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    pin_this_process()
    runs: list[Passed] = []
    for number in range(told.rounds):
        for one in round_of(number, told):
            runs.append(one)
            keep("passthrough", msgspec.to_builtins(one))
            tell(f"round {number} {one.way}: added {one.added_ms:.2f} ms, one sync {one.sync_us / 1e3:.2f} ms")
    print(report(runs))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.passthrough", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
