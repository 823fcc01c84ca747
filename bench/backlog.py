"""What a million waiting payments cost those that come after them, beside a thousand; or as many as `--waiting` says.

Two measurements, each on copies of spools made by `bench.preload`, with random keys and with keys that rise:

- *steps*: CPU (all threads) of accept, claim and settle per payment at the spool itself, seal included, 64 at a time, so
  that nothing above it dilutes a difference. All spools take turns in one process, so that a busy moment meets all.
  Each turn takes 64 payments in, claims the 64 that have waited longest and posts them, so the backlog stays as long
  as it was. Before that, so many turns that each spool has more keys than it holds in memory.
- *service*: seconds from the start of the process to the first connection it takes, the CPU it used until it was at
  rest (lanes are counted after it is ready), and then, with the same traffic on top of an empty spool and of each
  longer than a thousand, its memory and the CPU per payment accepted.

Ten million (`--waiting 1000 10000 100000 1000000 10000000`) want 15 GB of disk, and ten minutes to be made, once, for each
kind of keys.
"""

import argparse
import asyncio
import json
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec

from bench.installation import TOKEN, Installation, install, running, scratch
from bench.preload import KEYS, ROUTE, Drafter, copied, opened, preloaded
from bench.rig import SERVER_CORE, Trouble, dead_port, keep, pinned, python, tell, wrk
from bench.rounds import rotated
from bench.table import spread, table
from gateway.clock import SystemClock
from spool.entry import Draft, Entry
from spool.lifecycle import CLAIM, POST, Told
from spool.rank import USUAL
from spool.spool import Spool
from spool.store import Inserted, Move

WAITING: Final = (1_000, 1_000_000)
SHORT: Final = 1_000
"""A spool of no more isn't worth a start of the service: it is as good as empty."""

AT_ONCE: Final = 64
WARM_UP_TURNS: Final = 800
"""Every spool is in use, as any soon is: so many keys came that the newest no longer fit memory and go into the table."""
RATIO_WANTED: Final = 1.2
MEMORY_MIB_WANTED: Final = 60
READY_S_WANTED: Final = 2.0

Step = Callable[[], Awaitable[Any]]


class Steps(msgspec.Struct, frozen=True, kw_only=True):
    """CPU per payment of each step, microseconds."""

    accept_us: float
    claim_us: float
    settle_us: float


