"""How long a limit lasts at the present rate: from what was held at two moments. Pure, and a short memory of moments."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from gateway.standin.policy import Ceiling
from spool.tally import NOTHING, Sum

SAMPLE_S: Final = 5.0
SAMPLES_MAX: Final = 60
"""Five minutes."""

Scope = tuple[str, str]
"""A route and a channel of it; an empty channel is the whole route."""


def full_in_s(before: Sum, now: Sum, took_s: float, ceiling: Ceiling) -> float | None:
    """Seconds until one of the two limits is reached, if it goes on so; None when it never is, 0 when it is."""
    ends = list[float]()
    for was, held, most in (
        (before.amount, now.amount, ceiling.sum_max),
        (before.entries, now.entries, ceiling.count_max),
    ):
        if most is None:
            continue
        if held >= most:
            return 0.0
        if held > was and took_s > 0:
            ends.append((most - held) * took_s / (held - was))
    return min(ends, default=None)


class Headroom:
    """What was held at some moments of the last minutes."""

    def __init__(self) -> None:
        self._samples = deque[tuple[float, Mapping[Scope, Sum]]](maxlen=SAMPLES_MAX)

    def note(self, at: float, held: Mapping[Scope, Sum]) -> None:
        """What is held at this monotonic time."""
        self._samples.append((at, held))

    def full_in_s(self, scope: Scope, at: float, now: Sum, ceiling: Ceiling) -> float | None:
        """How long the limits of a scope last at the rate of the last minutes."""
        if not self._samples:
            return full_in_s(now, now, 0.0, ceiling)
        first_at, held = self._samples[0]
        return full_in_s(held.get(scope, NOTHING), now, at - first_at, ceiling)
