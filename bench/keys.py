"""What changing and destroying keys costs with a large spool: nothing of it may depend on how much waits, but for looking.

One spool with so many payments waiting, one with as many that are over, both made here. A rotation is timed whole (drawn,
wrapped, on disk in the key store, remembered in the spool, in use), with an index key too (all lanes are noted); of
destroying a day's key both the count of what needs it, which runs beside payments on a connection of its own, and the rest.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Coroutine
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


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--entries", type=int, default=1_000_000)


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(_measure(Path(folder), told.entries))
    print(table([f"with {told.entries:,} payments", "ms"], [[name, f"{1000 * took:,.0f}"] for name, took in rows]))


async def _measure(folder: Path, entries: int) -> list[tuple[str, float]]:
    rows = list[tuple[str, float]]()
    waiting, keeper = await _filled(folder / "waiting", entries, State.READY)
    rows.append(("a new data key, all waiting", await _timed(keeper.rotate())))
    rows.append(("a new master wraps all keys, all waiting", await _timed(keeper.renew_master())))
    rows.append(("a new index key, all waiting", await _timed(keeper.rotate(index=True))))
    await waiting.close()
    over, keeper = await _filled(folder / "over", entries, State.CANCELLED)
    await keeper.rotate()
    (day, *_) = keeper.kept.data_keys
    rows.append(("what needs a day's key, counted", await _timed(keeper.use_of(day))))
    rows.append(("the day's key destroyed, counting included", await _timed(keeper.destroy(day.id))))
    await over.close()
    return rows


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
