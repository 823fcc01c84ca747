"""The machine's clock, as the service takes it: it may be moved, and time goes on as it did."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.clock import SystemClock

SECOND_NS: Final = 1_000_000_000
HOUR_S: Final = 3_600
YEAR_S: Final = 365 * 24 * HOUR_S
START_NS: Final = 1_767_225_600 * SECOND_NS


class Machine:
    """A machine's two clocks; a person may move the one on the wall."""

    def __init__(self) -> None:
        """Up for a while."""
        self.wall_ns = START_NS
        self.monotonic_ns = 77 * SECOND_NS
        self.clock = SystemClock(lambda: self.wall_ns, lambda: self.monotonic_ns)

    def passes(self, seconds: float) -> float:
        """Let time go on; the seconds the service saw go by."""
        before_us = self.clock.now_us()
        self.monotonic_ns += round(seconds * SECOND_NS)
        self.wall_ns += round(seconds * SECOND_NS)
        return (self.clock.now_us() - before_us) / 1_000_000

    def moved(self, seconds: float) -> None:
        """Move the clock on the wall."""
        self.wall_ns += round(seconds * SECOND_NS)


@pytest.fixture
def machine() -> Machine:
    """A machine with the right time."""
    return Machine()


def test_time_begins_with_the_machine_and_goes_on_with_it(machine: Machine) -> None:
    """Undisturbed, it is the time on the wall."""
    machine.passes(YEAR_S)
    assert machine.clock.now_us() == machine.wall_ns // 1000


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S, YEAR_S, -YEAR_S])
def test_a_moved_clock_moves_no_time(machine: Machine, seconds: int) -> None:
    """Or "not there" would be believed before the core has settled, a key be thought alive, a wait last a year."""
    machine.moved(seconds)
    assert machine.passes(10.0) == pytest.approx(10.0, rel=0.0101)


def test_a_small_correction_is_followed_to_its_end(machine: Machine) -> None:
    """A time server knows better, and its corrections are small."""
    machine.moved(0.2)
    machine.passes(20.0)
    assert machine.clock.now_us() == machine.wall_ns // 1000


def test_a_restart_takes_the_time_as_it_is(machine: Machine) -> None:
    """Somebody who set a wrong clock right gets right records by restarting the service."""
    machine.moved(-YEAR_S)
    again = SystemClock(lambda: machine.wall_ns, lambda: machine.monotonic_ns)
    assert again.now_us() == machine.wall_ns // 1000


def test_a_moved_clock_is_told_of_once_for_each_move(machine: Machine) -> None:
    """An operator must know that the records' times differ from the machine's; once, not at each payment."""
    with capture_logs() as said:
        machine.moved(HOUR_S)
        for _ in range(50):
            machine.passes(0.1)
        machine.moved(-HOUR_S)
        machine.passes(0.1)
    assert [event["event"] for event in said] == ["clock_moved", "clock_moved"]
    assert [event["machine_is_ahead_s"] for event in said] == pytest.approx([3600.0, 0.0], abs=0.1)


@given(st.lists(st.tuples(st.floats(-YEAR_S, YEAR_S), st.floats(0, 100)), max_size=30))
def test_time_never_goes_back(moves: list[tuple[float, float]]) -> None:
    """Whatever is done to the clock on the wall: numbers, histories and ages rise."""
    machine = Machine()
    for seconds, passing in moves:
        machine.moved(seconds)
        assert passing * 0.98 - 0.001 <= machine.passes(passing) <= passing * 1.02 + 0.001


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S, 3, -3])
def test_the_time_of_whoever_is_followed_is_taken_at_once_and_then_kept_to(machine: Machine, seconds: int) -> None:
    """Nodes write times that others read: they go by one clock, whatever their machines say."""
    with capture_logs() as logs:
        machine.clock.follow((machine.wall_ns + seconds * SECOND_NS) // 1000)
        machine.passes(100.0)

    assert machine.clock.now_us() == (machine.wall_ns + seconds * SECOND_NS) // 1000
    assert [(each["event"], each["machine_is_ahead_s"]) for each in logs] == [("clock_apart", -seconds)]


def test_whoever_is_followed_and_moved_moves_no_time(machine: Machine) -> None:
    """Another server of the database may have another time; time goes on, and comes nearer to it."""
    machine.clock.follow(machine.wall_ns // 1000)
    machine.clock.follow(machine.wall_ns // 1000 + HOUR_S * 1_000_000)

    assert machine.passes(10.0) == pytest.approx(10.1, rel=0.001)
    machine.clock.follow(machine.wall_ns // 1000 - HOUR_S * 1_000_000)
    assert machine.passes(10.0) == pytest.approx(9.9, rel=0.001)
