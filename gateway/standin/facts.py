"""What has to be known of an account and an outage where a policy's terms aren't plain."""

import enum
from typing import Final

import msgspec


class Standing(enum.StrEnum):
    """What is known of an account."""

    UNKNOWN = "unknown"
    KNOWN = "known"
    """Billing had it when it was last heard of, or it was imported."""
    DENIED = "denied"
    """A person put it on the negative list."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked up."""

    #: Seconds since the outage began.
    outage_s: float = 0.0
    standing: Standing = Standing.UNKNOWN
    #: The account's service is cut off, or about to be.
    urgent: bool = False


NO_FACTS: Final = Facts()
"""What plain terms need."""
