"""What sealing and evidence cost of a payment: CPU of each by itself, beside the whole of recording it in the spool.

Everything runs in this process, on this machine's disk, 64 payments to a commit as under load; the parts take turns, and
what is told is the median of the turns, in microseconds of CPU of all threads for each payment. The accept path around it
(HTTP, JSON, limits) is measured by `accept`; its figure goes to `--accept-us`, for the share of all of it.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from bench.table import spread, table
from spool.entry import Draft, Entry
from spool.evidence import leaf
from spool.evidence.growth import Growth
from spool.keys import KEY_BYTES, KeyRing
from spool.lifecycle import Kind, State, Told
from spool.number import id_of
from spool.seal import Sealer
from spool.spool import Spool
from spool.sqlite import SqliteStore
from spool.verify import verify
from spool.work import entry_from

TOGETHER: Final = 64
CONTENT: Final = bytes(300)
START_US: Final = 1_780_000_000_000_000


def add_arguments(options: argparse.ArgumentParser) -> None:
    """Its options."""
    options.add_argument("--commits", type=int, default=100, help="commits of 64 payments in each turn")
    options.add_argument("--turns", type=int, default=7)
    options.add_argument(
        "--accept-us", type=float, default=90.0, help="CPU of the whole accept path, by `bench accept`"
    )


def run(told: argparse.Namespace) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), told.commits, told.turns, told.accept_us))


async def _measure(folder: Path, commits: int, turns: int, accept_us: float) -> None:
    ring = KeyRing([(1, b"d" * KEY_BYTES)], b"i" * KEY_BYTES)
    sealer, growth = Sealer(ring), Growth()
    spool = Spool(SqliteStore(folder / "spool.db", reserve_bytes=0), ring)
    await spool.open(START_US)
    costs: dict[str, list[float]] = {"sealing": [], "evidence": [], "recording, all of it": []}
    for turn in range(turns):
        drafts = [draft_of(1 + turn * commits * TOGETHER + number) for number in range(commits * TOGETHER)]
        entries = [entry_from(draft, *sealer.seal(draft)) for draft in drafts]
        costs["sealing"].append(_cost(lambda: _seal(sealer, drafts), len(drafts)))  # noqa: B023 - called at once
        costs["evidence"].append(_cost(lambda: _prove(growth, entries), len(drafts)))  # noqa: B023 - called at once
        began = time.process_time()
        for at in range(0, len(drafts), TOGETHER):
            await asyncio.gather(*(spool.record(draft) for draft in drafts[at : at + TOGETHER]))
        costs["recording, all of it"].append((time.process_time() - began) / len(drafts) * 1e6)
    began = time.process_time()
    found = await verify(spool.store, sealer)
    verifying = time.process_time() - began
    await spool.close()
    assert found.ok, "what was just written is whole"
    print(table(["of a payment", "CPU µs"], [[name, spread(each, 1)] for name, each in costs.items()]))
    both = median(costs["sealing"]) + median(costs["evidence"])
    print(f"\nSealing and evidence: {both:.1f} µs, {both / accept_us:.0%} of an accept path of {accept_us:g} µs.")
    print(f"verify, seals opened: {found.counted / verifying * 60:,.0f} entries a minute of one core.")


def _cost(work: Callable[[], None], payments: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / payments * 1e6


def _seal(sealer: Sealer, drafts: list[Draft]) -> None:
    for draft in drafts:
        sealer.seal(draft)


def _prove(growth: Growth, entries: list[Entry]) -> None:
    for at in range(0, len(entries), TOGETHER):
        growth.begin()
        for entry in entries[at : at + TOGETHER]:
            growth.add(leaf.accepted(entry, entry.state, entry.told), entry.accepted_at_us)
        growth.block()
        growth.come_true()


def draft_of(number: int) -> Draft:
    """A payment of the bank's, waiting."""
    return Draft(
        number=number,
        id=id_of(number, 0),
        kind=Kind.PAYMENT,
        channel="bank",
        key=f"0190a5b2-7e5c-7cc0-98c4-{number:012d}",
        fingerprint=bytes(16),
        route="main",
        lane=number,
        amount=10_000,
        currency="RUB",
        accepted_at_us=START_US + number,
        state=State.READY,
        told=Told.PROVISIONAL,
        policy="0123456789abcdef",
        content=CONTENT,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.custody", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
