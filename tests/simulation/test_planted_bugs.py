"""The simulation finds what it is there to find: each guard taken out shows, here within a few seeds."""

from typing import Final

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.simulate import found_at

QUICK: Final = (
    "AnswersBeforeTheCommit",
    "TakesAKnownKeyAnew",
    "ForgetsWhatWasInFlight",
    "CallsEveryLaneClear",
    "SendsAgainWhatWasInFlight",
    "SaysNoWhenUnsure",
    "BelievesInDedupe",
    "CallsSilenceANo",
    "CallsRefusedTold",
    "NamesAccounts",
    "CountsWhatNobodyWroteDown",
)
"""Found within the first few seeds; `make planted` looks for all, each within a thousand."""


@pytest.mark.parametrize("bug", QUICK)
def test_a_planted_bug_is_found(bug: str) -> None:
    """A judge that never says no proves nothing."""
    assert found_at(bug, seeds=50) is not None


def test_there_are_twenty_planted_bugs_at_least() -> None:
    """Each in another place."""
    assert len(BUGS) >= 20
