"""Making sure that SQLite's log is on disk as it reads.

After a sync that failed the kernel calls the pages clean: they read as written, the disk may not have them, and no later
sync takes them there. SQLite, opening such a log, trusts what it reads. It would add commits behind pages that a power
cut takes away, and these commits with them; or carry the log over into the database and leave a log that, cut short,
is older than the database it is then applied to. So before the log is read or carried over after trouble, each of its
bytes is written again as it reads, and synced: then what is read is what is there.
"""

import os
from pathlib import Path
from typing import Final

_PIECE_BYTES: Final = 2**20


def log_of(path: Path) -> Path:
    """The log beside a database."""
    return path.with_name(path.name + "-wal")


def write_over(log: Path) -> None:
    """Write a log over itself and sync it; nothing to do where there is none.

    Nobody may be writing to it meanwhile. Opening and closing it drops no lock: SQLite has none on this file.

    Raises:
        OSError: the disk doesn't take it; what it has is as uncertain as before.
    """
    try:
        file = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while piece := os.pread(file, _PIECE_BYTES, offset):
            offset += os.pwrite(file, piece, offset)
        os.fsync(file)
    finally:
        os.close(file)
