"""What one route has seen, counted."""

import msgspec

from gateway.route.window import Figures


class RouteCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What a route has seen since the start of the process; for metrics and status."""

    #: Outcomes by kind of evidence (`good`, `did_not_reach`, ...).
    evidence: dict[str, int]
    #: Openings by rule (`unreached`, `hung`, ...).
    trips: dict[str, int]
    #: Results that came after their zone had ended, and so were ignored.
    late: int
    #: Calls withdrawn by their caller.
    withdrawn: int
    probes_passed: int
    probes_failed: int
    #: Calls of a closed route under way now.
    waiting: int
    #: Changes of zone so far, plus one.
    epoch: int
    window: Figures
