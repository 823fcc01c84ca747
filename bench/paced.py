"""What payers wait at a fixed rate, below saturation: B and the durable accept; health and outage at a lower rate.

Payments come by the clock (`bench.clocked`), so a stall is charged to every payment that fell due in it. Servers on one
core, load (and the core, in health) on the other; each round runs every case once, in an order that rotates, and a ratio
is taken inside one round against B at the same rate.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from bench.accept import bare, passing_through, standing_in
from bench.case import Case
from bench.clocked import Generator, Waits, payments
from bench.installation import TOKEN, scratch
from bench.rig import keep, pin_this_process, tell
from bench.rounds import rotated
from bench.table import spread, table

RATIO_WANTED: Final = 2.5
WARM_UP_S: Final = 1.0

BARE: Final = "B"
OUTAGE: Final = "durable accept (outage)"
HEALTH: Final = "passed through (health)"


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A case at a rate."""

    case: Case
    per_s: float


class Paced(msgspec.Struct, frozen=True, kw_only=True):
    """One case at one rate in one round."""

    case: str
    #: Payments a second asked for.
    rate: float
    round: int
    waits: Waits
    #: CPU per payment, microseconds.
    cpu_us: float


def paces(rate: float, lower: float) -> list[Pace]:
    """B and the outage at both rates, health at the lower one: a core beside the load has no room for more."""
    bare_case = Case(name=BARE, setting=bare, script=())
    outage = Case(name=OUTAGE, setting=standing_in, script=())
    health = Case(name=HEALTH, setting=passing_through, script=())
    fast = [Pace(case=case, per_s=rate) for case in (bare_case, outage)]
    return [*fast, *(Pace(case=case, per_s=lower) for case in (bare_case, outage, health))]


def measure(pace: Pace, number: int, seconds: float) -> Paced:
    """Run one case once."""
    with scratch() as folder, pace.case.setting(folder) as setting:
        generator = Generator(setting.server.port, payments("/v1/payments", TOKEN))
        try:
            generator.run(pace.per_s, WARM_UP_S)
            before = setting.cpu_s()
            waits = generator.run(pace.per_s, seconds)
            cpu_s = setting.cpu_s() - before
        finally:
            generator.close()
    return Paced(case=pace.case.name, rate=pace.per_s, round=number, waits=waits, cpu_us=cpu_s / waits.payments * 1e6)


def report(runs: Sequence[Paced]) -> str:
    """The table of all rounds."""
    places = dict.fromkeys((run.rate, run.case) for run in sorted(runs, key=lambda run: (-run.rate, run.case != BARE)))
    head = (
        "case", "payments/s asked", "kept", "p50 ms", "p99 ms", "p99.9 ms", "most ms", "p99 / B's", "late p99 ms",
        "CPU µs", "failed",
    )  # fmt: skip
    return table(head, [_row(runs, rate, case) for rate, case in places])


def _row(runs: Sequence[Paced], rate: float, case: str) -> list[str]:
    base = {run.round: run.waits for run in runs if (run.rate, run.case) == (rate, BARE)}
    mine = [run for run in runs if (run.rate, run.case) == (rate, case)]
    names = ("p50_us", "p99_us", "p999_us", "max_us")
    return [
        case,
        f"{rate:,.0f}",
        f"{median(run.waits.per_s for run in mine):,.0f}",
        *(spread([getattr(run.waits, name) / 1e3 for run in mine], 2) for name in names),
        spread([run.waits.p99_us / base[run.round].p99_us for run in mine if run.round in base], 1),
        spread([run.waits.late_p99_us / 1e3 for run in mine], 2),
        spread([run.cpu_us for run in mine], 0),
        str(sum(run.waits.failed for run in mine)),
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each case in each round")
    parser.add_argument("--per-s", type=float, default=3000.0, help="payments a second")
    parser.add_argument("--lower", type=float, default=1000.0, help="payments a second where health is compared too")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    pin_this_process()
    runs: list[Paced] = []
    for number in range(told.rounds):
        for pace in rotated(paces(told.per_s, told.lower), number):
            runs.append(one := measure(pace, number, told.seconds))
            keep("paced", msgspec.to_builtins(one))
            tell(
                f"round {number} {one.case:24} {one.rate:,.0f}/s: p50 {one.waits.p50_us:,.0f} "
                f"p99 {one.waits.p99_us:,.0f} late {one.waits.late_p99_us:,.0f} µs"
            )
    print(report(runs))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.paced", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
