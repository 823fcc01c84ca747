"""Files that hold keys: read only when they are their owner's alone, written whole and durably or not at all."""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, NamedTuple

from spool.errors import KeysUnfit

FILE_BYTES_MAX: Final = 8 * 2**20
"""Larger files hold no keys."""


class Steps(NamedTuple):
    """What the system does for a file to be durable, in this order; a test makes one of them fail, or be the last."""

    #: Takes a file, then its folder, to disk.
    fsync: Callable[[int], None] = os.fsync
    #: Gives a draft its name, unless that is taken.
    link: Callable[[Path, Path], None] = os.link
    #: Gives a draft its name, in the place of what had it.
    rename: Callable[[Path, Path], None] = os.replace


SYSTEM: Final = Steps()

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OWNER: Final = stat.S_IRUSR | stat.S_IWUSR


def read_private(path: Path, name: str, absent: str) -> bytes:
    """The file's bytes, if it is ours alone; what is checked is the very file that is read.

    Args:
        path: the file.
        name: what it is, for messages: `key file`.
        absent: what to do where there is none, for the message.

    Raises:
        KeysUnfit: it is missing, a link, another user's, or open to others; the message says how to mend it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeysUnfit(f"there is no {name} {path}; {absent}") from None
    except OSError as error:
        if path.is_symlink():
            raise KeysUnfit(f"the {name} {path} is a link; name the file itself") from error
        raise KeysUnfit(f"the {name} {path} can't be read: {error.strerror}") from error
    try:
        _check_custody(path, name, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(FILE_BYTES_MAX)
    finally:
        os.close(handle)


def _check_custody(path: Path, name: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeysUnfit(f"the {name} {path} is not a plain file")
    if found.st_uid not in {os.geteuid(), 0}:
        raise KeysUnfit(f"the {name} {path} belongs to another user; mend it with: chown {os.geteuid()} {path}")
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise KeysUnfit(f"the {name} {path} is open to others (mode {mode:04o}); mend it with: chmod 600 {path}")
    if found.st_size > FILE_BYTES_MAX:
        raise KeysUnfit(f"the {name} {path} is too large to be one ({found.st_size} bytes)")


def write_private(path: Path, content: bytes, name: str, steps: Steps = SYSTEM) -> None:
    """Write a file that is there whole and durably, or not at all; never over another.

    Raises:
        KeysUnfit: there is something at `path`, or it can't be written.
    """
    draft = _draft_of(path)
    try:
        try:
            _write(draft, content, steps)
            # A link, unlike a rename, never replaces what is there.
            steps.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent, steps)
    except FileExistsError as error:
        raise KeysUnfit(
            f"{path} exists already and is not overwritten: what is sealed under its keys could never be opened again"
        ) from error
    except OSError as error:
        raise KeysUnfit(f"the {name} {path} can't be written: {error.strerror}") from error


def replace_private(path: Path, content: bytes, name: str, steps: Steps = SYSTEM) -> None:
    """Put another content in a file's place: at every moment, and after a power cut, one of the two is there whole.

    Raises:
        KeysUnfit: it can't be written. Mostly the old content is there still; where the folder's sync failed nobody
            knows, and whoever reads next sees which.
    """
    draft = _draft_of(path)
    try:
        try:
            _write(draft, content, steps)
            steps.rename(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(path.parent, steps)
    except OSError as error:
        raise KeysUnfit(f"the {name} {path} can't be written: {error.strerror}") from error


def _draft_of(path: Path) -> Path:
    """A name of its own beside the file, so that two writers never share one."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


def _write(draft: Path, content: bytes, steps: Steps) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        steps.fsync(file.fileno())


def _sync_folder(folder: Path, steps: Steps) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        steps.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Nobody else changes the file at `path` meanwhile: a lock on a file beside it, which the kernel lets go of by itself.

    Raises:
        KeysUnfit: the lock's file can't be made.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWNER)
    except OSError as error:
        raise KeysUnfit(
            f"{beside} can't be made: {error.strerror}; the service needs to write in its folder"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
