"""When a payment was made: the channel's own time where it can be read, else the time of its acceptance.

A payment taken at 23:59 and delivered at 02:00 belongs to the day it was taken. Its acceptance is in its id: a UUIDv7
begins with the milliseconds since 1970 (RFC 9562, 5.7).
"""

import datetime as dt
import re
import uuid
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_DIGITS: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)


def zone_of(name: str) -> dt.tzinfo:
    """The zone of an IANA name; `UTC` needs no database.

    Raises:
        ValueError: no such zone, or no zone database on this machine.
    """
    if name == "UTC":
        return dt.UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as error:
        raise ValueError("no such time zone: write an IANA name such as Asia/Almaty, or UTC") from error


def accepted_at(id: str, zone: dt.tzinfo) -> dt.datetime:  # noqa: A002 - the field's word
    """When the entry of this UUIDv7 was accepted, to the millisecond."""
    unix_ms = uuid.UUID(id).int >> 80
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (epoch + dt.timedelta(milliseconds=unix_ms)).astimezone(zone)


def paid_at(channel_time: str, id: str, zone: dt.tzinfo) -> dt.datetime:  # noqa: A002 - the field's word
    """The payment's time in `zone`; a channel time without a zone is taken to be of `zone`, an unreadable one as none."""
    read = _read(channel_time, zone) if channel_time else None
    return accepted_at(id, zone) if read is None else read


def paid_at_rfc3339(channel_time: str, id: str, zone: dt.tzinfo) -> str:  # noqa: A002 - the field's word
    """The payment's time in `zone` as RFC 3339 writes it, to the second."""
    read = _rfc3339_read(channel_time, zone) if channel_time else None
    return read or _rfc3339_of(int(id[:8] + id[9:13], 16) // 1000, zone)


# Payments of one second are many, so what a second is called is worked out once.
@lru_cache(maxsize=256)
def _rfc3339_read(text: str, zone: dt.tzinfo) -> str | None:
    read = _read(text, zone)
    return None if read is None else read.isoformat(timespec="seconds")


@lru_cache(maxsize=256)
def _rfc3339_of(unix_s: int, zone: dt.tzinfo) -> str:
    return dt.datetime.fromtimestamp(unix_s, zone).isoformat(timespec="seconds")


def _read(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    try:
        if digits := _DIGITS.fullmatch(text):
            year, month, day, hour, minute, second = map(int, digits.groups())
            return dt.datetime(year, month, day, hour, minute, second, tzinfo=zone)
        if _RFC3339.fullmatch(text):
            read = dt.datetime.fromisoformat(text.upper())
            return read.replace(tzinfo=zone) if read.tzinfo is None else read.astimezone(zone)
    except (ValueError, OverflowError):
        return None
    return None
