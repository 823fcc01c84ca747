"""Moments as text."""

import functools
from datetime import UTC, datetime


def instant(at_us: int) -> bytes:
    """RFC 3339 text of microseconds since 1970 in UTC."""
    second, micros = divmod(at_us, 1_000_000)
    return b"%b.%06dZ" % (_second(second), micros)


@functools.lru_cache(maxsize=8)
def _second(second: int) -> bytes:
    """Payments of one second share all of its text but the fraction."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode("ascii")
