"""What HTTP itself says: Retry-After, statuses, and the address of a core."""

import pytest

from adapters.cores.http_answer import RETRY_AFTER_S_MAX, HttpAnswer, retry_after_s
from adapters.cores.status import status_failure
from adapters.outcome import Cause, Misconfigured, NotSent, Unknown


class TestRetryAfter:
    """When to come back, without a clock of our own."""

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry-After": "120"}, 120.0),
            ({"Retry-After": " 0 "}, 0.0),
            ({"Retry-After": "99999999"}, float(RETRY_AFTER_S_MAX)),
            ({"Retry-After": "9" * 5000}, float(RETRY_AFTER_S_MAX)),
            ({"Retry-After": "-5"}, 0.0),
            ({"Retry-After": "1.5"}, 0.0),
            ({"Retry-After": "soon"}, 0.0),
            ({"Retry-After": "\u0665"}, 0.0),
            ({"Retry-After": ""}, 0.0),
            ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
            ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
            ({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ],
    )
    def test_seconds_and_dates_are_read(self, headers: dict[str, str], seconds: float) -> None:
        """A date counts from the answer's own date, so a core with a wrong clock is still understood."""
        assert retry_after_s(headers) == seconds


class TestStatus:
    """Statuses by themselves, where no rule says more."""

    @pytest.mark.parametrize("status", range(200, 300))
    def test_a_2xx_leaves_it_to_the_body(self, status: int) -> None:
        """A status alone books nothing."""
        assert status_failure(HttpAnswer(status=status, body=b"")) is None

    @pytest.mark.parametrize("status", range(300, 600))
    def test_only_429_is_not_sent_by_itself(self, status: int) -> None:
        """A 503 becomes so by contract only, and none is a refusal."""
        outcome = status_failure(HttpAnswer(status=status, body=b"", retry_after_s=1.0))
        assert isinstance(outcome, NotSent | Unknown | Misconfigured)
        assert isinstance(outcome, NotSent) is (status == 429)

    def test_credentials_are_told_apart_from_a_wrong_path(self) -> None:
        """Different people repair them."""
        assert status_failure(HttpAnswer(status=403, body=b"")) == Misconfigured(
            cause=Cause.CREDENTIALS, detail="status 403"
        )
        assert status_failure(HttpAnswer(status=405, body=b"")) == Misconfigured(
            cause=Cause.CONTRACT, detail="status 405"
        )
