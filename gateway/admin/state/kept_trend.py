"""Samples for the charts in a small file beside the spool, so that a restart forgets nothing of the last hours."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.admin.state.trend import SAMPLES_MAX, Sample
from gateway.log import log

LINE_MAX: Final = 512
"""Bytes of a sample with its route's name, at most."""

_LINE: Final = msgspec.json.Decoder(tuple[str, Sample])


class TrendInFile:
    """Keeps samples in a file that only grows, and is put aside for a new one when all routes have their hours in it.

    Nothing is synced, and a write is of one moment: a kill loses nothing, a power cut the last seconds. Each line begins
    with its break, so that one that was cut short spoils no other. No payment depends on it.
    """

    def __init__(self, path: Path, routes: int) -> None:
        """Keep those of so many routes at `path`, and the hours before beside it."""
        self._path = path
        self._former = path.with_name(f"{path.name}.former")
        self._lines_max = SAMPLES_MAX * routes
        self._lines = 0
        self._is_kept = True

    def load(self) -> Sequence[tuple[str, Sample]]:
        """See `TrendKeeper.load`."""
        former, lines = (self._lines_of(path) for path in (self._former, self._path))
        self._lines = len(lines)
        read = map(_read, [*former, *lines])
        return [each for each in read if each is not None]

    def add(self, samples: Iterable[tuple[str, Sample]]) -> None:
        """See `TrendKeeper.add`."""
        lines = [b"\n" + msgspec.json.encode(each) for each in samples]
        try:
            if self._lines + len(lines) > self._lines_max:
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self._path, self._former)  # noqa: PTH105 - the same as Path.replace, and says what it is
                self._lines = 0
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._path.open("ab") as file:
                file.write(b"".join(lines))
        except OSError as error:
            self._unkept(error)
            return
        self._lines += len(lines)
        self._is_kept = True

    def _unkept(self, error: OSError) -> None:
        """Said once: until the disk takes them again the charts go on from memory."""
        if self._is_kept:
            log.warning("trend_not_kept", file=self._path.name, error=type(error).__name__)
        self._is_kept = False

    def _lines_of(self, path: Path) -> list[bytes]:
        try:
            with path.open("rb") as file:
                return file.read(self._lines_max * LINE_MAX).split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            log.warning("trend_unreadable", file=path.name, error=type(error).__name__)
            return []


def _read(line: bytes) -> tuple[str, Sample] | None:
    """A sample with its route; None of what was cut short, or is of another version."""
    try:
        return _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
