"""How urgent money that is owed back is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.returns.duty import Stage, stage_of
from gateway.returns.settings import ReturnSettings

US = 1_000_000
SETTINGS = ReturnSettings(late_after_s=100, overdue_after_s=300)


@pytest.mark.parametrize(
    ("owed_s", "stage"),
    [
        (0, Stage.DUE),
        (99, Stage.DUE),
        (100, Stage.LATE),
        (299, Stage.LATE),
        (300, Stage.OVERDUE),
        (10**9, Stage.OVERDUE),
    ],
)
def test_a_return_grows_more_urgent_with_time(owed_s: int, stage: Stage) -> None:
    """By the operator's two limits."""
    assert stage_of(5 * US, (5 + owed_s) * US, SETTINGS) is stage


def test_a_clock_set_back_makes_nothing_less_than_due() -> None:
    """It is owed whatever the clock says."""
    assert stage_of(500 * US, 1 * US, SETTINGS) is Stage.DUE


@given(refused=st.integers(0, 10**15), now=st.integers(0, 10**15), later=st.integers(0, 10**15))
def test_no_return_ever_becomes_less_urgent(refused: int, now: int, later: int) -> None:
    """Time only adds."""
    order = list(Stage)
    assert order.index(stage_of(refused, now + later, SETTINGS)) >= order.index(stage_of(refused, now, SETTINGS))


def test_late_is_not_after_overdue() -> None:
    """Such limits are a slip of the pen."""
    with pytest.raises(ValidationError, match="late_after_s must not exceed overdue_after_s"):
        ReturnSettings(late_after_s=301, overdue_after_s=300)
