"""A SQLite VFS that does everything for real and keeps a tape of what reached the disk, in order.

Tape and model (`disk`) know files as inodes and names as entries of a directory: a journal that is deleted and made
anew under the same name is another file. What is kept is what decides a file after a power cut: bytes written, sizes,
syncs, names. The `-shm` file isn't kept: the first to open the database after a cut makes it anew.

A `Trouble` may make any operation fail as a disk does.
"""

import errno
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from spool.sqlite.wal import log_of


class Wrote(NamedTuple):
    """Bytes were written to a file, and are in the kernel's cache."""

    inode: int
    offset: int
    data: bytes


class Resized(NamedTuple):
    """A file was cut, or made longer."""

    inode: int
    size: int


class Synced(NamedTuple):
    """What had been written to a file is on disk; or the sync failed, and nobody knows what is."""

    inode: int
    succeeded: bool


class Named(NamedTuple):
    """A file appeared in the folder under this name."""

    name: str
    inode: int


class Made(NamedTuple):
    """A file without a name that matters: a draft, say."""

    inode: int


class Renamed(NamedTuple):
    """A file got this name; whatever had it is gone from the folder."""

    name: str
    inode: int


class Removed(NamedTuple):
    """A name was taken from the folder."""

    name: str


class FolderSynced(NamedTuple):
    """All names so far are on disk."""


Step = Wrote | Resized | Synced | Named | Made | Renamed | Removed | FolderSynced

Trouble = Callable[[str, str], int]
"""Asked before each operation, by its name and the file's: 0, or the error code of SQLite that it ends with."""

SHORT: Final = -1
"""An error code of our own: half of a write is done, then the disk is full."""

_numbers = itertools.count(1)


def no_trouble(_operation: str, _name: str) -> int:
    """All goes well."""
    return 0


class Tape(apsw.VFS):
    """The files of one folder through SQLite's own VFS, and what was done to them."""

    def __init__(self, files: dict[str, bytes] | None = None, *, lying: bool = False) -> None:
        """Begin with what is in the folder, all of it on disk.

        Args:
            files: names and contents.
            lying: the disk says it synced and did nothing (a control).
        """
        self.name = f"tape-{next(_numbers)}"
        super().__init__(self.name, "")
        #: What was done, in order.
        self.steps: list[Step] = []
        self.lying = lying
        self.trouble: Trouble = no_trouble
        #: Which file is under a name now.
        self.names = {name: inode for inode, name in enumerate(files or {}, 1)}
        #: What the tape begins with: inode to content.
        self.first = {self.names[name]: content for name, content in (files or {}).items()}

    def xOpen(self, name: Any, flags: list[int]) -> Any:  # noqa: N802 - APSW's name
        """Open a file for SQLite."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert path is not None, "the engine keeps temporary things in memory"
        self.meet("open", Path(path).name)
        return TapedFile(self, name, flags, Path(path).name)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - APSW's signature
        """Delete a file for SQLite."""
        name = Path(filename).name
        self.meet("delete", name)
        super().xDelete(filename, syncdir)
        self.names.pop(name, None)
        self.steps.append(Removed(name))
        if syncdir and not self.lying:
            self.steps.append(FolderSynced())

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - APSW's name
        """Ask for SQLite whether a file is there."""
        self.meet("access", Path(pathname).name)
        return super().xAccess(pathname, flags)

    def write_over(self, log: Path) -> None:
        """As the engine's own `write_over`, on tape.

        Raises:
            OSError: its moment has come.
        """
        if log.name not in self.names:
            return
        for operation, step in (
            ("write", Wrote(self.names[log.name], 0, log.read_bytes())),
            ("sync", Synced(self.names[log.name], succeeded=True)),
        ):
            if self.trouble(operation, log.name):
                raise OSError(errno.EIO, operation)
            if operation == "write" or not self.lying:
                self.steps.append(step)

    def log(self, path: Path) -> "TapedLog":
        """What the engine syncs its commits with, on tape."""
        return TapedLog(self, log_of(path).name)

    def inode(self, name: str) -> int:
        """The file under this name; one that is not known yet has just been made."""
        if name not in self.names:
            self.names[name] = 1_000 + len(self.steps)
            self.steps.append(Named(name, self.names[name]))
        return self.names[name]

    def meet(self, operation: str, name: str) -> None:
        """Let the operation fail if its moment has come."""
        code = self.trouble(operation, name)
        if code:
            raise apsw.exception_for(apsw.SQLITE_FULL if code == SHORT else code)


class TapedLog:
    """The engine's own hand on SQLite's log, on tape."""

    def __init__(self, tape: Tape, name: str) -> None:
        """Of the file of this name."""
        self._tape = tape
        self._name = name

    def sync(self) -> None:
        """Sync. One that failed leaves pages that the kernel calls clean and the disk may not have.

        Raises:
            OSError: its moment has come.
        """
        if self._tape.lying:
            return
        inode = self._tape.names[self._name]
        if self._tape.trouble("sync", self._name):
            self._tape.steps.append(Synced(inode, succeeded=False))
            raise OSError(errno.EIO, "sync")
        self._tape.steps.append(Synced(inode, succeeded=True))

    def close(self) -> None:
        """There is nothing to let go of."""


class Unsynced:
    """A hand on the log that does nothing (a control)."""

    def __init__(self, path: Path) -> None:
        """Of whatever file."""

    def sync(self) -> None:
        """Leave it to the system."""

    def close(self) -> None:
        """There is nothing to let go of."""


class TapedFile(apsw.VFSFile):
    """One open file, on tape."""

    def __init__(self, tape: Tape, filename: Any, flags: list[int], name: str) -> None:
        """Open it."""
        super().__init__("", filename, flags)
        self._tape = tape
        self._name = name
        self._inode = tape.inode(name)
        #: As in SQLite's own VFS: the first sync of a journal syncs its folder too.
        self._syncs_folder = bool(flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL))

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - APSW's name
        """Read."""
        self._tape.meet("read", self._name)
        return super().xRead(amount, offset)

    def xFileSize(self) -> int:  # noqa: N802 - APSW's name
        """Tell the size."""
        self._tape.meet("size", self._name)
        return super().xFileSize()

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - APSW's name
        """Write; when the write is cut short, half of it."""
        code = self._tape.trouble("write", self._name)
        if code and code != SHORT:
            raise apsw.exception_for(code)
        written = bytes(data)[: len(data) // 2] if code else bytes(data)
        super().xWrite(written, offset)
        self._tape.steps.append(Wrote(self._inode, offset, written))
        if code:
            raise apsw.exception_for(apsw.SQLITE_FULL)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - APSW's name
        """Cut."""
        self._tape.meet("truncate", self._name)
        super().xTruncate(newsize)
        self._tape.steps.append(Resized(self._inode, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802 - APSW's name
        """Sync. One that failed leaves pages that the kernel calls clean and the disk may not have."""
        if self._tape.lying:
            return
        code = self._tape.trouble("sync", self._name)
        if code:
            self._tape.steps.append(Synced(self._inode, succeeded=False))
            raise apsw.exception_for(code)
        super().xSync(flags)
        self._tape.steps.append(Synced(self._inode, succeeded=True))
        if self._syncs_folder:
            self._syncs_folder = False
            self._tape.steps.append(FolderSynced())
