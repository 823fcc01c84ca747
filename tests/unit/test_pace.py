"""The pace: one more per round of answers, half on trouble, slowly again after an outage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.forward.pace import Pace


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


@pytest.mark.parametrize("ceiling", [1, 2, 3, 32])
@given(told=st.lists(st.sampled_from(["succeeded", "failed", "restart"]), max_size=300))
def test_it_is_always_between_one_and_the_ceiling(ceiling: int, told: list[str]) -> None:
    """Whatever happens."""
    pace = Pace(ceiling)
    for word in told:
        getattr(pace, word)()
        assert 1 <= pace.limit <= ceiling
