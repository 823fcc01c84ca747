"""Run many seeds on all cores, and say what they contained: `python -m tests.simulation.simulate --seeds 10000`.

A seed that fails is printed with the promise that was broken and the last events before, and kept in `seeds.txt`, which
every run of the tests repeats from then on. `--bugs` runs the planted bugs instead and says at which seed each is found.
`--nodes` simulates two gateways on one real PostgreSQL, one seed at a time, and keeps what fails in `nodes_seeds.txt`.
"""

import argparse
import gc
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.simulation.bugs import BUGS
from tests.simulation.nodes import simulate_nodes
from tests.simulation.nodes_bugs import NODES_BUGS
from tests.simulation.world import Report, simulate

KEPT: Final = Path(__file__).with_name("seeds.txt")
KEPT_OF_NODES: Final = Path(__file__).with_name("nodes_seeds.txt")
PIECE: Final = 50
"""Seeds a worker takes at once."""

BUG_SEEDS_MAX: Final = 1_000
"""Seeds within which a planted bug has to be found."""

NODE_BUG_SEEDS_MAX: Final = 200
"""The same of several nodes, whose seeds take a second each."""

TAIL_SHOWN: Final = 25


def say(text: str) -> None:
    """Print, for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def kept_seeds(kept: Path = KEPT) -> list[int]:
    """Every seed that ever failed."""
    lines = (line.partition("#")[0].strip() for line in kept.read_text("utf-8").splitlines())
    return [int(line) for line in lines if line]


def keep(report: Report, kept: Path = KEPT) -> None:
    """Let every later run of the tests repeat this seed."""
    if report.seed not in kept_seeds(kept):
        with kept.open("a", encoding="utf-8") as file:
            file.write(f"{report.seed}  # {report.promise}\n")


def some_seeds(seeds: Iterable[int]) -> tuple[Counter[str], float, list[Report]]:
    """Totals of these seeds, their virtual seconds, and what failed."""
    counts: Counter[str] = Counter()
    virtual_s, failed = 0.0, list[Report]()
    if not gc.get_freeze_count():
        gc.freeze()  # what is here at first stays: no need to look at it again after each seed
    for seed in seeds:
        report = simulate(seed)
        counts.update(report.counts)
        virtual_s += report.virtual_s
        if report.promise:
            failed.append(report)
    return counts, virtual_s, failed


def found_at(bug: str, base: int = 0, seeds: int = BUG_SEEDS_MAX) -> Report | None:
    """The first report that tells of a planted bug."""
    reports = (simulate(seed, BUGS[bug]) for seed in range(base, base + seeds))
    return next((report for report in reports if report.promise), None)


def totals(counts: Counter[str], virtual_s: float, *, faults_named: bool = True) -> str:
    """What a run contained, in words."""
    faults = sorted((name.partition(" ")[2], times) for name, times in counts.items() if name.startswith("fault "))
    answers = sorted((name.partition(" ")[2], times) for name, times in counts.items() if name.startswith("answer "))
    count = sum(times for _, times in faults)
    checks = sum(times for name, times in counts.items() if name.startswith("check "))
    acts = sorted((name.partition(" ")[2], times) for name, times in counts.items() if name.startswith("act "))
    brief = (
        f"seeds {counts['seeds']:,}, payments {counts['payments']:,}, kills {counts['kills']:,}, faults {count:,},"
        f" virtual years {virtual_s / 86_400 / 365.25:,.1f}"
    )
    if not faults_named:
        return brief
    lines = [
        brief,
        f"requests {counts['requests']:,}, reversals {counts['reversals']:,}, twins {counts['twins']:,}",
        f"core requests {counts['core requests']:,}, orderly stops {counts['stops']:,}, steps {counts['steps']:,}",
        f"checks {checks:,}, persons' acts: " + ", ".join(f"{name} {times:,}" for name, times in acts),
        "faults: " + ", ".join(f"{name} {times:,}" for name, times in faults),
        "answers: " + ", ".join(f"{name} {times:,}" for name, times in answers),
    ]
    return "\n".join(lines)


def told(report: Report) -> str:
    """A failure, for whoever will look into it."""
    tail = "\n".join(f"    {line}" for line in report.tail[-TAIL_SHOWN:])
    return f"seed {report.seed}: {report.promise}\n    {report.found}\n{tail}"


def _pieces(base: int, count: int) -> Iterator[range]:
    return (range(start, min(base + count, start + PIECE)) for start in range(base, base + count, PIECE))


def campaign(base: int, seeds: int, workers: int) -> int:
    """Run the seeds; how many failed."""
    begun = time.monotonic()
    counts: Counter[str] = Counter()
    virtual_s, failures = 0.0, 0
    say(f"seeds {base} to {base + seeds - 1}, {workers} at a time")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for counted, covered_s, failed in pool.imap_unordered(some_seeds, _pieces(base, seeds)):
            before = counts["seeds"] // 1_000
            counts.update(counted)
            virtual_s += covered_s
            failures += len(failed)
            for report in failed:
                keep(report)
                say(told(report))
            if counts["seeds"] // 1_000 > before:
                rate = counts["seeds"] / (time.monotonic() - begun)
                say(f"... {failures} failed, {rate:.1f} a second; {totals(counts, virtual_s, faults_named=False)}")
    say(totals(counts, virtual_s))
    say(f"{failures} failed" if failures else "all promises kept")
    return failures


def campaign_of_nodes(base: int, seeds: int) -> int:
    """Run the seeds of two gateways on one server, here; how many failed."""
    counts: Counter[str] = Counter()
    virtual_s, failures = 0.0, 0
    say(f"seeds {base} to {base + seeds - 1}, of two gateways")
    for seed in range(base, base + seeds):
        report = simulate_nodes(seed)
        counts.update(report.counts)
        virtual_s += report.virtual_s
        if report.promise:
            failures += 1
            keep(report, KEPT_OF_NODES)
            say(told(report))
    say(totals(counts, virtual_s))
    say(f"{failures} failed" if failures else "all promises kept")
    return failures


def planted_in_nodes() -> int:
    """Look for the planted bugs of several nodes; how many were not found."""
    missed = 0
    for name, simulated in NODES_BUGS.items():
        reports = (simulated(seed) for seed in range(NODE_BUG_SEEDS_MAX))
        report = next((each for each in reports if each.promise), None)
        missed += report is None
        say(f"{name:32} {f'seed {report.seed}: {report.promise}' if report else 'NOT FOUND'}")
    return missed


def planted(workers: int) -> int:
    """Look for every planted bug; how many were not found."""
    missed = 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        names = list(BUGS)
        for name, report in zip(names, pool.imap(partial(found_at, base=0), names), strict=True):
            missed += report is None
            where = f"seed {report.seed}: {report.promise}" if report else f"NOT FOUND in {BUG_SEEDS_MAX} seeds"
            say(f"{name:32} {where}")
    say(f"{len(BUGS) - missed} of {len(BUGS)} planted bugs found")
    return missed


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="Simulate the whole gateway by seeds.")
    parser.add_argument("--seeds", type=int, default=500, help="how many")
    parser.add_argument("--base", type=int, help="the first; drawn by lot unless given")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bugs", action="store_true", help="look for the planted bugs")
    parser.add_argument("--nodes", action="store_true", help="two gateways on one PostgreSQL")
    parser.add_argument("--show", type=int, metavar="SEED", help="run one seed and show its last events")
    wanted = parser.parse_args()
    if wanted.show is not None:
        report = simulate_nodes(wanted.show) if wanted.nodes else simulate(wanted.show)
        say(told(report) if report.promise else f"seed {wanted.show}: all promises kept, {report.digest}")
        return bool(report.promise)
    if wanted.bugs:
        return min(1, planted_in_nodes() if wanted.nodes else planted(wanted.workers))
    base = new_base() if wanted.base is None else wanted.base
    if wanted.nodes:
        return min(1, campaign_of_nodes(base, wanted.seeds))
    return min(1, campaign(base, wanted.seeds, wanted.workers))


def new_base() -> int:
    """Where to begin when nobody says: each run looks at seeds that none has seen."""
    return random.SystemRandom().randrange(1_000_000, 2**40)


if __name__ == "__main__":
    sys.exit(main())
