"""Rounds of cases: each case runs once in every round, in an order that rotates, so that a busy moment meets all alike."""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench.case import Case
from bench.installation import scratch
from bench.rig import Load, Trouble, keep, tell, wrk
from spool.lifecycle import Told

CONNECTIONS: Final = 64
WARM_UP_S: Final = 1.0

T = TypeVar("T")


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
    #: From the start of its first process to the first connection it took.
    ready_s: float = 0.0
    #: Payments on disk less payments answered yes, warm-up included: what was under way at the end is a few more.
    stored_more: int | None = None
    #: Share of the payments on disk that were answered provisionally.
    stood_in: float | None = None


def measure(case: Case, number: int, seconds: float) -> Result:
    """Run one case once.

    Raises:
        Trouble: it can't be run, answers nothing, or less is on disk than was answered.
    """
    with scratch() as folder:
        with case.setting(folder) as setting:
            warm = wrk(setting.server.port, WARM_UP_S, CONNECTIONS, *case.script)
            before = setting.cpu_s()
            load = wrk(setting.server.port, seconds, CONNECTIONS, *case.script)
            cpu_s, memory = setting.cpu_s() - before, setting.memory_mib()
            stored = setting.stored() if setting.stored else None
        if not load.requests:
            raise Trouble(f"{case.name}: nothing was answered in {seconds:g} s")
        stood_in: float | None = None
        if setting.spool is not None:
            stored, provisional = count(setting.spool)
            stood_in = provisional / max(1, stored)
    return Result(
        case=case.name,
        round=number,
        requests=load.requests,
        per_s=load.per_s,
        cpu_us=cpu_s / load.requests * 1e6,
        p50_ms=load.p50 / 1e3,
        p99_ms=load.p99 / 1e3,
        p999_ms=load.p999 / 1e3,
        failed=load.not_2xx + load.socket_errors + load.timeouts,
        memory_mib=memory,
        ready_s=round(setting.ready_s(), 3),
        stored_more=None if stored is None else _more(case, stored, warm, load),
        stood_in=stood_in,
    )


def _more(case: Case, stored: int, *loads: Load) -> int:
    """Payments on disk less those that were answered yes."""
    more = stored - sum(load.requests - load.not_2xx for load in loads)
    if more < 0:
        raise Trouble(f"{case.name}: {-more} payments were answered and are not on disk")
    return more


def count(spool: Path) -> tuple[int, int]:
    """Payments in a spool nobody runs on: all, and those answered provisionally."""
    with contextlib.closing(sqlite3.connect(f"file:{spool}?mode=ro", uri=True)) as db:
        found = db.execute("SELECT count(*), coalesce(sum(told = ?), 0) FROM entry", (Told.PROVISIONAL,)).fetchone()
        return int(found[0]), int(found[1])


def rotated(row: Sequence[T], number: int) -> list[T]:
    """The row, begun at another place in each round."""
    turn = number % len(row)
    return [*row[turn:], *row[:turn]]


def rounds(name: str, chosen: Sequence[Case], how_many: int, seconds: float) -> tuple[list[Result], list[str]]:
    """All rounds, and what went wrong in them; raw results are added to `bench/out/<name>.jsonl`."""
    results, troubles = list[Result](), list[str]()
    for number in range(how_many):
        for case in rotated(chosen, number):
            try:
                results.append(one := measure(case, number, seconds))
            except Trouble as trouble:
                troubles.append(f"round {number}, {trouble}")
                tell(f"NOT MEASURED: {troubles[-1]}")
            else:
                keep(name, msgspec.to_builtins(one))
                tell(_line(one))
    return results, troubles


def _line(one: Result) -> str:
    return (
        f"round {one.round} {one.case:40} {one.per_s:8,.0f}/s {one.cpu_us:7.1f} µs p50 {one.p50_ms:.2f} "
        f"p99 {one.p99_ms:.2f} ms failed {one.failed}"
    )


def insist(troubles: Sequence[str]) -> None:
    """End a run, once its report is printed.

    Raises:
        Trouble: something went wrong in it.
    """
    if troubles:
        raise Trouble("; ".join(troubles))
