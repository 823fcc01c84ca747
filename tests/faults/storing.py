"""Processes that store payments, to be run on failing disks or killed: `python -m tests.faults.storing`.

- `for_ever PATH FIRST`: stores payments from number FIRST on, eight at a time, and prints each number once it was told
  that it is stored.
- `through PATH FAULT`: stores payments until the disk fails, lets the fault end, waits until the store takes payments
  again, insists with the keys of whoever was told that nobody knows, stores some more, and prints what came of it.
"""

import asyncio
import json
import resource
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.sqlite import SqliteStore
from spool.store import Filter, Inserted, Known
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, draft

TOGETHER: Final = 8
PAYMENTS_MAX: Final = 20_000
WAIT_S: Final = 60
SEALED: Final = bytes(500)
FILE_BYTES: Final = 600_000
BALLAST: Final = "ballast"
AFTERWARDS: Final = range(10**6, 10**6 + 20)


async def for_ever(path: Path, first: int) -> None:
    """Store until killed."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    while True:
        await asyncio.gather(*(_told(store, number) for number in range(first, first + TOGETHER)))
        first += TOGETHER


async def _told(store: SqliteStore, number: int) -> None:
    result = await store.insert(draft(number), 1, SEALED)
    assert isinstance(result, Inserted)
    print(number, flush=True)  # noqa: T201 - its judge listens


async def through(path: Path, fault: str) -> dict[str, Any]:
    """Store payments through a fault of the disk; see `report` for what comes of it."""
    store = SqliteStore(path, reserve_bytes=0, stall_s=WAIT_S, reopen_s=0.01)
    await store.open(NOW_US)
    try:
        _begin(fault)
        heard = await _until_trouble(store)
        meanwhile = await _while_it_lasts(store)
        _end(fault, path)
        async with asyncio.timeout(WAIT_S):
            again = [n for n, answer in heard.items() if answer == StorageUncertain.__name__]
            for number in (*again, *AFTERWARDS):
                await _insist(store, number)
            await _until_well(store)
        return {**await _report(store, heard, [*again, *AFTERWARDS]), "while it lasted": meanwhile}
    finally:
        await store.close()


async def _insist(store: SqliteStore, number: int) -> None:
    """Ask with the same key until the answer is yes; a disk that failed once may fail again."""
    while True:
        try:
            assert isinstance(await store.insert(draft(number), 1, SEALED), Inserted | Known)
        except (StorageUncertain, StorageFull, SpoolClosed):
            await _until_well(store)
        else:
            return


async def _until_well(store: SqliteStore) -> None:
    while not (await store.health()).accepting:  # noqa: ASYNC110 - it announces nothing
        await asyncio.sleep(0)


async def _until_trouble(store: SqliteStore) -> dict[int, str]:
    """What each payment's caller heard, up to the first that did not hear yes."""
    heard: dict[int, str] = {}
    for first in range(1, PAYMENTS_MAX, TOGETHER):
        numbers = range(first, first + TOGETHER)
        asked = (store.insert(draft(number), 1, SEALED) for number in numbers)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        heard |= {number: type(answer).__name__ for number, answer in zip(numbers, answers, strict=True)}
        if any(isinstance(answer, BaseException) for answer in answers):
            break
    return heard


async def _while_it_lasts(store: SqliteStore) -> str:
    """What one more payment's caller hears."""
    try:
        return type(await store.insert(draft(PAYMENTS_MAX + 1), 1, SEALED)).__name__
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return type(error).__name__


async def _report(store: SqliteStore, heard: dict[int, str], insisted: Sequence[int]) -> dict[str, Any]:
    found = [entry async for entry in _entries(store)]
    there = {entry.number for entry in found}
    stored = {number for number, answer in heard.items() if answer == Inserted.__name__}
    sums = await anext(aiter(store.recount()))
    counts = defaultdict[str, int](int)
    for answer in heard.values():
        counts[answer] += 1
    return {
        "heard": counts,
        "lost": sorted(stored - there),
        "called lost and there": sorted(
            there & {n for n, answer in heard.items() if answer not in (Inserted.__name__, StorageUncertain.__name__)}
        ),
        "told yes in the end and not there": sorted(set(insisted) - there),
        "in order": (await verify(store)).ok and sums == store.tally.snapshot(),
        "lanes wrong": [entry.number for entry in found if store.lane_is_clear(entry.route, entry.lane)],
    }


async def _entries(store: SqliteStore) -> Any:
    after = 0
    while page := await store.page(Filter(after=after), 500):
        for entry in page:
            yield entry
        after = page[-1].number


def _begin(fault: str) -> None:
    if fault == "file limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, resource.RLIM_INFINITY))


def _end(fault: str, path: Path) -> None:
    if fault == "file limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if fault == "no space":
        path.with_name(BALLAST).unlink()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["for_ever", path, first]:
            asyncio.run(for_ever(Path(path), int(first)))
        case ["through", path, fault]:
            print(json.dumps(asyncio.run(through(Path(path), fault))), flush=True)  # noqa: T201 - its judge listens
        case _:
            sys.exit(__doc__)
