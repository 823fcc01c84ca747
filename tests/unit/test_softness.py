"""The soft zone's curve, and what a core's own habit calls sluggish."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.route.baseline import Usual
from gateway.route.record import PauseKept
from gateway.route.settings import BreakerSettings
from gateway.route.softness import KEEP_S, LEARN_S, PAUSE_KEPT_US, Habit, share, sluggish_after_s
from gateway.route.window import Figures
from tests.unit.test_window import QUIET, SETTINGS


def seen(calls: int, **bad: int) -> Figures:
    """A window with so many calls, some of them bad."""
    return QUIET._replace(calls=calls, **bad)


@pytest.mark.parametrize(
    ("figures", "passes"),
    [
        (seen(100), 1.0),
        (seen(100, failed=15), 1.0),
        (seen(100, failed=32), 1 - 20 / 101),
        (seen(100, failed=9, slow=9, sluggish=14), 1 - 20 / 101),
        (seen(90, failed=22, overdue=10), 1 - 20 / 101),
        (seen(19, failed=19), 1.0),
        (seen(20, failed=4), 1.0),
        (seen(100, failed=100), 0.2),
    ],
)
def test_the_share_follows_envoys_curve(figures: Figures, passes: float) -> None:
    """By hand: 32 bad of 100 are 68 good, which at 0.85 speak for 80 calls; 20 of 101 are turned aside."""
    assert share(figures, SETTINGS) == pytest.approx(passes)


@given(st.integers(1, 200), st.integers(0, 200), st.floats(0.1, 10))
def test_more_trouble_never_lets_more_through_and_some_always_pass(calls: int, bad: int, aggression: float) -> None:
    """The curve only falls, from 1 to what is always left to come back by."""
    settings = BreakerSettings(soft_aggression=aggression)
    bad = min(bad, calls)
    here = share(seen(calls, failed=bad), settings)
    assert 1 - settings.soft_aside_max <= here + 1e-9
    assert here <= share(seen(calls, failed=max(0, bad - 1)), settings)
    assert here <= 1.0


@pytest.mark.parametrize(
    ("usual", "after_s"),
    [
        (Usual(0.02, 0.03, 0.05), 0.5),
        (Usual(0.2, 0.3, 0.9), 1.0),
        (Usual(0.2, 0.3, 2.5), 2.5),
    ],
)
def test_sluggish_is_five_times_the_usual_best_and_never_within_the_usual_worst(usual: Usual, after_s: float) -> None:
    """Nor below what nobody minds."""
    assert sluggish_after_s(usual, SETTINGS) == pytest.approx(after_s)


def test_a_habit_is_read_each_second_and_kept_each_minute() -> None:
    """Reading costs a walk through the histogram: not at each answer."""
    habit = Habit(SETTINGS, 0.0, ())
    for _ in range(200):
        habit.add(0.3)
    assert not habit.look(LEARN_S / 2, 0)
    assert habit.sluggish_s == math.inf
    assert not habit.look(LEARN_S, 0)
    assert 1.5 <= habit.sluggish_s <= 1.65
    assert habit.look(KEEP_S, 0)
    assert not habit.look(KEEP_S + LEARN_S, 0)


def test_what_is_kept_is_known_at_once_after_a_restart() -> None:
    """The first sluggish answer of a new run is seen as one."""
    habit = Habit(SETTINGS, 0.0, ())
    for _ in range(200):
        habit.add(0.3)
    habit.look(LEARN_S, 0)
    assert Habit(SETTINGS, 0.0, habit.kept).sluggish_s == habit.sluggish_s


def test_a_pause_of_the_longests_kind_keeps_it_in_mind_and_a_short_one_does_not() -> None:
    """A long one of yesterday is over where only short ones follow."""
    habit = Habit(SETTINGS, 0.0, ())
    habit.paused(0.9, 0)
    habit.paused(0.75, 1)
    habit.paused(0.5, 2)
    assert habit.pause == PauseKept(at_us=1, seconds=0.9)
    habit.paused(0.5, 1 + PAUSE_KEPT_US)
    assert habit.pause == PauseKept(at_us=1 + PAUSE_KEPT_US, seconds=0.5)
