"""Power cuts at every step of what the spool does: whatever was told is there, and nothing is half there.

`make powercut STATES=1000000` runs the same for as long as one likes.
"""

from typing import Final

import pytest

from tests.powercut import custody as keys
from tests.powercut.campaign import Plan, lives
from tests.powercut.kernel import Unfit, rounds
from tests.powercut.taped_driver import Habits

STATES: Final = 10_000
"""Of each of two chains of lives."""

KERNEL_ROUNDS: Final = 3


@pytest.mark.parametrize("seed", [1_001, 1_002])
def test_after_a_power_cut_whatever_was_told_is_there_and_nothing_is_half_there(seed: int) -> None:
    """P1: accepted, forwarded, settled, reversed, restarted; each of the later lives begins where a cut left one."""
    report = lives(Plan(seed, states_each_step=10))

    assert report.examples == ()
    assert report.states >= STATES
    assert report.distinct > STATES // 2
    assert report.came_up > 50


@pytest.mark.parametrize(
    ("habits", "lying"),
    [(Habits(lax=True), False), (Habits(rollback_journal=True), False), (Habits(), True)],
    ids=["synchronous=NORMAL", "Python's default journal", "a disk that lies"],
)
def test_the_same_cuts_show_loss_where_there_is_some(habits: Habits, lying: bool) -> None:  # noqa: FBT001 - a case
    """The controls: if these lost nothing, the others would prove nothing."""
    report = lives(Plan(1, habits, lying, lives=1, states_each_step=6, come_up_one_in=1 << 30))

    assert report.objections["lost"] > 100


def test_after_a_power_cut_every_record_is_opened_by_the_keys_that_are_left() -> None:
    """Keys made, changed, wrapped anew and destroyed, records sealed anew; files and spool lag behind as they like."""
    report = keys.lives(keys.Plan(1))

    assert report.examples == ()
    assert report.distinct > 1_000
    assert set(report.done) == {act.__name__ for act in keys.Custodian.ACTS}
    assert min(report.came_up, report.told) > 10


@pytest.mark.parametrize(
    ("plan", "shows"),
    [(keys.Plan(1, rounds=8, hasty=True), "unfit"), (keys.Plan(1, rounds=8, nameless=True), "closed")],
    ids=["key files that aren't synced", "names that aren't synced"],
)
def test_the_same_cuts_lock_records_up_where_keys_are_kept_carelessly(plan: keys.Plan, shows: str) -> None:
    """The controls."""
    assert keys.lives(plan).objections[shows] > 10


@pytest.mark.process
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_real_kernel_loses_nothing_that_was_told(kind: str) -> None:
    """A few rounds of `make powercut-kernel ROUNDS=200`: the model is not alone in saying so."""
    try:
        told = list(rounds(kind, KERNEL_ROUNDS))
    except Unfit as reason:
        pytest.skip(f"not on this machine: {reason}")

    assert [each.lost for each in told if each.lost] == []
    assert all(each.sound for each in told)
    assert sum(each.said for each in told) > KERNEL_ROUNDS