class StepsRun(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of the steps."""

    keys: str
    waiting: int
    round: int
    steps: Steps


class ServiceRun(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the service with so many waiting."""

    keys: str
    waiting: int
    round: int
    ready_s: float
    #: CPU from the start until it had nothing to do, with what it counts after it is ready.
    start_cpu_s: float
    #: Resident when it was ready, after the traffic, and the most in between.
    ready_mib: float
    after_mib: float
    most_mib: float
    cpu_us: float


# Inside the measured process


class Turns:
    """Takes 64 in, claims the oldest 64, posts them; keeps the CPU of each."""

    def __init__(self, spool: Spool, drafter: Drafter) -> None:
        """Begin at the oldest entry."""
        self._spool = spool
        self._drafter = drafter
        self._clock = SystemClock()
        self._cursor = 0
        self._counted = False
        self.cpu_s: dict[str, float] = dict.fromkeys(("accept", "claim", "settle"), 0.0)

    async def turn(self, *, counted: bool) -> None:
        """One of each; `counted` or to warm up."""
        self._counted = counted
        drafts = [self._drafter.draft() for _ in range(AT_ONCE)]
        await self._timed("accept", lambda: self._accept(drafts))
        claimed = await self._timed("claim", self._claim)
        await self._timed("settle", lambda: self._settle(claimed))

    def cost(self, payments: int) -> Steps:
        """CPU per payment."""
        cost = {f"{name}_us": seconds / payments * 1e6 for name, seconds in self.cpu_s.items()}
        return msgspec.convert(cost, Steps)

    async def _timed(self, name: str, step: Step) -> Any:
        began = time.process_time()
        done = await step()
        if self._counted:
            self.cpu_s[name] += time.process_time() - began
        return done

    async def _accept(self, drafts: list[Draft]) -> None:
        taken = await asyncio.gather(*(self._spool.record(draft) for draft in drafts))
        assert all(isinstance(each, Inserted) for each in taken), "every key is new"

    async def _claim(self) -> list[Entry]:
        found = await self._spool.store.ready(ROUTE, USUAL, self._cursor, AT_ONCE)
        self._cursor = found[-1].entry.number
        moves = [Move(entry=each.entry, transition=CLAIM, at_us=self._clock.now_us()) for each in found]
        await self._make(moves)
        return [move.after() for move in moves]

    async def _settle(self, claimed: list[Entry]) -> None:
        now_us = self._clock.now_us()
        moves = [
            Move(entry=each, transition=POST, at_us=now_us, told=Told.POSTED, core_id=f"b-{each.number}")
            for each in claimed
        ]
        await self._make(moves)

    async def _make(self, moves: list[Move]) -> None:
        made = await asyncio.gather(*(self._spool.move([move]) for move in moves))
        assert all(each == [True] for each in made), "nobody else moves them"


async def inside(folders: list[Path], keys: str, turns: int) -> list[Steps]:
    """Measure the steps on the spools in these folders, in this process, turn about: a busy moment meets all alike."""
    spools: list[Spool] = []
    try:
        measured: list[Turns] = []
        for number, folder in enumerate(folders):
            spool, core = await opened(Installation(folder=folder, port=0))
            spools.append(spool)
            await _lanes_loaded(spool)
            measured.append(Turns(spool, Drafter(spool, core, keys, seed=2 * os.getpid() + number)))
        for number in range(WARM_UP_TURNS + turns):
            for each in measured:
                await each.turn(counted=number >= WARM_UP_TURNS)
    finally:
        for spool in spools:
            await spool.close()
    return [each.cost(turns * AT_ONCE) for each in measured]


async def _lanes_loaded(spool: Spool) -> None:
    """Wait for what goes on after opening: some lane of a hundred is clear once they are all counted."""
    while not any(spool.store.lane_is_clear(ROUTE, lane << 20) for lane in range(100)):
        await SystemClock().sleep(0.05)


# Outside


def steps(keys: str, number: int, waiting: Sequence[int], turns: int) -> list[StepsRun]:
    """Measure the steps in a process of its own, on a copy of a spool of each size."""
    sizes = rotated(waiting, number)
    with scratch() as folder:
        for size in sizes:
            install(folder / str(size), 9)
            copied(folder / str(size), preloaded(size, keys))
        inside = [str(folder / str(size)) for size in sizes]
        command = python("-m", "bench.backlog", "--inside", *inside, "--keys", keys, "--turns", str(turns))
        said = subprocess.run(pinned(command, SERVER_CORE), capture_output=True, text=True, check=False)
    if said.returncode:
        raise Trouble(said.stderr[-2000:])
    found = msgspec.json.decode(said.stdout, type=list[Steps])
    return [
        StepsRun(keys=keys, waiting=size, round=number, steps=cost) for size, cost in zip(sizes, found, strict=True)
    ]


def service(keys: str, waiting: int, number: int, seconds: float) -> ServiceRun:
    """Start the service with so many waiting (its core is down), and send it traffic."""
    with scratch() as folder, dead_port() as core:
        made = install(folder, core)
        if waiting:
            copied(folder, preloaded(waiting, keys))
        with running(made) as process:
            ready_mib, start_cpu_s = process.memory_mib(), process.rested_s()
            wrk(process.port, 1, 64, "json", keys, "full", TOKEN)
            before = process.cpu_s()
            load = wrk(process.port, seconds, 64, "json", keys, "full", TOKEN)
            return ServiceRun(
                keys=keys,
                waiting=waiting,
                round=number,
                ready_s=process.ready_s,
                start_cpu_s=start_cpu_s,
                ready_mib=ready_mib,
                after_mib=process.memory_mib(),
                most_mib=process.memory_mib("VmHWM"),
                cpu_us=(process.cpu_s() - before) / max(1, load.requests) * 1e6,
            )


def steps_report(runs: Sequence[StepsRun]) -> str:
    """The table of the steps; the ratio is that of the longest backlog to the shortest."""
    sizes = sorted({run.waiting for run in runs})
    rows = list[list[str]]()
    for keys in sorted({run.keys for run in runs}):
        for name, step in (("accept", "accept_us"), ("claim", "claim_us"), ("settle", "settle_us"), ("all three", "")):
            costs = [_costs(runs, keys, waiting, step) for waiting in sizes]
            ratios = [cost / costs[0][number] for number, cost in costs[-1].items() if number in costs[0]]
            rows.append([f"{name}, {keys} keys", *(spread([*each.values()], 1) for each in costs), spread(ratios, 2)])
    return table(("step", *(f"CPU µs, {waiting:,} wait" for waiting in sizes), "ratio"), rows)


def _costs(runs: Sequence[StepsRun], keys: str, waiting: int, step: str) -> dict[int, float]:
    """By round; of all steps together when none is named."""
    mine = [run for run in runs if (run.keys, run.waiting) == (keys, waiting)]
    fields = [step] if step else Steps.__struct_fields__
    return {run.round: sum(getattr(run.steps, field) for field in fields) for run in mine}


def service_report(runs: list[ServiceRun]) -> str:
    """The table of starts and memory."""
    rows = list[list[str]]()
    for keys, waiting in sorted({(run.keys, run.waiting) for run in runs}):
        mine = [run for run in runs if (run.keys, run.waiting) == (keys, waiting)]
        empty = [run for run in runs if (run.keys, run.waiting) == (keys, 0)]
        above = median(run.after_mib for run in mine) - median(run.after_mib for run in empty)
        rows.append(
            [
                f"{waiting:,}, {keys} keys",
                spread([run.ready_s for run in mine], 2),
                spread([run.start_cpu_s for run in mine], 1),
                *(
                    f"{median(getattr(run, name) for run in mine):.0f}"
                    for name in ("ready_mib", "after_mib", "most_mib")
                ),
                f"{above:+.0f}",
                spread([run.cpu_us for run in mine], 0),
            ]
        )
    head = (
        "waiting",
        "s to ready",
        "CPU s to rest",
        "MiB ready",
        "MiB after traffic",
        "MiB at most",
        "above empty",
        "CPU µs/accept",
    )
    return table(head, rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=150, help="of 64 payments, in each measurement of the steps")
    parser.add_argument("--seconds", type=float, default=4.0, help="of traffic on the service")
    parser.add_argument("--waiting", type=int, nargs="+", default=list(WAITING), help="how many wait, each measured")
    parser.add_argument("--keys", choices=KEYS, help="one kind of keys alone")


def run(told: argparse.Namespace) -> None:
    """Measure all, print both tables."""
    waiting, kinds = sorted(set(told.waiting)), [told.keys] if told.keys else KEYS
    found: list[StepsRun] = []
    for number in range(told.rounds):
        for keys in kinds:
            for one in steps(keys, number, waiting, told.turns):
                found.append(one)
                keep("backlog-steps", msgspec.to_builtins(one))
                tell(f"round {number} {keys} {one.waiting:>9,}: {one.steps}")
    starts: list[ServiceRun] = []
    for number in range(told.rounds):
        for keys in kinds:
            for size in rotated([0, *(each for each in waiting if each > SHORT)], number):
                starts.append(start := service(keys, size, number, told.seconds))
                keep("backlog-service", msgspec.to_builtins(start))
                tell(f"round {number} {start}")
    print(steps_report(found), service_report(starts), sep="\n\n")


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--inside", type=Path, nargs="+", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.inside is None:
        run(told)
    else:
        print(json.dumps(msgspec.to_builtins(asyncio.run(inside(told.inside, told.keys, told.turns)))))


if __name__ == "__main__":
    main()
