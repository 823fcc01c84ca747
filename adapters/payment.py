"""The words of payment: what a channel asks and what the gateway answers.

Every channel turns its protocol's bytes into one of the requests below and one of the answers below into its
protocol's bytes. Amounts are integers of minor units with an ISO 4217 currency; there is no float anywhere.
"""

import enum
from typing import Final

import msgspec

ACCOUNT_CHARS_MAX: Final = 200
"""Longest account a channel may send (OSMP: "up to 200 characters")."""

KEY_CHARS_MAX: Final = 255
"""Longest transaction key a channel may send (Idempotency-Key: 1 to 255 characters)."""

AMOUNT_MINOR_MAX: Final = 10**15
"""Larger amounts are refused as nonsense; the sum of a million of them still fits 64 bits with room to spare."""


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """Book this: money the payer has already handed over at the channel."""

    #: Configured name of the channel.
    channel: str
    #: The channel's own transaction id; unique per channel for ever (the idempotency key).
    key: str
    #: Subscriber's account at the operator. Personal data.
    account: str
    #: Integer of minor units, at least 1.
    amount: int
    #: ISO 4217 code.
    currency: str
    #: Which of the operator's services is paid; empty when the channel knows only one.
    service: str = ""
    #: The channel's own time of the payment, as it wrote it; empty when it sent none.
    channel_time: str = ""
    #: Free extras agreed with the channel (payer's contact, terminal). Personal data.
    attributes: dict[str, str] = {}

    def __post_init__(self) -> None:
        assert self.key, "a payment has its channel's key"
        assert self.account, "a payment names an account"
        assert 1 <= self.amount <= AMOUNT_MINOR_MAX, "an amount is a positive number of minor units"
        assert len(self.currency) == 3, "a currency is an ISO 4217 code"  # noqa: PLR2004 - ISO 4217

    def __repr__(self) -> str:
        return f"Payment(channel={self.channel!r}, key={self.key!r}, amount={self.amount} {self.currency})"


class Reversal(msgspec.Struct, frozen=True, kw_only=True):
    """Undo that: give back a payment this channel sent earlier, whole."""

    channel: str
    #: The reversal's own key (its idempotency key), unlike the payment's.
    key: str
    #: Number of the payment to undo, as given out with its answer; 0 when the channel names it by key.
    number: int = 0
    #: Key of the payment to undo; empty when the channel names it by number.
    payment_key: str = ""
    #: The payer's or the channel's reason. Personal data.
    note: str = ""

    def __post_init__(self) -> None:
        assert self.key, "a reversal has a key of its own"
        assert bool(self.number) != bool(self.payment_key), "a reversal names its payment in one way"

    def __repr__(self) -> str:
        return f"Reversal(channel={self.channel!r}, key={self.key!r}, number={self.number})"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """May this account be paid? Never moves money."""

    channel: str
    #: Personal data.
    account: str
    #: Minor units; 0 when the channel asks without an amount.
    amount: int = 0
    currency: str
    service: str = ""
    #: The channel's id of the question, echoed in its answer.
    key: str = ""

    def __repr__(self) -> str:
        return f"Check(channel={self.channel!r}, amount={self.amount} {self.currency})"


class Inquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a payment this channel sent earlier; named by its key or by its number."""

    channel: str
    key: str = ""
    number: int = 0


Request = Payment | Reversal | Check | Inquiry


class Refusal(enum.StrEnum):
    """Why a final no is a no; each channel maps these to its own codes in one table."""

    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_FORMAT = "account_format"
    ACCOUNT_INACTIVE = "account_inactive"
    AMOUNT_TOO_SMALL = "amount_too_small"
    AMOUNT_TOO_LARGE = "amount_too_large"
    FORBIDDEN = "forbidden"
    ALREADY_PAID = "already_paid"
    CURRENCY = "currency"
    NO_ROUTE = "no_route"
    NOT_FOUND = "not_found"
    NOT_REVERSIBLE = "not_reversible"
    REVERSED = "reversed"
    OTHER = "other"


class AnswerKind(enum.StrEnum):
    """The eight answers; the first two are positive, only REFUSED, CONFLICT and INVALID are final noes."""

    POSTED = "posted"
    """The core booked it (for a check: the account may be paid)."""
    PROVISIONAL = "provisional"
    """Nightsafe holds it durably and will have it booked."""
    REFUSED = "refused"
    """A final no for this key: it never turns into a yes."""
    TRY_LATER = "try_later"
    """Nothing was taken; the same request may be sent again later."""
    IN_PROGRESS = "in_progress"
    """The outcome isn't known yet; ask again with the same key."""
    CONFLICT = "conflict"
    """The key is known with other content; nothing was done."""
    INVALID = "invalid"
    """The request can't be understood; nothing was stored."""
    UNAUTHORISED = "unauthorised"
    """The sender isn't who it says, or may not do this; nothing was stored."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the gateway tells a channel about one request."""

    kind: AnswerKind
    #: Nightsafe's durable, unchanging number of the payment or reversal (at most 19 digits); 0 when nothing is stored.
    number: int = 0
    #: Present state of the entry (`ready`, `posted`, ...), for channels that show it; empty when nothing is stored.
    state: str = ""
    #: Set when kind is REFUSED.
    refusal: Refusal | None = None
    #: Short text for the channel's log or the payer; never personal data.
    text: str = ""
    #: Whole seconds after which asking again makes sense; 0 when there is nothing to say.
    retry_after_s: int = 0
    #: Names of the fields that differ, when kind is CONFLICT.
    fields: tuple[str, ...] = ()
    #: True when the key was known and the first answer is repeated.
    replayed: bool = False
    #: Minor units booked or held, and their currency; 0 and empty when nothing is stored.
    amount: int = 0
    currency: str = ""
    #: When Nightsafe recorded it, microseconds since 1970 in UTC; 0 when nothing is stored.
    accepted_at_us: int = 0
    #: The channel's key of the entry.
    key: str = ""
    #: The core's own id of the booking, once it is known.
    core_id: str = ""
    #: What a core said of an account when asked by a check (shown to the payer). Personal data, never logged.
    fields_shown: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Answer({self.kind.value}, number={self.number}, refusal={self.refusal})"
