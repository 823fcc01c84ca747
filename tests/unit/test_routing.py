"""Which route a payment takes: by channel, currency, service and account."""

import pytest

from adapters.core import Level
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.health import RouteHealth
from gateway.route.route import Route, Routing
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import StandinSettings
from tests.unit.fake_core import FakeCore, able


def route(name: str, *accounts: str, currency: str = "RUB") -> Route:
    """A route, for these accounts alone if there are any."""
    return Route(
        name,
        core=FakeCore(able(Level.A)),
        health=RouteHealth(name, BreakerSettings(), ManualClock()),
        currency=currency,
        forward=ForwardSettings(),
        standin=StandinSettings(),
        channels=("kiosk",),
        accounts=accounts,
    )


@pytest.fixture
def routing() -> Routing:
    """One route for all, one for a service, one for some accounts, one for a service of some; and two for dollars."""
    return Routing(
        [
            ("kiosk", frozenset(), route("main")),
            ("kiosk", frozenset({"tv"}), route("tv")),
            ("kiosk", frozenset(), route("north", "78*", "7999????")),
            ("kiosk", frozenset({"tv"}), route("north-tv", "78*")),
            ("kiosk", frozenset(), route("dollars", currency="USD")),
            ("kiosk", frozenset({"tv"}), route("north-dollars", "78*", currency="USD")),
        ]
    )


@pytest.mark.parametrize(
    ("service", "account", "name"),
    [
        ("", "7912", "main"),
        ("tv", "7912", "tv"),
        ("net", "7912", "main"),
        ("", "7812", "north"),
        ("tv", "7812", "north-tv"),
        ("net", "7812", "north"),
        ("tv", "79991234", "north"),
        ("", "799912345", "main"),
    ],
)
def test_a_route_for_some_accounts_is_stronger_than_one_for_all(
    routing: Routing, service: str, account: str, name: str
) -> None:
    """And among these, one that names the service."""
    found = routing.of("kiosk", "RUB", service, account)
    assert found is not None
    assert found.name == name


def test_an_account_nobody_is_for_has_no_route() -> None:
    """As a channel nobody serves has none."""
    only = Routing([("kiosk", frozenset(), route("north", "78*"))])
    assert only.of("kiosk", "RUB", "", "7912") is None
    assert only.of("bank", "RUB", "", "7812") is None
    assert [each.name for each in only.routes] == ["north"]


@pytest.mark.parametrize(
    ("service", "account", "name"),
    [("", "7912", "dollars"), ("tv", "7812", "north-dollars"), ("tv", "7912", "dollars")],
)
def test_a_payment_goes_by_a_route_of_its_currency_alone(
    routing: Routing, service: str, account: str, name: str
) -> None:
    """However strong a route of another currency were: minor units are of one currency, and so are a route's limits."""
    found = routing.of("kiosk", "USD", service, account)
    assert found is not None
    assert found.name == name


def test_a_currency_nobody_is_for_has_no_route(routing: Routing) -> None:
    """It is refused, not converted."""
    assert routing.of("kiosk", "EUR", "tv", "7812") is None
