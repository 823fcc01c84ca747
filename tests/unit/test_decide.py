"""The way of a payment: limits are exact to the last minor unit, and nothing adds up to more than a ceiling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.accept.decide import PASS_THROUGH, STAND_IN, Decision, Way, Why, decide, limit_in_the_way
from gateway.standin.settings import Ceiling, StandinPolicy
from spool.tally import NOTHING, Sum

NO_LIMIT = Ceiling(sum_max=None, count_max=None)
POLICY = StandinPolicy(
    enabled=True,
    payment_max=500,
    route=Ceiling(sum_max=1_000, count_max=10),
    channel=Ceiling(sum_max=800, count_max=5),
    checks="accept_by_format",
    answer_margin_s=1.0,
    version="v",
)


@pytest.mark.parametrize(
    ("amount", "route", "channel", "why"),
    [
        (500, NOTHING, NOTHING, Why.FINE),
        (501, NOTHING, NOTHING, Why.PAYMENT_LIMIT),
        (400, Sum(1, 600), NOTHING, Why.FINE),
        (401, Sum(1, 600), NOTHING, Why.ROUTE_LIMIT),
        (1, Sum(9, 9), NOTHING, Why.FINE),
        (1, Sum(10, 10), NOTHING, Why.ROUTE_LIMIT),
        (400, Sum(1, 400), Sum(1, 400), Why.FINE),
        (401, Sum(1, 400), Sum(1, 400), Why.CHANNEL_LIMIT),
        (1, Sum(4, 4), Sum(4, 4), Why.FINE),
        (1, Sum(5, 5), Sum(5, 5), Why.CHANNEL_LIMIT),
    ],
)
def test_a_limit_is_in_the_way_from_the_first_minor_unit_above_it(
    amount: int, route: Sum, channel: Sum, why: Why
) -> None:
    """Up to the ceiling is allowed, and one above is not."""
    assert limit_in_the_way(POLICY, amount, route, channel) is why


def test_a_policy_that_is_off_says_so_before_any_limit() -> None:
    """An operator who looks for a limit would search in vain."""
    assert limit_in_the_way(replace(POLICY, enabled=False), 10**9, NOTHING, NOTHING) is Why.STANDIN_OFF


def test_a_ceiling_of_nothing_takes_nothing_and_no_ceiling_takes_all() -> None:
    """Zero is a limit; absent is none."""
    none = replace(POLICY, route=Ceiling(sum_max=None, count_max=0))
    free = replace(POLICY, route=NO_LIMIT, channel=NO_LIMIT, payment_max=10**15)
    assert limit_in_the_way(none, 1, NOTHING, NOTHING) is Why.ROUTE_LIMIT
    assert limit_in_the_way(free, 10**15, Sum(10**9, 10**18), Sum(10**9, 10**18)) is Why.FINE


def test_an_admitted_payment_passes_through_whatever_the_limits_say() -> None:
    """Limits are about our word, not about the core's."""
    decision = decide(admitted=True, policy=POLICY, amount=10**9, route=Sum(99, 10**9), channel=NOTHING)
    assert decision is PASS_THROUGH


def test_what_is_not_admitted_is_stood_in_for_or_comes_later_with_the_reason() -> None:
    """The reason is a metric's label."""
    assert decide(admitted=False, policy=POLICY, amount=500, route=NOTHING, channel=NOTHING) is STAND_IN
    turned_away = decide(admitted=False, policy=POLICY, amount=501, route=NOTHING, channel=NOTHING)
    assert turned_away == Decision(Way.TRY_LATER, Why.PAYMENT_LIMIT)


ceilings = st.builds(Ceiling, sum_max=st.none() | st.integers(0, 5_000), count_max=st.none() | st.integers(0, 20))
policies = st.builds(
    StandinPolicy,
    enabled=st.booleans(),
    payment_max=st.integers(1, 1_000),
    route=ceilings,
    channel=ceilings,
    checks=st.just("try_later"),
    answer_margin_s=st.just(1.0),
    version=st.just("v"),
)


@given(policies, st.lists(st.tuples(st.booleans(), st.integers(1, 1_200)), max_size=60))
def test_exposure_never_exceeds_a_ceiling(policy: StandinPolicy, payments: list[tuple[bool, int]]) -> None:
    """Whatever comes, by this channel or another on the same route."""
    route = channel = NOTHING
    for own, amount in payments:
        mine = policy if own else replace(policy, channel=NO_LIMIT)
        taken = decide(admitted=False, policy=mine, amount=amount, route=route, channel=channel).way is Way.STAND_IN
        more = Sum(taken, amount * taken)
        route, channel = route + more, channel + (more if own else NOTHING)
        assert _is_within(policy.route, route)
        assert _is_within(policy.channel, channel)
        assert not taken or (policy.enabled and amount <= policy.payment_max)


def _is_within(ceiling: Ceiling, exposed: Sum) -> bool:
    in_sum = ceiling.sum_max is None or exposed.amount <= ceiling.sum_max
    return in_sum and (ceiling.count_max is None or exposed.entries <= ceiling.count_max)
