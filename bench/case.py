"""One thing to be measured: how it is started, what it is sent, and how what it kept is counted."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from bench.rig import Server


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A case that runs."""

    #: Takes the payments.
    server: Server
    #: What it leans on, counted with it: a database, a queue's server.
    behind: tuple[Server, ...] = ()
    #: A spool of ours, counted when nobody runs on it any more.
    spool: Path | None = None
    #: Asks a foreign store, while it runs, how many payments it holds.
    stored: Callable[[], int] | None = None

    def cpu_s(self) -> float:
        """Seconds of CPU that all of it has used so far."""
        return sum(each.cpu_s() for each in (self.server, *self.behind))

    def memory_mib(self) -> float:
        """Memory of all of it now; what processes share is counted once."""
        return sum(each.shared_out_mib() for each in (self.server, *self.behind))

    def ready_s(self) -> float:
        """Seconds from the first start to the first connection taken, one server after the other."""
        return sum(each.ready_s for each in (*self.behind, self.server))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to be measured."""

    name: str
    #: Starts what is measured in a scratch folder.
    setting: Callable[[Path], AbstractContextManager[Setting]]
    #: What `load.lua` is told.
    script: tuple[str, ...]
