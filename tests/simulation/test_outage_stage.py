"""The brain on the stage of bench/outages: every kind of outage is known soon, answered through, drained, and not repeated."""

from typing import Any

import pytest

from adapters.outcome import Posted
from bench.outages.rules import FAULTS, RULES, Nightsafe
from bench.outages.stage import OUTAGE_S, SAFE, SERVICE_S, WARM_S, Core, Done, Play

KNOWN_WITHIN_S = {"refused": 0.5, "errors": 1.0, "hangs": 1.0, "slow": 1.0}
COLD = 10.0
"""So many times its usual time a core takes that has just come back ..."""

HALF_WARM_S = 30.0
"""... and half of the rest so much later."""


@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_is_known_answered_through_and_drained(fault: str) -> None:
    """Twenty payments a second for ten minutes; then a core with a cliff, which is not pushed over: it bore eight before."""
    outcome = Play("Nightsafe", RULES["Nightsafe"], fault).run()
    assert outcome.positive == 1.0
    assert outcome.detected_s <= KNOWN_WITHIN_S[fault]
    assert outcome.drained_s < 180
    assert outcome.estimate_error < 0.2
    assert outcome.falls == 0


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("rate", [14.0, 20.0, 50.0])
def test_a_core_that_hangs_is_known_within_a_second(rate: float, seed: int) -> None:
    """As soon as five payments have come and the first has waited for half a second; at seven a second and fewer it takes longer."""
    assert Play("Nightsafe", RULES["Nightsafe"], "hangs", seed=seed, rate=rate).known_s() <= 1.0


class SlowCore(Core):
    """Back from an outage it is cold and warms up slowly; and above so many at once each takes longer for it."""

    def _serve(self, done: Done) -> None:
        self.load += 1
        back_s = self._events.monotonic() - WARM_S - OUTAGE_S
        cold = 1.0 + (COLD - 1.0) * 0.5 ** (back_s / HALF_WARM_S) if back_s > 0 else 1.0
        seconds = SERVICE_S * cold * max(1.0, self.load / SAFE)

        def served() -> None:
            self.load -= 1
            self.booked += 1
            done(Posted(), seconds)

        self._events.after(seconds, served)


def test_a_core_that_decays_slowly_is_not_pushed_into_a_relapse() -> None:
    """Cold after the outage, and slower the more it has: once back the route stays closed, and all is drained."""
    ours = list[Any]()

    def make(events: Any, core: Any) -> Any:
        ours.append(Nightsafe(events, core))
        return ours[0]

    outcome = Play("Nightsafe", make, "refused", core=SlowCore).run()
    assert (outcome.positive, sum(ours[0].health.counts.trips.values())) == (1.0, 1)
    assert outcome.drained_s < 300
