"""When a commit waits for company."""

import pytest

from spool.sqlite.gathering import BUSY_FROM, WAIT_S, WITHIN, Gathering


def after(carried: int, waiting: int = 0) -> Gathering:
    """A commit with so many works has ended at 100 s."""
    gathering = Gathering()
    gathering.ended(carried, waiting, 100.0)
    return gathering


def test_before_any_commit_nobody_is_waited_for() -> None:
    """There is nobody who could come back."""
    assert Gathering().wanted(0.0) == 0


@pytest.mark.parametrize(("carried", "waiting", "wanted"), [(16, 0, 12), (64, 0, 48), (32, 32, 56)])
def test_under_load_most_of_those_answered_are_waited_for_beside_those_who_wait(
    carried: int, waiting: int, wanted: int
) -> None:
    """Not all: one client who left would cost every commit the whole wait."""
    assert after(carried, waiting).wanted(100.0) == wanted


def test_without_load_nobody_is_waited_for() -> None:
    """It would only make a quiet spool slower."""
    assert after(BUSY_FROM - 1, waiting=3).wanted(100.0) == 0


def test_those_answered_are_expected_for_a_moment_only() -> None:
    """Who hasn't come by then comes on his own."""
    gathering = after(64)
    assert gathering.wanted(100.0 + WITHIN * WAIT_S / 2) == 48
    assert gathering.wanted(100.0 + 2 * WITHIN * WAIT_S) == 0
