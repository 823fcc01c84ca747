"""The brain on the stage of bench/outages: every kind of outage is known soon, answered through, drained, and not repeated."""

import pytest

from bench.outages.rules import FAULTS, RULES
from bench.outages.stage import Play

KNOWN_WITHIN_S = {"refused": 0.5, "errors": 1.0, "hangs": 1.5, "slow": 1.5}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_is_known_answered_through_and_drained(fault: str) -> None:
    """Twenty payments a second for ten minutes; then a core with a cliff, which is pushed over once at most, to find it."""
    outcome = Play("Nightsafe", RULES["Nightsafe"], fault).run()
    assert outcome.positive == 1.0
    assert outcome.detected_s <= KNOWN_WITHIN_S[fault]
    assert outcome.drained_s < 150
    assert outcome.estimate_error < 0.2
    assert outcome.falls <= 1
