"""A policy tried on what was taken: the same decisions as in an outage, and limits that fill up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accept.decide import Why
from gateway.standin.facts import Standing
from gateway.standin.headroom import Headroom, full_in_s
from gateway.standin.policy import UNBOUNDED, Ceiling
from gateway.standin.settings import StandinRuleSettings, StandinSettings
from gateway.standin.trial import Trial, Tried
from spool.tally import NOTHING, Sum

BEGAN_US = 1_767_225_600_000_000


def trial(**settings: Any) -> Trial:
    """A policy, to be tried from BEGAN_US on."""
    policy = StandinSettings(**settings)
    return Trial({name: policy.policy(name, "RUB") for name in ("kiosk", "bank")}, BEGAN_US)


def payment(amount: int = 1_000, **changes: Any) -> Tried:
    """A payment of 10.00 at the outage's beginning."""
    usual: dict[str, Any] = {"channel": "kiosk", "service": "", "account": "100", "lane": 7, "at_us": BEGAN_US}
    return Tried(amount=amount, **usual | changes)


def test_limits_fill_up_as_in_an_outage() -> None:
    """Of the route, of a channel, of an account's day, of a payment, of the outage."""
    tried = trial(payment_max="20", exposure_count_max=3, account_day_sum_max="25", outage_max_s=60)
    payments = [
        payment(),
        payment(2_001),
        payment(),
        payment(),
        payment(lane=8, at_us=BEGAN_US + 61_000_000),
        payment(lane=8),
        payment(lane=9),
    ]
    whys = [tried.take(each, Standing.UNKNOWN) for each in payments]
    assert whys == [
        Why.FINE,
        Why.PAYMENT_LIMIT,
        Why.FINE,
        Why.ACCOUNT_LIMIT,
        Why.OUTAGE_LIMIT,
        Why.FINE,
        Why.ROUTE_LIMIT,
    ]
    assert tried.outcomes["provisional"] == Sum(3, 3_000)


def test_rules_and_lists_are_obeyed() -> None:
    """What a rule refuses is told apart from what comes later."""
    rules = [StandinRuleSettings(services=["tv"], answer="refuse"), StandinRuleSettings(known_accounts_only=True)]
    tried = trial(rules=rules)
    assert tried.take(payment(service="tv"), Standing.UNKNOWN) is Why.RULE
    assert tried.asks_for_accounts(payment())
    assert tried.take(payment(), Standing.UNKNOWN) is Why.UNKNOWN_ACCOUNT
    assert tried.take(payment(), Standing.DENIED) is Why.DENIED_ACCOUNT
    assert tried.take(payment(), Standing.KNOWN) is Why.FINE
    assert (set(tried.outcomes), tried.rules) == (
        {"refused", "unknown_account", "denied_account", "provisional"},
        {2: Sum(1, 1_000)},
    )


def test_a_day_is_the_payments_own() -> None:
    """What was taken yesterday is no limit today."""
    tried = trial(account_day_count_max=1)
    days = [BEGAN_US, BEGAN_US + 86_400_000_000]
    assert [tried.take(payment(at_us=at), Standing.UNKNOWN) for at in days] == [Why.FINE, Why.FINE]


@given(st.lists(st.tuples(st.sampled_from(["kiosk", "bank"]), st.integers(1, 3_000), st.integers(1, 4)), max_size=40))
def test_whatever_is_tried_no_limit_is_overshot(payments: list[tuple[str, int, int]]) -> None:
    """And every payment becomes exactly one thing."""
    tried = trial(exposure_sum_max="100", exposure_count_max=9, account_day_sum_max="40")
    taken: dict[int, int] = {}
    for channel, amount, lane in payments:
        why = tried.take(payment(amount, channel=channel, lane=lane), Standing.UNKNOWN)
        taken[lane] = taken.get(lane, 0) + amount * (not why)
    total = tried.outcomes.get("provisional", NOTHING)
    assert total.amount <= 10_000
    assert total.entries <= 9
    assert max(taken.values(), default=0) <= 4_000
    assert sum(each.entries for each in tried.outcomes.values()) == len(payments)


def test_a_payment_that_is_tried_does_not_show_whose_it_is() -> None:
    """Nor does a trace of it."""
    assert "100" not in repr(payment(amount=7))


# How long a limit lasts


@pytest.mark.parametrize(
    ("before", "now", "ceiling", "lasts_s"),
    [
        (NOTHING, Sum(10, 100), Ceiling(sum_max=200, count_max=None), 60.0),
        (NOTHING, Sum(10, 100), Ceiling(sum_max=None, count_max=15), 30.0),
        (NOTHING, Sum(10, 100), Ceiling(sum_max=200, count_max=15), 30.0),
        (NOTHING, Sum(10, 100), Ceiling(sum_max=100, count_max=None), 0.0),
        (NOTHING, Sum(10, 100), Ceiling(sum_max=None, count_max=10), 0.0),
        (NOTHING, Sum(10, 100), UNBOUNDED, None),
        (Sum(10, 100), Sum(10, 100), Ceiling(sum_max=200, count_max=15), None),
        (Sum(20, 200), Sum(10, 100), Ceiling(sum_max=300, count_max=30), None),
    ],
)
def test_a_limit_lasts_as_long_as_the_rate_lets_it(
    before: Sum, now: Sum, ceiling: Ceiling, lasts_s: float | None
) -> None:
    """In a minute from `before` to `now`: the nearer of the two."""
    assert full_in_s(before, now, 60.0, ceiling) == lasts_s


def test_headroom_is_told_from_the_last_minutes() -> None:
    """And before there are any, only what is full is."""
    room, scope, most = Headroom(), ("main", ""), Ceiling(sum_max=200, count_max=None)
    assert room.full_in_s(scope, 1.0, Sum(1, 100), most) is None
    assert room.full_in_s(scope, 1.0, Sum(2, 200), most) == 0.0
    room.note(10.0, {scope: Sum(1, 100)})
    room.note(15.0, {})
    assert room.full_in_s(scope, 20.0, Sum(2, 150), most) == 10.0
    assert room.full_in_s(("other", ""), 20.0, Sum(2, 150), most) == pytest.approx(10 / 3)
