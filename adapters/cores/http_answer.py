"""A core's answer as read from the wire, and when it says to come back."""

import datetime as dt
import email.utils
from collections.abc import Mapping
from typing import Final

import msgspec

RETRY_AFTER_S_MAX: Final = 86_400
"""A core that asks for more than a day is asked again after one."""

_SECONDS_DIGITS_MAX: Final = 9


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer. Its body may hold personal data."""

    status: int
    #: Empty when the answer was too long to be read.
    body: bytes
    too_long: bool = False
    #: From `Retry-After`, at most `RETRY_AFTER_S_MAX`; 0 when the core named no time.
    retry_after_s: float = 0.0

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status}, {len(self.body)} bytes)"


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3); a date counts from the answer's own `Date`. 0 when unreadable."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return (
            float(min(int(text), RETRY_AFTER_S_MAX)) if len(text) <= _SECONDS_DIGITS_MAX else float(RETRY_AFTER_S_MAX)
        )
    then, now = _http_date(text), _http_date(headers.get("Date", ""))
    if then is None or now is None:
        return 0.0
    return float(min(max((then - now).total_seconds(), 0.0), RETRY_AFTER_S_MAX))


def _http_date(text: str) -> dt.datetime | None:
    try:
        read = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=dt.UTC)
