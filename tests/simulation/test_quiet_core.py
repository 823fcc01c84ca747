"""A core with one error in a hundred and a heavy tail of times is never taken for down (the whole day: `make outages`)."""

import pytest

from bench.outages.quiet import QUICK, USUAL, Times, quiet


@pytest.mark.parametrize(("times", "hung_s"), [(USUAL, 1.0), (QUICK, 0.5)], ids=["usual", "quick"])
def test_a_core_that_is_well_is_never_taken_for_down(times: Times, hung_s: float) -> None:
    """Half an hour of it here; what it turns aside softly is less than one payment in a thousand."""
    seen = quiet(hours=0.5, seed=7, times=times)
    assert seen.payments > 8_000
    assert seen.errors > 50
    assert (seen.openings, seen.aside * 1000 <= seen.payments, seen.hung_s) == (0, True, hung_s)
