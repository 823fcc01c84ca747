"""When nothing waits any more: right by how it goes, honest about what isn't known."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.forward.estimate import LEAST, SAMPLES, SAMPLES_MIN, Flow


def watched(seconds: int, came: int, went: int, waiting: int) -> Flow:
    """A flow that was looked at each second; so many wait at the end of it."""
    flow = Flow()
    before = waiting - seconds * (came - went)
    for second in range(seconds + 1):
        flow.look(float(second), before + second * (came - went), second * went)
    return flow


def test_it_is_what_waits_by_how_fast_it_shrinks() -> None:
    """Ten come a second and thirty go: a thousand are gone in fifty seconds, give or take a twentieth."""
    estimate = watched(30, 10, 30, 1000).estimate(1000)
    assert (estimate.rate_in, estimate.rate_out, estimate.empty_s) == (10.0, 30.0, 50.0)
    assert estimate.low_s == pytest.approx(50 / (1 + LEAST))
    assert estimate.high_s == pytest.approx(50 / (1 - LEAST))


@pytest.mark.parametrize(("came", "went"), [(30, 30), (30, 10)])
def test_it_never_ends_while_as_many_come_as_go(came: int, went: int) -> None:
    """That is told, not a large number."""
    assert watched(30, came, went, 1000).estimate(1000).empty_s == math.inf


def test_nothing_is_known_before_a_few_samples() -> None:
    """Nor after the route opened or closed: then it begins anew."""
    assert watched(SAMPLES_MIN - 1, 0, 10, 100).estimate(100).empty_s == math.inf
    flow = watched(30, 0, 10, 100)
    assert flow.estimate(100).empty_s == 10.0
    flow.begin_anew()
    assert (flow.estimate(100).empty_s, flow.is_due(30.0)) == (math.inf, True)


def test_it_is_due_each_second() -> None:
    """More often costs, and says less."""
    flow = Flow()
    assert flow.is_due(0.0)
    flow.look(0.0, 0, 0)
    assert (flow.is_due(0.9), flow.is_due(1.0)) == (False, True)


def test_an_empty_backlog_is_empty_now() -> None:
    """Whatever the rates are."""
    estimate = watched(10, 5, 5, 0).estimate(0)
    assert (estimate.empty_s, estimate.low_s, estimate.high_s) == (0.0, 0.0, 0.0)


def test_what_was_longer_ago_is_forgotten() -> None:
    """A ramp that has ended is no excuse."""
    flow = watched(60, 0, 1, 100_000)
    for second in range(61, 61 + SAMPLES):
        flow.look(float(second), 100_000 - 50 * (second - 60), 60 + 50 * (second - 60))
    assert flow.estimate(1000).rate_out == 50.0


@given(st.integers(1, 200), st.integers(0, 150), st.integers(0, 1000))
def test_its_ends_lie_around_its_middle(went: int, came: int, seed: int) -> None:
    """Whatever chance does to the samples."""
    chance = Random(seed)  # noqa: S311 - repeatable on purpose
    flow, waiting, finished = Flow(), 100_000, 0
    for second in range(40):
        flow.look(float(second), waiting, finished)
        gone = chance.randrange(2 * went + 1)
        waiting, finished = waiting - gone + chance.randrange(2 * came + 1), finished + gone
    estimate = flow.estimate(waiting)
    assert estimate.low_s <= estimate.empty_s <= estimate.high_s


def test_the_end_is_within_its_ends_nine_times_in_ten() -> None:
    """A hundred drains at a rate that chance moves: half way through, the true end lies between low and high."""
    within = 0
    for seed in range(100):
        chance = Random(seed)  # noqa: S311 - repeatable on purpose
        left, finished, second = 6_000, 0, 0
        flow, told = Flow(), (0.0, 0.0)
        while left > 0:
            flow.look(float(second), left, finished)
            told = told if left < 3_000 else (second + flow.estimate(left).low_s, second + flow.estimate(left).high_s)
            gone = chance.randrange(60, 140)
            left, finished, second = left - gone, finished + gone, second + 1
        within += told[0] <= second <= told[1]
    assert within >= 90
