"""What became of an attempt at a core: one closed set of outcomes, in which *not sent* and *unknown* never mix.

The split decides about money: after `NotSent` a payment may be sent again or withdrawn, after `Unknown` only the core
can tell (by its own key, or by inquiry). Source: design, lifecycle; what happens when, in
`docs/reference/outcomes.md`.
"""

import enum

import msgspec

from adapters.payment import Refusal


class Cause(enum.StrEnum):
    """What an operator can act on; a bounded vocabulary (metric label, diagnosis)."""

    DNS = "dns"
    REFUSED_CONNECTION = "refused_connection"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    UNREACHABLE = "unreachable"
    ANSWER_TIMEOUT = "answer_timeout"
    RESET = "reset"
    UNREADABLE = "unreadable"
    SERVER_ERROR = "server_error"
    THROTTLED = "throttled"
    MAINTENANCE = "maintenance"
    CREDENTIALS = "credentials"
    CONTRACT = "contract"
    WITHHELD = "withheld"


class Posted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Booked; also "already booked", after comparing amount and account."""

    core_id: str = ""
    #: The core's own time of the booking, as it wrote it.
    core_time: str = ""
    #: True when the core said it knew the key already.
    duplicate: bool = False


class Conflict(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The core holds this key with other content: a person must look."""

    #: What differs, in words without personal data.
    found: str


class Pending(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Taken by the core, not yet booked: inquire later."""

    poll_after_s: float = 5.0


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A final business no."""

    refusal: Refusal
    #: The core's own code, as it wrote it.
    code: str = ""
    #: The core's own words; may hold personal data, so they are sealed with the entry.
    text: str = ""

    def __repr__(self) -> str:
        return f"Refused({self.refusal.value}, code={self.code!r})"


class NotSent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Surely nothing was booked."""

    cause: Cause
    retry_after_s: float = 0.0
    #: Words for the diagnosis; no personal data.
    detail: str = ""


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Sent, and no telling what became of it."""

    cause: Cause
    detail: str = ""
    #: Where the core said when to come back.
    retry_after_s: float = 0.0


class Misconfigured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Credentials, contract or version fault: every payment would fail, so it is never a payment's fault."""

    cause: Cause
    detail: str = ""


class NotFound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Only from an inquiry: the core says it holds nothing under our reference."""


Outcome = Posted | Conflict | Pending | Refused | NotSent | Unknown | Misconfigured
InquiryOutcome = Outcome | NotFound


class Allowed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From a check: the account may be paid; what the core shows of it to the payer. Personal data."""

    fields_shown: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return "Allowed()"


CheckOutcome = Allowed | Refused | NotSent | Unknown | Misconfigured
