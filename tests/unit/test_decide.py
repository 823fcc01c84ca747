"""The way of a payment: limits are exact to the last minor unit, and nothing adds up to more than a ceiling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.accept.decide import REFUSE, STAND_IN, Decision, Way, Why, decide, limit_in_the_way
from gateway.standin.facts import Facts, Standing
from gateway.standin.policy import UNBOUNDED, Ceiling, StandinPolicy, Terms
from spool.tally import NOTHING, Sum

NO_LIMIT = UNBOUNDED
TERMS = Terms(payment_max=500)
POLICY = StandinPolicy(
    enabled=True,
    terms=TERMS,
    route=Ceiling(sum_max=1_000, count_max=10),
    channel=Ceiling(sum_max=800, count_max=5),
    answer_margin_s=1.0,
    version="v",
)


def strict(**changes: Any) -> Terms:
    """Terms for which something has to be looked up."""
    return replace(TERMS, plain=False, **changes)


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
    assert limit_in_the_way(POLICY, TERMS, amount, (route, channel)) is why


def test_a_policy_that_is_off_says_so_before_any_limit() -> None:
    """An operator who looks for a limit would search in vain."""
    assert limit_in_the_way(replace(POLICY, enabled=False), TERMS, 10**9, (NOTHING, NOTHING)) is Why.STANDIN_OFF


def test_a_ceiling_of_nothing_takes_nothing_and_no_ceiling_takes_all() -> None:
    """Zero is a limit; absent is none."""
    none = replace(POLICY, route=Ceiling(sum_max=None, count_max=0))
    free, dear = replace(POLICY, route=NO_LIMIT, channel=NO_LIMIT), Terms(payment_max=10**15)
    assert limit_in_the_way(none, TERMS, 1, (NOTHING, NOTHING)) is Why.ROUTE_LIMIT
    assert limit_in_the_way(free, dear, 10**15, (Sum(10**9, 10**18), Sum(10**9, 10**18))) is Why.FINE


def test_what_is_not_admitted_is_stood_in_for_or_comes_later_with_the_reason() -> None:
    """The reason is a metric's label."""
    assert decide(POLICY, TERMS, 500, (NOTHING, NOTHING)) is STAND_IN
    assert decide(POLICY, TERMS, 501, (NOTHING, NOTHING)) == Decision(Way.TRY_LATER, Why.PAYMENT_LIMIT)


def test_a_rule_may_say_no_for_ever_or_for_now() -> None:
    """Whatever the amount."""
    never, later = Terms(payment_max=500, answer="refuse"), Terms(payment_max=500, answer="try_later")
    assert decide(POLICY, never, 1, (NOTHING, NOTHING)) is REFUSE
    assert decide(POLICY, later, 1, (NOTHING, NOTHING)) == Decision(Way.TRY_LATER, Why.RULE)


def test_a_policy_that_is_off_refuses_nobody() -> None:
    """Its rules are off as well: a final no is never said by accident."""
    never = Terms(payment_max=500, answer="refuse")
    off = decide(replace(POLICY, enabled=False), never, 1, (NOTHING, NOTHING))
    assert off == Decision(Way.TRY_LATER, Why.STANDIN_OFF)


@pytest.mark.parametrize(
    ("terms", "facts", "why"),
    [
        (strict(outage_max_s=60), Facts(outage_s=60.0), Why.FINE),
        (strict(outage_max_s=60), Facts(outage_s=60.1), Why.OUTAGE_LIMIT),
        (strict(known_accounts_only=True), Facts(standing=Standing.KNOWN), Why.FINE),
        (strict(known_accounts_only=True), Facts(), Why.UNKNOWN_ACCOUNT),
        (strict(known_accounts_only=True), Facts(standing=Standing.DENIED), Why.DENIED_ACCOUNT),
        (TERMS, Facts(standing=Standing.DENIED), Why.DENIED_ACCOUNT),
        (TERMS, Facts(standing=Standing.UNKNOWN), Why.FINE),
    ],
)
def test_what_is_known_of_account_and_outage_decides_where_terms_ask_for_it(
    terms: Terms, facts: Facts, why: Why
) -> None:
    """The negative list counts for everybody."""
    assert limit_in_the_way(POLICY, terms, 1, (NOTHING, NOTHING), facts) is why


def test_what_nobody_looked_up_is_not_taken_for_known() -> None:
    """A slip of ours must not stand in for strangers."""
    assert limit_in_the_way(POLICY, strict(known_accounts_only=True), 1, (NOTHING, NOTHING)) is Why.UNKNOWN_ACCOUNT


ceilings = st.builds(Ceiling, sum_max=st.none() | st.integers(0, 5_000), count_max=st.none() | st.integers(0, 20))
policies = st.builds(
    StandinPolicy,
    enabled=st.booleans(),
    terms=st.builds(Terms, payment_max=st.integers(1, 1_000)),
    route=ceilings,
    channel=ceilings,
    answer_margin_s=st.just(1.0),
    version=st.just("v"),
)


@given(policies, st.lists(st.tuples(st.booleans(), st.integers(1, 1_200)), max_size=60))
def test_exposure_never_exceeds_a_ceiling(policy: StandinPolicy, payments: list[tuple[bool, int]]) -> None:
    """Whatever comes, by this channel or another on the same route."""
    route = channel = NOTHING
    for own, amount in payments:
        mine = policy if own else replace(policy, channel=NO_LIMIT)
        taken = decide(mine, mine.terms, amount, (route, channel)) is STAND_IN
        more = Sum(taken, amount * taken)
        route, channel = route + more, channel + (more if own else NOTHING)
        assert _is_within(policy.route, route)
        assert _is_within(policy.channel, channel)
        assert not taken or (policy.enabled and amount <= policy.terms.payment_max)


def _is_within(ceiling: Ceiling, exposed: Sum) -> bool:
    in_sum = ceiling.sum_max is None or exposed.amount <= ceiling.sum_max
    return in_sum and (ceiling.count_max is None or exposed.entries <= ceiling.count_max)
