"""How long the disk takes to make writes stable: what group commit shares, and what no code makes faster.

Each case writes and calls fdatasync in turn: a file that grows, and one written before (what a recycled write-ahead log
is). Whether a virtual disk honours the flush can't be seen from inside.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Final

from bench.installation import scratch
from bench.table import table

SIZES: Final = (4096, 16_384, 65_536)
FILE_BYTES: Final = 64 * 2**20


def syncs(path: Path, size: int, seconds: float, *, fresh: bool) -> list[float]:
    """Seconds each write with its sync took, ascending."""
    if not fresh:
        path.write_bytes(os.urandom(FILE_BYTES))
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    block, at, took = os.urandom(size), 0, list[float]()
    os.fsync(handle)
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        os.pwrite(handle, block, at)
        os.fdatasync(handle)
        took.append(time.perf_counter() - began)
        at = (at + size) % FILE_BYTES
    os.close(handle)
    path.unlink()
    return sorted(took)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case")


def run(told: argparse.Namespace) -> None:
    """Measure, print the table."""
    rows = list[list[str]]()
    with scratch() as folder:
        for size in SIZES:
            for fresh in (True, False):
                took = syncs(folder / "disk.bin", size, told.seconds, fresh=fresh)
                shares = [f"{took[len(took) * share // 100] * 1e6:.0f}" for share in (50, 99)]
                kind = "file that grows" if fresh else "file written before"
                rows.append([f"{size // 1024} KiB, {kind}", f"{len(took) / sum(took):,.0f}", *shares])
    print(table(("write and sync", "a second", "p50 µs", "p99 µs"), rows))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.disk", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
