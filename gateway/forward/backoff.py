"""How long an account waits after a failure of its own: full jitter under a doubling cap, by tenacity's strategies.

tenacity's wait objects are pure functions of the attempt's number. Its ready-made random strategies draw from the
global generator; here the cap is tenacity's and the draw comes in by the clock's door. `wait_exponential_jitter` is not
used on purpose: at its maximum every wait is equal, and a herd goes together.
"""

from typing import cast

from tenacity import RetryCallState, wait_exponential


class Backoff:
    """Waits between attempts of one entry."""

    def __init__(self, first_s: float, max_s: float) -> None:
        """At most `first_s` seconds after the first failure, doubling up to `max_s`."""
        self._first_s, self._max_s = first_s, max_s
        self._cap = wait_exponential(multiplier=first_s, max=max_s)

    def wait_s(self, attempt: int, fraction: float) -> float:
        """Seconds to wait after attempt number `attempt` (from 1), given a draw from [0, 1)."""
        state = RetryCallState(retry_object=cast("object", None), fn=None, args=(), kwargs={})  # type: ignore[arg-type]  # the strategy reads only the attempt's number
        state.attempt_number = max(1, attempt)
        return self._cap(state) * fraction

    def ask_again_s(self, waited_s: float, fraction: float) -> float:
        """Seconds until an entry in doubt is asked about again, when it waited `waited_s` for this time.

        Inquiries aren't counted, so the last wait stands for their number: up to three times as long as that, from the
        first wait on (decorrelated jitter, AWS Architecture Blog, "Exponential Backoff And Jitter").
        """
        cap_s = min(self._max_s, max(self._first_s, 3 * waited_s))
        return self._first_s + (cap_s - self._first_s) * fraction
