"""The pace: one more per round of answers, half on trouble, slowly again after an outage."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.forward.pace import CLEAN_MIN, KEPT_FOR, LEVEL_MIN, Pace


def test_a_round_of_answers_raises_it_by_about_one() -> None:
    """Postfix's rule: each answer by 1/N, so the core sets the speed."""
    pace = Pace(100)
    limits = list[int]()
    for _ in range(4):
        for _ in range(pace.limit + 1):
            pace.succeeded()
        limits.append(pace.limit)
    assert limits == [3, 4, 5, 6]


def test_trouble_halves_it_and_one_may_always_go() -> None:
    """Were it nought, nobody would ever find out that the core is back."""
    pace = Pace(64)
    for _ in range(5_000):
        pace.succeeded()
    limits = [pace.limit]
    for _ in range(8):
        pace.failed()
        limits.append(pace.limit)
    assert limits == [64, 32, 16, 8, 4, 2, 1, 1, 1]


def test_after_an_outage_it_begins_slowly_again() -> None:
    """A core that just came back is not knocked down (P8)."""
    pace = Pace(64)
    for _ in range(5_000):
        pace.succeeded()
    pace.restart()
    assert pace.limit == 2


def test_a_ceiling_of_one_is_kept_from_the_beginning() -> None:
    """Some cores take one at a time."""
    pace = Pace(1)
    pace.succeeded()
    pace.restart()
    assert pace.limit == 1


def rounds_until(pace: Pace, limit: int) -> None:
    """Good answers, each to an attempt begun as the last of its round, until the pace is so high."""
    held = deque([pace.begun()])
    while pace.limit < limit:
        while len(held) < pace.limit:
            held.append(pace.begun())
        pace.succeeded(held.popleft())
    while held:
        pace.succeeded(held.popleft())


def burst(pace: Pace, level: int, failures: int) -> None:
    """So many attempts at once, of which the last ones fail."""
    attempts = [pace.begun() for _ in range(level)]
    for attempt in attempts[-failures:]:
        pace.failed(attempt)
    for attempt in attempts[:-failures]:
        pace.dropped()
        assert attempt.level <= level - failures


def test_trouble_above_what_is_proved_is_a_cliff_and_not_gone_over_again() -> None:
    """It fell at 22 at once, after 20 had been answered well; a little below that is where it stays."""
    pace = Pace(64)
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
    pace = Pace(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=1)
    pace.restart()
    learned = pace.learned
    assert learned is not None
    pace.restart()
    assert (pace.limit, pace.learned) == (2, learned)


def test_an_accident_is_no_cliff() -> None:
    """One failure halves it, and two rounds of good answers later it is forgotten."""
    pace = Pace(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=1)
    rounds_until(pace, 21)
    pace.restart()
    assert pace.learned is None


def test_an_outage_of_a_core_that_had_little_to_do_is_no_cliff() -> None:
    """It failed at fewer at once than it had been seen to bear: the load is not why."""
    pace = Pace(64)
    rounds_until(pace, 21)
    burst(pace, 5, failures=5)
    pace.restart()
    assert pace.learned is None


def test_trouble_at_what_is_proved_is_no_cliff() -> None:
    """The same load went well many times before: it has another reason."""
    pace = Pace(64)
    rounds_until(pace, 21)
    burst(pace, 15, failures=1)
    pace.restart()
    assert pace.learned is None


def test_trouble_of_a_handful_is_no_cliff() -> None:
    """So few at once knock nothing down, whatever was never tried before."""
    pace = Pace(64)
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
    pace = Pace(64)
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
    pace = Pace(64)
    rounds_until(pace, 4)
    burst(pace, 30, failures=30)
    pace.restart()
    assert pace.learned is None


def test_after_long_health_the_next_outage_s_end_finds_nothing_learned() -> None:
    """The core may be a stronger one by then."""
    pace = Pace(64)
    rounds_until(pace, 21)
    burst(pace, 26, failures=3)
    for _ in range(KEPT_FOR):
        pace.succeeded(pace.begun())
    assert pace.learned is not None
    pace.restart()
    assert pace.learned is None


@pytest.mark.parametrize("ceiling", [1, 2, 3, 32])
@given(told=st.lists(st.sampled_from(["succeeded", "failed", "restart"]), max_size=300))
def test_it_is_always_between_one_and_the_ceiling(ceiling: int, told: list[str]) -> None:
    """Whatever happens."""
    pace = Pace(ceiling)
    for word in told:
        getattr(pace, word)()
        assert 1 <= pace.limit <= ceiling
