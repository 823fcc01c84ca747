"""One route: the path from some channels to one core, with its own health, policy and settings."""

from collections.abc import Callable, Iterable, Sequence

from adapters.core import Core
from gateway.forward.order import OrderSettings
from gateway.forward.settings import ForwardSettings
from gateway.route.health import RouteHealth
from gateway.standin.outage import Outage
from gateway.standin.policy import StandinPolicy, accounts_pattern
from gateway.standin.settings import StandinSettings
from gateway.tracing.spans import NO_SPANS, Spans


class Route:
    """What accepting and forwarding share about one path to one core."""

    def __init__(
        self,
        name: str,
        *,
        core: Core,
        health: RouteHealth,
        currency: str,
        forward: ForwardSettings,
        standin: StandinSettings,
        channels: Iterable[str],
        order: OrderSettings | None = None,
        accounts: Sequence[str] = (),
    ) -> None:
        """Resolve the policy of each channel, and see outages begin and end."""
        self.name = name
        self.core = core
        self.health = health
        self.currency = currency
        self.forward = forward
        self.channels = tuple(channels)
        #: Of which accounts alone it takes payments; None of any.
        self.accounts = accounts_pattern(list(accounts))
        #: Which of its waiting payments go before others.
        self.order = (order or OrderSettings()).order(currency)
        self.stand_in_by(standin)
        self.outage = Outage()
        #: Told of each question to the core: set where traces are made.
        self.spans: Spans = NO_SPANS
        #: Told of a lane whose account billing has just booked for: set where accounts are learned.
        self.account_proved: Callable[[int], None] = _nobody_waits
        #: Told when a lane may have entries free to go: set by the forwarder.
        self.lane_freed: Callable[[int], None] = _nobody_waits
        #: Told when an entry waits, from when on (µs since 1970; 0 = at once), and its rank: set by the forwarder.
        self.entry_waits: Callable[[int, int | None], None] = _nobody_listens
        #: Told of a lane in which an uncertain commit may have changed anything: set by the forwarder.
        self.lane_unsure: Callable[[int], None] = _nobody_waits

    def stand_in_by(self, standin: StandinSettings) -> None:
        """Follow this policy from now on: what is taken next, is taken by it."""
        self.standin = standin
        self.policies: dict[str, StandinPolicy] = {each: standin.policy(each, self.currency) for each in self.channels}


def _nobody_waits(_lane: int) -> None:
    """Before the forwarder runs nobody waits for lanes; it finds them by itself when it starts."""


def _nobody_listens(_due_at_us: int, _rank: int | None) -> None:
    """As above, for entries."""


class Routing:
    """Which route a payment takes: by its channel and currency, and by its account and service where these have several.

    A route has one currency and takes no payment in another. Among those of a payment's currency one for some accounts is
    stronger than one for all, and among these one that names the service.
    """

    def __init__(self, rules: Iterable[tuple[str, frozenset[str], Route]]) -> None:
        """Take rules (channel, services, route); no services means any."""
        self._by_service: dict[tuple[str, str, str], Route] = {}
        self._by_channel: dict[tuple[str, str], Route] = {}
        self._by_name: dict[str, Route] = {}
        #: Routes for some accounts, by channel and currency, those first that name services.
        self._by_account: dict[tuple[str, str], list[tuple[frozenset[str], Route]]] = {}
        for channel, services, route in rules:
            self._by_name[route.name] = route
            if route.accounts is not None:
                some = self._by_account.setdefault((channel, route.currency), [])
                some.append((services, route))
                some.sort(key=lambda each: not each[0])
                continue
            if not services:
                self._by_channel[channel, route.currency] = route
            for service in services:
                self._by_service[channel, route.currency, service] = route

    def of(self, channel: str, currency: str, service: str, account: str = "") -> Route | None:
        """The route of a channel's payment for a service (empty when it names none); None when there is none."""
        for services, route in self._by_account.get((channel, currency), ()):
            named = not services or service in services
            if named and route.accounts is not None and route.accounts.fullmatch(account):
                return route
        if service and (found := self._by_service.get((channel, currency, service))) is not None:
            return found
        return self._by_channel.get((channel, currency))

    def named(self, name: str) -> Route | None:
        """The route of this name; None when the configuration has none any more."""
        return self._by_name.get(name)

    @property
    def routes(self) -> list[Route]:
        """Every route."""
        return list(self._by_name.values())
