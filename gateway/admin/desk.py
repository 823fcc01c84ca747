"""What the admin side sees and steers: the parts of a running service, and nothing it could break by accident.

Names of parts are for readers and type checkers: who only wants the shapes of answers (the command) loads none of these.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.admin.state.trend import Trend
    from gateway.clock import Clock
    from gateway.config.model import Config
    from gateway.custody.keeper import Keeper
    from gateway.custody.resealing import Resealer
    from gateway.evidence.evidence import Evidence
    from gateway.forward.forwarder import Forwarder
    from gateway.meter import Meter
    from gateway.outages.recorder import Recorder
    from gateway.route.route import Route
    from gateway.standin.accounts import Accounts
    from gateway.standin.headroom import Headroom
    from gateway.standin.kept import Policies
    from gateway.telling.payers.rounds import Payers
    from gateway.telling.telling import Telling
    from gateway.windows.plan import Plan
    from spool.spool import Spool
    from spool.store import Store


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The parts, as the service joined them."""

    config: "Config"
    clock: "Clock"
    spool: "Spool"
    #: The store for looking through many entries: its reads don't stand in the way of payments. The same entries.
    shelf: "Store"
    keeper: "Keeper"
    resealer: "Resealer"
    routes: "Sequence[Route]"
    #: By the route's name.
    forwarders: "Mapping[str, Forwarder]"
    meter: "Meter"
    accounts: "Accounts"
    policies: "Policies"
    headroom: "Headroom"
    plan: "Plan"
    trend: "Trend"
    evidence: "Evidence"
    telling: "Telling"
    payers: "Payers"
    outages: "Recorder"
    #: Take and send payments, once a person has accepted what the spool lacks.
    begin: Callable[[], Awaitable[None]]
    #: True from the moment requests are taken until stopping begins.
    ready: Callable[[], bool]
    #: Why the spool isn't open yet, in words; empty once it is.
    waits: Callable[[], str]
    #: Read the configuration anew from its file, as far as it says who may use the admin side; None where there is no file.
    #: Raises ConfigUnfit.
    reread: "Callable[[], Config] | None"
    #: When the service began to start, microseconds since 1970 in UTC.
    started_at_us: Callable[[], int]

    def route(self, name: str) -> "Route | None":
        """The route of this name."""
        return next((route for route in self.routes if route.name == name), None)
