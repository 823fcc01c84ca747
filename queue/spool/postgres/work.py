"""What this engine asks of its own commits, beside what every engine does (`spool.work`)."""

from collections.abc import Collection

from spool import work as common
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


Work = common.Work | Renewal | Rescue | Sweep | Closed
