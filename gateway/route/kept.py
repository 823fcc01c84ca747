"""A breaker's record in a small file beside the spool, so that a route that was open, or forced, starts as it was."""

import os
from pathlib import Path

import msgspec

from gateway.log import log
from gateway.route.record import BreakerRecord


class KeptInFile:
    """Keeps one route's record in a file.

    It is replaced whole and not synced: after a power cut the route may start from an older record, or from none, and
    finds out anew how its core is. No payment depends on it.
    """

    def __init__(self, path: Path) -> None:
        """Keep it at `path`; its folder is made when the first record is kept."""
        self._path = path

    def load(self) -> BreakerRecord | None:
        """The record of the former run; nothing when there is none that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=BreakerRecord)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("route_record_unreadable", file=self._path.name, error=type(error).__name__)
            return None

    def keep(self, record: BreakerRecord) -> None:
        """Keep this one instead."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_bytes(msgspec.json.encode(record))
        os.replace(draft, self._path)  # noqa: PTH105 - the same as Path.replace, and says what it is
