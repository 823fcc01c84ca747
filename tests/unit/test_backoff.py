"""How long an account waits after failures of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.forward.backoff import Backoff

fractions = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("attempt", "cap_s"), [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (7, 60.0), (1_000, 60.0), (10_000, 60.0)]
)
def test_the_cap_doubles_up_to_the_longest(attempt: int, cap_s: float) -> None:
    """Half a draw is half the cap; no attempt's number is too large."""
    assert Backoff(1.0, 60.0).wait_s(attempt, 0.5) == cap_s / 2


@given(st.integers(0, 10_000), fractions)
def test_jitter_is_full(attempt: int, fraction: float) -> None:
    """Anywhere from nothing to the cap, at the cap too: a herd must not go together."""
    wait_s = Backoff(1.0, 60.0).wait_s(attempt, fraction)
    assert 0 <= wait_s <= 60.0
    assert Backoff(1.0, 60.0).wait_s(attempt, 0.0) == 0


@given(st.floats(0, 10**6), fractions)
def test_an_inquiry_is_asked_again_between_the_first_wait_and_three_times_the_last(
    waited_s: float, fraction: float
) -> None:
    """Decorrelated jitter: it grows without a count, and ends at the longest."""
    wait_s = Backoff(1.0, 60.0).ask_again_s(waited_s, fraction)
    assert 1.0 <= wait_s <= min(60.0, max(1.0, 3 * waited_s))


def test_a_first_wait_above_the_longest_is_cut() -> None:
    """A configuration may say so; the longest is the longest."""
    assert Backoff(10.0, 5.0).wait_s(1, 0.5) == 2.5
