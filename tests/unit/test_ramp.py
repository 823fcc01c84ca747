"""The ramp: one more per round of answers, half on trouble, slowly again after an outage, less when it slows down."""

from collections import deque
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.route.ramp import CLEAN_MIN, LEVEL_MIN, ROUND_MIN, START, Ramp

KEPT_S = 3600.0


class Begun(NamedTuple):
    """An attempt: the how many-th at once, and failures by then."""

    level: int
    failures: int


class Load:
    """A ramp, and what is at the core."""

    def __init__(self, ceiling: int, *, slow_start_s: float = 0.0) -> None:
        """Nothing is."""
        self.ramp = Ramp(ceiling, slow_start_s=slow_start_s, kept_s=KEPT_S)
        self.now = 0.0
        self.under_way = 0

    @property
    def limit(self) -> int:
        """The ramp's."""
        return self.ramp.limit

    @property
    def learned(self) -> int | None:
        """The ramp's."""
        return self.ramp.learned

    def begun(self) -> Begun:
        """One more goes."""
        self.under_way += 1
        self.ramp.begun(self.under_way)
        return Begun(self.under_way, self.ramp.failures)

    def dropped(self) -> None:
        """One ended without saying anything."""
        self.under_way -= 1

    def succeeded(self, begun: Begun | None = None, seconds: float = 0.0) -> None:
        """One was answered; which, doesn't matter where none is given."""
        self.under_way -= begun is not None
        attempt = begun or Begun(self.limit - 1, self.ramp.failures)
        self.ramp.succeeded(*attempt, self.now, seconds)

    def failed(self, begun: Begun | None = None, *, teaches: bool = True) -> None:
        """One was not."""
        self.under_way -= begun is not None
        self.ramp.failed(self.now, teaches=teaches)

    def restart(self) -> None:
        """An outage is over."""
        self.ramp.restart(self.now)


def test_a_round_of_answers_raises_it_by_about_one() -> None:
    """Postfix's rule: each answer by 1/N, so the core sets the speed."""
    pace = Load(100)
    limits = list[int]()
    for _ in range(4):
        for _ in range(pace.limit + 1):
            pace.succeeded()
        limits.append(pace.limit)
    assert limits == [3, 4, 5, 6]


def test_trouble_halves_it_and_one_may_always_go() -> None:
    """Were it nought, nobody would ever find out that the core is back."""
    pace = Load(64)
    for _ in range(5_000):
        pace.succeeded()
    limits = [pace.limit]
    for _ in range(8):
        pace.failed()
        limits.append(pace.limit)
    assert limits == [64, 32, 16, 8, 4, 2, 1, 1, 1]


def test_after_an_outage_it_begins_slowly_again() -> None:
    """A core that just came back is not knocked down (P8)."""
    pace = Load(64)
    for _ in range(5_000):
        pace.succeeded()
    pace.restart()
    assert pace.limit == 2


def test_a_ceiling_of_one_is_kept_from_the_beginning() -> None:
    """Some cores take one at a time."""
    pace = Load(1)
    pace.succeeded()
    pace.restart()
    assert pace.limit == 1


def rounds_until(pace: Load, limit: int) -> None:
    """Good answers, each to an attempt begun as the last of its round, until the pace is so high."""
    held = deque([pace.begun()])
    while pace.limit < limit:
        while len(held) < pace.limit:
            held.append(pace.begun())
        pace.succeeded(held.popleft())
    while held:
        pace.succeeded(held.popleft())


def burst(pace: Load, level: int, failures: int) -> None:
    """So many attempts at once, of which the last ones fail."""
    attempts = [pace.begun() for _ in range(level)]
    for attempt in attempts[-failures:]:
        pace.failed(attempt)
    for attempt in attempts[:-failures]:
        pace.dropped()
        assert attempt.level <= level - failures


def test_trouble_above_what_is_proved_is_a_cliff_and_not_gone_over_again() -> None:
    """It fell at 22 at once, after 20 had been answered well; a little below that is where it stays."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=3)
    assert pace.learned is not None
    assert 18 <= pace.learned <= 20
    rounds_until(pace, pace.learned)
    for _ in range(5_000):
        pace.succeeded(pace.begun())
    assert pace.limit == pace.learned


def test_what_was_learned_outlives_a_relapse() -> None:
    """The route opens for the fall, and closes again: slowly, and only up to there."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=1)
    pace.restart()
    learned = pace.learned
    assert learned is not None
    pace.restart()
    assert (pace.limit, pace.learned) == (2, learned)


def test_an_accident_is_no_cliff() -> None:
    """One failure halves it, and two rounds of good answers later it is forgotten."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=1)
    rounds_until(pace, 21)
    pace.restart()
    assert pace.learned is None


def test_an_outage_of_a_core_that_had_little_to_do_is_no_cliff() -> None:
    """It failed at fewer at once than it had been seen to bear: the load is not why."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 5, failures=5)
    pace.restart()
    assert pace.learned is None


