"""The JSON API's bodies: the same types validate requests, make the answers' form and generate the OpenAPI document.

Money is decimal text, never a JSON number: readers of numbers differ, and most make a binary float of `0.1`. Unknown
fields are refused, as a misspelt field that is silently dropped is a payment not as meant.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from adapters.channels.terms import ATTRIBUTE_CHARS_MAX, ATTRIBUTE_NAME, ATTRIBUTES_MAX, SERVICE_PATTERN
from adapters.payment import ACCOUNT_CHARS_MAX, KEY_CHARS_MAX

TIME_PATTERN: Final = (
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
"""RFC 3339 date-time with its zone."""

AMOUNT_PATTERN: Final = r"[0-9]{1,16}(?:\.[0-9]{1,4})?"
"""Any currency's amount; how many decimals fit is the channel's currency's."""

PLACE_PATTERN: Final = r"([0-9]{1,16})-([1-9][0-9]{0,18})"
"""A place in the list of returns: text that is only given back."""

NOTE_CHARS_MAX: Final = 256


def _text(description: str, example: str, *, least: int = 1, most: int, pattern: str = "") -> Any:
    """A string's bounds. The pattern is told to readers of the document; checking it is `json_v1`'s, by full match."""
    extra = {"pattern": f"^{pattern}$"} if pattern else None
    return msgspec.Meta(
        min_length=least, max_length=most, description=description, examples=[example], extra_json_schema=extra
    )


Account = Annotated[str, _text("The payer's account at the operator.", "77071234567", most=ACCOUNT_CHARS_MAX)]
Amount = Annotated[
    str,
    _text("Decimal text with a dot and at most the currency's decimals.", "200.00", most=21, pattern=AMOUNT_PATTERN),
]
Currency = Annotated[
    str, _text("ISO 4217 code; one agreed with the channel.", "KZT", least=3, most=3, pattern=r"[A-Z]{3}")
]
Service = Annotated[
    str, _text("Which of the operator's services is paid.", "internet", most=64, pattern=SERVICE_PATTERN)
]
Time = Annotated[
    str,
    _text("The channel's own time, RFC 3339 with zone.", "2026-01-15T12:00:00+05:00", most=35, pattern=TIME_PATTERN),
]
Attributes = Annotated[
    dict[str, Annotated[str, msgspec.Meta(max_length=ATTRIBUTE_CHARS_MAX)]],
    msgspec.Meta(
        max_length=ATTRIBUTES_MAX,
        description="Extras agreed with the channel, such as a terminal. Never card data: it is refused.",
        examples=[{"terminal": "T1001045"}],
        extra_json_schema={"propertyNames": {"pattern": f"^{ATTRIBUTE_NAME}$"}},
    ),
]
Id = Annotated[
    str, _text("Number of the payment or reversal, for ever.", "4194304000017", most=19, pattern=r"[1-9][0-9]{0,18}")
]
Key = Annotated[str, _text("The Idempotency-Key it was sent with.", "8e03978e-40d5-43dd-bc93-6894a57f9324",
                           most=KEY_CHARS_MAX)]  # fmt: skip
Instant = Annotated[str, _text("RFC 3339 in UTC.", "2026-01-15T07:00:00.123456Z", most=27, pattern=TIME_PATTERN)]
Status = Literal["posted", "provisional", "in_progress", "refused"]


class NewPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A payment to be booked: money the payer has handed over."""

    account: Account
    amount: Amount
    currency: Currency
    service: Service | UnsetType = UNSET
    time: Time | UnsetType = UNSET
    attributes: Attributes | UnsetType = UNSET

    @property
    def keys(self) -> int:
        """How many keys its JSON had, those of the attributes included, when none came twice."""
        attributes = self.attributes
        more = 0 if attributes is UNSET else 1 + len(attributes)
        return 3 + (self.service is not UNSET) + (self.time is not UNSET) + more  # three are always there


class NewReversal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Undo the payment in the path, whole."""

    reason: (
        Annotated[str, _text("Why, in the channel's words.", "paid twice by the payer", least=0, most=NOTE_CHARS_MAX)]
        | UnsetType
    ) = UNSET

    @property
    def keys(self) -> int:
        """As `NewPayment.keys`."""
        return int(self.reason is not UNSET)


class NewCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A question: may this account be paid? Moves no money."""

    account: Account
    currency: Currency
    amount: Amount | UnsetType = UNSET
    service: Service | UnsetType = UNSET

    @property
    def keys(self) -> int:
        """As `NewPayment.keys`."""
        return 2 + (self.amount is not UNSET) + (self.service is not UNSET)  # two are always there


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """A payment or reversal that was taken; the same for every repeat of its key."""

    id: Id
    status: Annotated[
        Literal["posted", "provisional"],
        msgspec.Meta(description="`posted`: booked. `provisional`: held durably, will be booked. Both are a yes."),
    ]
    key: Key
    accepted_at: Instant
    amount: Amount | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET


class PaymentView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a payment or reversal, as of now."""

    id: Id
    status: Annotated[
        Status, msgspec.Meta(description="`refused`: a final no. `in_progress`: not known yet, ask again.")
    ]
    key: Key
    accepted_at: Instant
    amount: Amount | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    state: Annotated[str, msgspec.Meta(description="The entry's state, for people; programs read `status`.")] = ""
    refusal: Annotated[str, msgspec.Meta(description="Why, when `status` is `refused`.")] = ""
    core_id: Annotated[str, msgspec.Meta(description="The billing system's own id, once it is known.")] = ""


class ShownField(msgspec.Struct, frozen=True):
    """A line to show the payer."""

    name: str
    value: str


class CheckView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a check."""

    payable: Annotated[bool, msgspec.Meta(description="May the account be paid?")]
    provisional: Annotated[
        bool, msgspec.Meta(description="True when billing could not be asked and the answer is Nightsafe's own.")
    ] = False
    refusal: Annotated[str, msgspec.Meta(description="Why not, when it may not.")] = ""
    fields: Annotated[tuple[ShownField, ...], msgspec.Meta(description="Lines to show the payer.")] = ()


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong in a request."""

    pointer: Annotated[
        str, msgspec.Meta(description="JSON pointer (RFC 6901) to the field as a URI fragment.", examples=["#/amount"])
    ]
    detail: Annotated[str, msgspec.Meta(description="What is asked for instead; never what was sent.")]


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, as RFC 9457 has it, with members of our own."""

    type: Annotated[
        str, msgspec.Meta(description="Stable URN of the code.", examples=["urn:nightsafe:problem:try_later"])
    ]
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    code: Annotated[str, msgspec.Meta(description="The last part of `type`, for programs.", examples=["try_later"])]
    final: Annotated[
        bool, msgspec.Meta(description="True: the same request never gets another answer. False: it may later.")
    ]
    detail: str = ""
    refusal: Annotated[str, msgspec.Meta(description="Why, when `code` is `refused`.")] = ""
    retry_after: Annotated[int, msgspec.Meta(description="Seconds, as in Retry-After.")] = 0
    payment_id: Annotated[str, msgspec.Meta(description="Number of the payment this is about.")] = ""
    errors: tuple[Fault, ...] = ()


class PlannedView(msgspec.Struct, frozen=True, kw_only=True):
    """A planned time in which billing is away."""

    begins: str
    ends: str


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with some services of the channel."""

    #: Their names; empty for all that no other line names.
    services: tuple[str, ...]
    #: `up`; `trouble`: it answers, but not always; `down`; `maintenance`: away on purpose.
    billing: Literal["up", "trouble", "down", "maintenance"]
    #: What a payment gets now, within the limits: `posted` at once, `provisional`, or `try_later`.
    payments: Literal["posted", "provisional", "try_later"]
    #: Since when billing is so.
    since: str
    #: The coming times in which it is away on purpose, soonest first; the first may be going on.
    planned: tuple[PlannedView, ...]


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with what a channel may pay for."""

    services: tuple[ServiceView, ...]


class ReturnView(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that had a yes and was refused by billing: its money goes back to the payer."""

    id: Id
    key: Key
    amount: Amount
    currency: Currency
    accepted_at: Instant
    due_since: Annotated[Instant, msgspec.Meta(description="When billing refused it. RFC 3339 in UTC.")]
    stage: Annotated[
        Literal["due", "late", "overdue"], msgspec.Meta(description="How urgent it is, by the operator's time limits.")
    ]


class ReturnsView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a channel has to give back: a page, refused first first. It may be empty and have a next one."""

    returns: tuple[ReturnView, ...]
    next: (
        Annotated[
            str,
            _text(
                "Where the next page begins: ask with `?after=`. Absent at the last.",
                "1768460400000000-4194304000017",
                most=36,
                pattern=PLACE_PATTERN,
            ),
        ]
        | UnsetType
    ) = UNSET
