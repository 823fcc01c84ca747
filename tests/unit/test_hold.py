"""How long claims are surely a node's own: by time that passes whatever stands still."""

import time

from spool.postgres.hold import Hold, unstopped


def test_it_lasts_as_long_as_the_lease_that_was_begun_at_a_moment() -> None:
    """Counted from before the renewal was asked for: how long that took, nobody knows."""
    times = [100.0]
    hold = Hold(5.0, lambda: times[-1])
    assert not hold.lasts()

    hold.renew(hold.now() - 1.0)
    assert (hold.lasts(), hold.left_s) == (True, 4.0)

    times.append(104.0)
    assert not hold.lasts()

    hold.renew(hold.now())
    hold.lose()
    assert not hold.lasts()


def test_it_goes_by_the_clock_that_passes_while_the_machine_sleeps() -> None:
    """A machine that slept over the end of its lease must not take its claims for its own when it wakes."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = unstopped()

    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)
