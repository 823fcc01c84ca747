"""Which route a payment takes: by channel, service and account."""

import pytest

from adapters.core import Level
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.health import RouteHealth
from gateway.route.route import Route, Routing
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import StandinSettings
from tests.unit.fake_core import FakeCore, able


def route(name: str, *accounts: str) -> Route:
    """A route, for these accounts alone if there are any."""
    return Route(
        name,
        core=FakeCore(able(Level.A)),
        health=RouteHealth(name, BreakerSettings(), ManualClock()),
        currency="RUB",
        forward=ForwardSettings(),
        standin=StandinSettings(),
        channels=("kiosk",),
        accounts=accounts,
    )


@pytest.fixture
def routing() -> Routing:
    """One route for all, one for a service, one for some accounts, and one for a service of some."""
    return Routing(
        [
            ("kiosk", frozenset(), route("main")),
            ("kiosk", frozenset({"tv"}), route("tv")),
            ("kiosk", frozenset(), route("north", "78*", "7999????")),
            ("kiosk", frozenset({"tv"}), route("north-tv", "78*")),
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
    found = routing.of("kiosk", service, account)
    assert found is not None
    assert found.name == name


def test_an_account_nobody_is_for_has_no_route() -> None:
    """As a channel nobody serves has none."""
    only = Routing([("kiosk", frozenset(), route("north", "78*"))])
    assert only.of("kiosk", "", "7912") is None
    assert only.of("bank", "", "7812") is None
    assert [each.name for each in only.routes] == ["north"]
