"""A route's core as its settings say: of one endpoint, or of several with a health each.

Each route opens connections of its own, also to a core that others share: one that is broken never takes another's.
"""

from collections.abc import Callable

from adapters.core import Core
from adapters.cores import CoreSettings, each_endpoint, open_core
from gateway.clock import Clock
from gateway.route.endpoints import Endpoint, Endpoints, sooner
from gateway.route.health import Probe, RouteHealth
from gateway.route.record import RecordKeeper
from gateway.route.settings import BreakerSettings


def open_route_core(
    name: str, settings: CoreSettings, breaker: BreakerSettings, clock: Clock, keeper: Callable[[str], RecordKeeper]
) -> Core:
    """The core of this name for one route; `keeper` is of an endpoint's health, by its place in the order.

    Raises:
        SecretMissing, TlsFileUnusable: as `open_core`.
    """
    addresses = each_endpoint(settings)
    if len(addresses) == 1:
        return open_core(name, settings)
    watched = unhurried(breaker).model_copy(update={"hung_after_s": sooner(breaker.hung_after_s)})
    endpoints = list[Endpoint]()
    for place, (address, own) in enumerate(addresses, start=1):
        core = open_core(name, own)
        probe = probe_of(core, breaker)
        health = RouteHealth(f"{name} at {address}", watched, clock, probe, keeper=keeper(f"endpoint-{place}"))
        endpoints.append(Endpoint(address, core, health))
    return Endpoints(name, endpoints, clock, shared_ledger=settings.shared_ledger)


def watched_by(core: Core, breaker: BreakerSettings) -> BreakerSettings:
    """How a route's own health watches this core.

    Where endpoints are watched one by one, the others get the time to do the work of one that says nothing.
    """
    return unhurried(breaker) if isinstance(core, Endpoints) else breaker


def unhurried(breaker: BreakerSettings) -> BreakerSettings:
    """The same, but for no silence shorter than `hung_after_s`."""
    return breaker.model_copy(update={"hung_early_share": 1.0})


def probe_of(core: Core, breaker: BreakerSettings) -> Probe | None:
    """Asks a core whether it is there; nothing where that isn't safe."""
    if not core.capabilities.safe_probe:
        return None
    return lambda: core.probe(breaker.probe_deadline_s)
