"""The same outages under four rules, on simulated time: ours and what people use in its place. About five minutes.

Ten minutes of an outage of each kind under twenty payments a second, and a core that falls over above sixteen at once when
it is back. Prints the tables of docs/explanation/outages.md and draws the backlog.
"""

import argparse
import math
from typing import Final

import structlog

from bench.outages.quiet import QUICK, USUAL, quiet
from bench.outages.rules import FAULTS, RULES
from bench.outages.stage import Outcome, Play
from bench.plot import Line, lines
from bench.rig import ROOT, tell

PLOTS: Final = ROOT / "bench/plots"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long the quiet day is, and which outages."""
    parser.add_argument("--hours", type=float, default=24.0, help="hours of a core that is well; 0 leaves it out")
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=FAULTS, help="kinds of outages")


def run(told: argparse.Namespace) -> None:
    """Play them all, print, draw."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    for fault in told.faults:
        outcomes = [Play(name, make, fault).run() for name, make in RULES.items()]
        tell(table(fault, outcomes))
        (PLOTS / f"outage-{fault}.svg").write_text(drawn(fault, outcomes), encoding="utf-8")
    if told.hours:
        for name, times in (("well", USUAL), ("well and quick", QUICK)):
            seen = quiet(told.hours, times=times)
            tell(
                f"a core that is {name}, {seen.hours:g} h: {seen.payments} payments, {seen.errors} errors,"
                f" {seen.openings} openings, {seen.softenings} times soft ({seen.soft_s:g} s), {seen.aside} turned aside,"
                f" hung after {seen.hung_s:g} s"
            )


def table(fault: str, outcomes: list[Outcome]) -> str:
    """One outage, a row for each rule."""
    rows = [
        f"\n{fault}\n",
        "| rule | answered yes | met the failure in the first second | known after | drained after | estimate at half wrong by | pushed over |",
        "|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {each.rule} | {each.positive:.1%} | {each.first_second:.0%} | {seconds(each.detected_s)} |"
        f" {seconds(each.drained_s, 'not in an hour')} | {part(each.estimate_error)} | {each.falls} |"
        for each in outcomes
    ]
    return "\n".join(rows)


def seconds(value: float, endless: str = "never") -> str:
    """As a person reads them."""
    if math.isnan(value):
        return "nothing kept"
    if math.isinf(value):
        return endless
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def part(value: float) -> str:
    """A share; nothing where there is none."""
    return "-" if math.isnan(value) else f"{value:.0%}"


def drawn(fault: str, outcomes: list[Outcome]) -> str:
    """What waited, minute by minute, for the rules that keep anything."""
    kept = [each for each in outcomes if any(each.waited)]
    shown = [
        Line(label=each.rule, points={minute + 1: [waiting] for minute, waiting in enumerate(each.waited[:30])})
        for each in kept
    ]
    return lines(f"What waits: {fault} for ten minutes", "payments, by minutes since the outage began", shown)