def test_trouble_at_what_is_proved_is_no_cliff() -> None:
    """The same load went well many times before: it has another reason."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 15, failures=1)
    pace.restart()
    assert pace.learned is None


def test_trouble_of_a_handful_is_no_cliff() -> None:
    """So few at once knock nothing down, whatever was never tried before."""
    pace = Load(64)
    for _ in range(100):
        pace.succeeded(pace.begun())
    burst(pace, LEVEL_MIN - 1, failures=1)
    pace.restart()
    assert pace.learned is None
    for _ in range(100):
        pace.succeeded(pace.begun())
    burst(pace, LEVEL_MIN, failures=1)
    pace.restart()
    assert pace.learned is not None


def test_trouble_before_a_clean_run_is_no_cliff_and_after_it_is() -> None:
    """A clean run is so many good answers on end."""
    pace = Load(64)
    for answers in (CLEAN_MIN - 1, CLEAN_MIN):
        assert pace.learned is None
        pace.restart()
        for _ in range(answers):
            pace.succeeded(pace.begun())
        burst(pace, 30, failures=1)
        pace.restart()
    assert pace.learned is not None


def test_trouble_of_a_core_that_is_warming_up_is_no_cliff() -> None:
    """No clean run came before it, so it may have any reason."""
    pace = Load(64)
    rounds_until(pace, 4)
    burst(pace, 30, failures=30)
    pace.restart()
    assert pace.learned is None


def test_after_a_day_the_next_outage_s_end_finds_nothing_learned() -> None:
    """The core may be a stronger one by then."""
    pace = Load(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=3)
    pace.now = KEPT_S - 1
    pace.restart()
    assert pace.learned is not None
    pace.now = KEPT_S
    pace.restart()
    assert pace.learned is None


def test_a_core_that_was_not_there_has_no_cliff() -> None:
    """Connections refused are no matter of load, however high the ramp was."""
    pace = Load(64)
    rounds_until(pace, 21)
    attempts = [pace.begun() for _ in range(26)]
    for attempt in attempts:
        pace.failed(attempt, teaches=False)
    pace.restart()
    assert pace.learned is None


def test_the_ceiling_rises_in_a_straight_line_after_an_outage() -> None:
    """However fast the answers come: half of the way after half of the time."""
    pace = Load(102, slow_start_s=10.0)
    pace.restart()
    limits = list[int]()
    for now in (0.0, 2.5, 5.0, 10.0):
        pace.now = now
        for _ in range(20_000):
            pace.succeeded()
        limits.append(pace.limit)
    assert limits == [2, 27, 52, 102]


def steady(pace: Load, answers: int, seconds: float) -> None:
    """So many answers of the same time."""
    for _ in range(answers):
        pace.succeeded(seconds=seconds)


def test_a_core_that_slows_down_under_load_gets_less() -> None:
    """Its time doubles: three quarters and a root are left, round by round, where they meet."""
    pace = Load(200)
    steady(pace, 5_000, 0.1)
    assert pace.limit >= 90
    steady(pace, 5_000, 0.2)
    assert 14 <= pace.limit <= 24


def test_a_saturated_core_is_not_filled_up_with_a_queue() -> None:
    """Eight at once, 50 ms each, more only wait: the limit stays near what fills it, not at the ceiling."""
    pace = Load(256)
    for _ in range(20_000):
        pace.succeeded(seconds=0.05 * max(1.0, pace.limit / 8))
    assert 8 <= pace.limit <= 26


@pytest.mark.parametrize("seconds", [0.01, 0.14])
def test_times_that_are_usual_take_nothing_away(seconds: float) -> None:
    """The core's habit is 100 ms: a round that takes 140 is not of load's making, whatever the first rounds took."""
    pace = Load(200)
    pace.ramp.habit_s = 0.1
    steady(pace, ROUND_MIN, 0.01)
    steady(pace, 20_000, seconds)
    assert pace.limit == 200


def test_the_base_is_measured_anew_after_an_outage() -> None:
    """It came back slower for good: that is no trouble."""
    pace = Load(64)
    steady(pace, 5_000, 0.1)
    pace.restart()
    assert pace.limit == START
    steady(pace, 5_000, 0.5)
    assert pace.limit == 64


def test_a_ramp_is_full_at_its_ceiling_or_at_what_was_learned() -> None:
    """Then there is nothing more to come back to."""
    pace = Load(16)
    assert not pace.ramp.is_full
    rounds_until(pace, 16)
    assert pace.ramp.is_full


def test_what_is_noted_while_nothing_is_limited_proves_and_raises_nothing() -> None:
    """Live payments alone: the core is seen to bear twelve at once, and a fall above it is known for one."""
    ramp = Ramp(64)
    for _ in range(20):
        for level in range(1, 13):
            ramp.noted(level, ramp.failures)
    assert ramp.limit == 2
    ramp.begun(20)
    for _ in range(2):
        ramp.failed(1.0)
    ramp.noted(20, ramp.failures)
    ramp.failed(1.0)
    assert ramp.learned == 11


@pytest.mark.parametrize("ceiling", [1, 2, 3, 32])
@given(told=st.lists(st.sampled_from(["succeeded", "failed", "restart"]), max_size=300))
def test_it_is_always_between_one_and_the_ceiling(ceiling: int, told: list[str]) -> None:
    """Whatever happens."""
    pace = Load(ceiling)
    for word in told:
        pace.now += 0.1
        getattr(pace, word)()
        assert 1 <= pace.limit <= ceiling
