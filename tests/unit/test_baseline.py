"""What is learned of a core's times: right to a few per cent at any scale, slow to move, and the same after a restart."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.route.baseline import ENOUGH, FIRST_S, GROWTH, STEPS, Baseline, step_of, time_of

HOUR_S = 3600.0
times = st.floats(FIRST_S, 1000.0)


def learned(seconds: list[float], half_life_s: float = HOUR_S) -> Baseline:
    """A baseline that has seen these answers."""
    baseline = Baseline(half_life_s, 0.0)
    for each in seconds:
        baseline.add(each)
    baseline.learn(1.0)
    return baseline


@given(times)
def test_a_time_is_kept_to_a_tenth(seconds: float) -> None:
    """A step's own time is the longest that falls into it."""
    assert seconds <= time_of(step_of(seconds)) * (1 + 1e-6)
    assert time_of(step_of(seconds)) <= seconds * GROWTH * (1 + 1e-6)


@pytest.mark.parametrize(("seconds", "step"), [(0.0, 0), (FIRST_S / 2, 0), (FIRST_S, 0), (1e9, STEPS - 1)])
def test_what_is_off_the_scale_is_at_its_end(seconds: float, step: int) -> None:
    """Nothing is too quick or too slow to be counted."""
    assert step_of(seconds) == step


def test_a_few_answers_teach_nothing() -> None:
    """One less than enough."""
    assert learned([0.05] * (int(ENOUGH) - 1)).usual is None
    assert learned([0.05] * int(ENOUGH)).usual is not None


@given(st.lists(times, min_size=int(ENOUGH), max_size=300))
def test_the_usual_times_are_the_histories_own_to_a_tenth(seconds: list[float]) -> None:
    """Low, middle and high, beside those of the sorted list."""
    usual = learned(seconds).usual
    assert usual is not None
    ordered = sorted(seconds)
    wanted = [ordered[math.ceil(len(ordered) * mark) - 1] for mark in (0.1, 0.5, 0.99)]
    found = [usual.low_s, usual.median_s, usual.high_s]
    assert all(want <= got * (1 + 1e-6) for want, got in zip(wanted, found, strict=True))
    assert all(got <= want * GROWTH * (1 + 1e-6) for want, got in zip(wanted, found, strict=True))


def test_a_bad_quarter_of_an_hour_does_not_move_the_usual_best() -> None:
    """An hour at 20 ms, then fifteen minutes at two seconds: the low percentile stays where it was."""
    baseline = learned([0.02] * 3600)
    for minute in range(15):
        for _ in range(60):
            baseline.add(2.0)
        baseline.learn(60.0 * (minute + 1))
    assert baseline.usual is not None
    assert baseline.usual.low_s < 0.03


def test_a_core_that_became_slower_for_good_is_learned_anew() -> None:
    """After some half-lives the new times are the habit: what was is forgotten."""
    baseline = learned([0.02] * 3600)
    for hour in range(1, 8):
        for _ in range(3600):
            baseline.add(0.4)
        baseline.learn(HOUR_S * hour)
    assert baseline.usual is not None
    assert baseline.usual.low_s > 0.3


@given(st.lists(times, min_size=int(ENOUGH), max_size=200))
def test_what_was_learned_outlives_a_restart(seconds: list[float]) -> None:
    """The next run knows the same."""
    first = learned(seconds)
    assert Baseline(HOUR_S, 50.0, first.kept).usual == first.usual


def test_what_makes_no_sense_in_a_record_is_left_out() -> None:
    """The file is of another version, or somebody edited it."""
    kept = ((-1, 5.0), (STEPS, 5.0), (3, -1.0), (4, math.inf), (5, math.nan), (6, 200.0))
    baseline = Baseline(HOUR_S, 0.0, kept)
    assert baseline.kept == ((6, 200.0),)
