"""What this engine asks of its own commits, beside what every engine does (`spool.work`)."""

from collections.abc import Collection, Sequence

from spool import work as common
from spool.entry import Entry
from spool.work import Planned


class Renewal:
    """Nothing but the lease, which each commit renews."""

    __slots__ = ()


class Rescue:
    """Attempts of nodes that are gone come into doubt."""

    __slots__ = ("done", "may_take_over", "now_us", "reason")

    def __init__(self, now_us: int, reason: str, *, may_take_over: bool) -> None:
        """At a time; `may_take_over` claims of nodes that did not renew in time."""
        self.now_us, self.reason, self.may_take_over = now_us, reason, may_take_over
        #: What was done, once it is.
        self.done: list[Planned] = []


class Sweep:
    """Entries that wait behind nobody go back into arrival order."""

    __slots__ = ()


class Closed:
    """Routes whose backlog this node does not send now."""

    __slots__ = ("routes",)

    def __init__(self, routes: Collection[str]) -> None:
        """Keep their names."""
        self.routes = routes


class Heard:
    """This node has no payments any more that aren't in the database."""

    __slots__ = ()


class Bar:
    """A key of which it is said that it is nobody's, unless somebody has it."""

    __slots__ = ("at_us", "channel", "key")

    def __init__(self, channel: str, key: str, at_us: int) -> None:
        """Keep which, and when."""
        self.channel, self.key, self.at_us = channel, key, at_us


class Bringing:
    """Payments that a node took while it could not reach the database, to be brought into it; a `Fate` for each."""

    __slots__ = ("entries", "moved", "now_us", "passed_over", "stored")

    def __init__(self, entries: Sequence[Entry], passed_over: Collection[tuple[str, int]], now_us: int) -> None:
        """In order of numbers. `passed_over` are lanes (by route) of which earlier ones were left where they are."""
        self.entries, self.passed_over, self.now_us = entries, passed_over, now_us
        #: What was done, once it is.
        self.stored: list[Entry] = []
        self.moved: list[Planned] = []


Work = common.Work | Renewal | Rescue | Sweep | Closed | Heard | Bar | Bringing
