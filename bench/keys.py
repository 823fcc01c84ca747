"""What changing and destroying keys costs with a large spool: nothing of it may depend on how much waits.

One spool with so many payments waiting, one with as many that are over, both made here. A rotation is timed whole (drawn,
wrapped, on disk in the key store, remembered in the spool, in use), by itself and while payments come in at a steady rate.
Of those each that was under way while keys changed is told apart from those before: the slowest of the one against the
99th percentile of the other, as a change of keys that holds anybody up would show there. Of destroying a day's key both
what tells whether it is needed and the rest are timed.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from bench.custody import draft_of
from bench.table import table
from gateway.clock import SystemClock
from gateway.custody.chest import Chest
from gateway.custody.keeper import Keeper
from gateway.custody.local import FileMaster
from gateway.custody.settings import KeysSettings
from spool.entry import Draft
from spool.keystore import KeyStore
from spool.lifecycle import State
from spool.masters import make_key_file
from spool.number import Numbers
from spool.spool import Spool
from spool.sqlite import SqliteStore

TOGETHER: Final = 512
FIRST: Final = 10**9
"""Accounts of payments that come in while keys change are counted from here."""

AFTER_S: Final = 1.0
"""Payments of half this time after a change are its own as well: what it left behind might hold them up."""


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--entries", type=int, default=1_000_000)
    options.add_argument("--rate", type=int, default=1_000, help="payments a second while keys change")
    options.add_argument("--seconds", type=float, default=5.0, help="how long they come in before each change")


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        rows, meanwhile = asyncio.run(_measure(Path(folder), told.entries, told.rate, told.seconds))
    print(table([f"with {told.entries:,} payments", "ms"], [[name, f"{1000 * took:,.1f}"] for name, took in rows]))
    print()
    heads = [
        f"at {told.rate:,} payments a second",
        "took, ms",
        "p99 before, ms",
        "slowest before, ms",
        "slowest meanwhile, ms",
    ]
    print(table(heads, [[name, *(f"{1000 * each:,.1f}" for each in figures)] for name, *figures in meanwhile]))


async def _measure(
    folder: Path, entries: int, rate: int, seconds: float
) -> tuple[list[tuple[str, float]], list[tuple[str, float, float, float, float]]]:
    rows, meanwhile = list[tuple[str, float]](), list[tuple[str, float, float, float, float]]()
    spool, keeper = await _filled(folder / "waiting", entries, State.READY)
    changes: list[tuple[str, Callable[[], Coroutine[Any, Any, Any]]]] = [
        ("a new data key", keeper.rotate),
        ("a new master wraps all keys", keeper.renew_master),
        ("a new index key", partial(keeper.rotate, index=True)),
    ]
    for name, change in changes:
        rows.append((f"{name}, all waiting", await _timed(change())))
    for name, change in changes:
        meanwhile.append((name, *await _beside(spool, change, rate, seconds)))
    await spool.close()
    over, keeper = await _filled(folder / "over", entries, State.CANCELLED)
    await keeper.rotate()
    (day, *_) = keeper.kept.data_keys
    rows.append(("what needs a day's key, counted", await _timed(keeper.use_of(day.id))))
    rows.append(("the day's key destroyed, counting included", await _timed(keeper.destroy(day.id))))
    await over.close()
    return rows, meanwhile


async def _beside(
    spool: Spool, change: Callable[[], Coroutine[Any, Any, Any]], rate: int, seconds: float
) -> tuple[float, float, float, float]:
    """Payments at a rate, and a change of keys after so many seconds: how long it took, and what they took."""
    clock, numbers, loop = SystemClock(), Numbers(), asyncio.get_running_loop()
    numbers.start_above(await spool.store.highest_number())
    took = list[tuple[float, float]]()

    async def pay(count: int) -> None:
        began = loop.time()
        draft = _draft(numbers, clock, count, State.READY)
        await spool.record(replace(draft, lane=spool.lane_of(draft.route, str(count))))
        took.append((began, loop.time()))

    async def come_in(until: asyncio.Event) -> None:
        begun, paying, count = loop.time(), set[asyncio.Task[None]](), 0
        while not until.is_set():
            due = int((loop.time() - begun) * rate)
            paying.update(asyncio.create_task(pay(FIRST + each)) for each in range(count, due))
            count = max(count, due)
            await asyncio.sleep(0.001)
            paying = {task for task in paying if not task.done()}
        await asyncio.gather(*paying)

    over = asyncio.Event()
    coming = asyncio.create_task(come_in(over))
    await asyncio.sleep(seconds)
    began = loop.time()
    await change()
    ended = loop.time()
    await asyncio.sleep(AFTER_S)
    over.set()
    await coming
    before = sorted(end - start for start, end in took if end < began)
    meanwhile = [end - start for start, end in took if end >= began and start <= ended + AFTER_S / 2]
    return ended - began, before[len(before) * 99 // 100], before[-1], max(meanwhile)


async def _filled(folder: Path, entries: int, state: State) -> tuple[Spool, Keeper]:
    await asyncio.to_thread(folder.mkdir)
    clock = SystemClock()
    make_key_file(folder / "key", clock.now_us())
    spool, numbers = Spool(SqliteStore(folder / "spool.db", reserve_bytes=0)), Numbers()
    keeper = Keeper(
        chest=Chest(KeyStore(folder / "key.store"), FileMaster(folder / "key")),
        spool=spool,
        shelf=spool.store,
        numbers=numbers,
        clock=clock,
        settings=KeysSettings(),
    )
    await spool.open(clock.now_us(), keeper.unlock)
    for at in range(0, entries, TOGETHER):
        drafts = [_draft(numbers, clock, at + each, state) for each in range(min(TOGETHER, entries - at))]
        await asyncio.gather(*(spool.record(draft) for draft in drafts))
    return spool, keeper


def _draft(numbers: Numbers, clock: SystemClock, count: int, state: State) -> Draft:
    number, id_ = numbers.mint(clock.now_us(), clock.chance(73))
    return replace(draft_of(count + 1), number=number, id=id_, lane=count + 1, state=state)


async def _timed(work: Coroutine[Any, Any, Any]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.keys", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
