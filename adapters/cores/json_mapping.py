"""How one core's JSON API is spoken, as configuration: its calls, where things stand in its answers, what they mean.

The defaults describe a plain REST API, the one the scripted core speaks: `POST /payments` with an `Idempotency-Key`,
`GET /payments?reference=`, `POST /payments/{core_id}/reversal`, `POST /checks`, `GET /health`.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

from adapters.cores.http_request import FRAMING
from adapters.cores.json_rules import Means, Rule
from adapters.cores.moment import zone_of
from adapters.cores.settings import ContractSettings
from adapters.cores.template import Body, Text
from adapters.payment import Refusal
from adapters.secret import SecretRef

_CLOSED: Final = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

OF_DELIVERY: Final = frozenset({"id", "number", "account", "currency", "amount"})
"""Placeholders known of every delivery when it is sent."""

OF_PAYMENT: Final = OF_DELIVERY | {"service", "paid_at", "channel", "key"}
"""Placeholders of a payment's body, beside `attributes.<name>`."""

OF_REVERSAL: Final = OF_DELIVERY | {"core_id", "original_id", "original_number"}
OF_CHECK: Final = frozenset({"account", "currency", "amount", "service", "channel", "key"})
OF_HEADER: Final = frozenset({"id", "number", "attempt"})
"""Placeholders of a header; nothing a payer wrote goes there."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("a path begins with a slash")
    if not text.isascii() or any(each.isspace() or each == "#" for each in text):
        raise ValueError("write the path percent-encoded, in ASCII, without spaces")
    Text(text)
    return text


def _tree(tree: dict[str, JsonValue]) -> dict[str, JsonValue]:
    Body(tree)
    return tree


Path = Annotated[str, AfterValidator(_path)]
Tree = Annotated[dict[str, JsonValue], AfterValidator(_tree)]
Dotted = Annotated[str, Field(pattern=r"^([^.\s]+(\.[^.\s]+)*)?$", max_length=200)]


class SecretHeader(BaseModel):
    """A header whose value is secret: `{ prefix = "Bearer ", secret = { env = "BILLING_TOKEN" } }`."""

    model_config = _CLOSED

    prefix: Annotated[str, Field(max_length=100, description="What stands before the secret.")] = ""
    secret: Annotated[SecretRef, Field(description="Where the secret is.")]


def _header_name(name: str) -> str:
    if name.lower() in FRAMING:
        raise ValueError(f"{name} says where a request goes or ends, and is written by the adapter itself")
    return name


def _header(value: str | SecretHeader) -> str | SecretHeader:
    if isinstance(value, str):
        _known(Text(value).names, OF_HEADER)
        if any(each in value for each in "\r\n\0"):
            raise ValueError("a header is one line")
    return value


Headers = dict[
    Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), AfterValidator(_header_name)],
    Annotated[str | SecretHeader, AfterValidator(_header)],
]


def _known(names: tuple[str, ...] | frozenset[str], allowed: frozenset[str], *, attributes: bool = False) -> None:
    for name in names:
        if name not in allowed and not (attributes and name.startswith("attributes.")):
            raise ValueError(f"no such placeholder here: {{{name}}}")


def _meanings(rules: tuple[Rule, ...], allowed: frozenset[Means]) -> None:
    for rule in rules:
        if rule.means not in allowed:
            raise ValueError(f"means = {rule.means.value!r} says nothing here")


_DELIVERED: Final = frozenset(Means) - {Means.NOT_FOUND, Means.REVERSED, Means.ALLOWED}
_LOOKED_UP: Final = frozenset(Means) - {Means.ALLOWED, Means.ALREADY}
_CHECKED: Final = frozenset({Means.ALLOWED, Means.REFUSED, Means.NOT_SENT, Means.UNKNOWN, Means.MISCONFIGURED})

_IN_HAND: Final = (
    Rule(status=(200, 201), field="status", equals=("pending", "processing", "in_progress"), means=Means.PENDING),
    Rule(status=(201,), means=Means.POSTED),
    Rule(status=(200,), means=Means.ALREADY),
    Rule(status=(202,), means=Means.PENDING),
    Rule(status=(400, 402, 404, 409, 410, 422), means=Means.REFUSED),
)
"""Rules without a meaning for a clash of contents; a refusal needs a reason we know (`answer.refusal`)."""


class JsonPost(BaseModel):
    """How a payment is booked."""

    model_config = _CLOSED

    method: Annotated[Method, Field(description="HTTP method.")] = "POST"
    path: Annotated[Path, Field(description="Path after url; {id}, {number}, {account}, ... are filled in.")] = (
        "/payments"
    )
    headers: Annotated[
        Headers,
        Field(description="Headers of this call; {id}, {number} and {attempt} are filled in. Give a key on every one."),
    ] = {"Idempotency-Key": "{id}"}
    body: Annotated[
        Tree,
        Field(
            description=(
                "The body as a table; texts may hold {id}, {number}, {account}, {amount}, {currency}, {service},"
                " {paid_at}, {channel}, {key}, {attributes.<name>}. A text that is one empty placeholder is left out."
            )
        ),
    ] = {
        "id": "{id}",
        "account": "{account}",
        "amount": "{amount}",
        "currency": "{currency}",
        "service": "{service}",
        "paid_at": "{paid_at}",
    }
    rules: Annotated[
        tuple[Rule, ...],
        Field(description="What answers mean, first match; then what HTTP statuses mean by themselves."),
    ] = (*_IN_HAND, Rule(status=(409, 422), means=Means.CONFLICT))

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        _known(Text(self.path).names, OF_DELIVERY)
        _known(Body(self.body).names, OF_PAYMENT, attributes=True)
        _meanings(self.rules, _DELIVERED)
        return self


class JsonLookup(BaseModel):
    """How the core is asked what it holds under our reference."""

    model_config = _CLOSED

    path: Annotated[Path, Field(description="Path and query; {id}, {number}, {account} are filled in.")] = (
        "/payments?reference={id}"
    )
    headers: Annotated[Headers, Field(description="Headers of this call.")] = {}
    reference: Annotated[
        str, Field(min_length=1, description="What the core's rows call our reference by; {id} or {number}.")
    ] = "{id}"
    rows: Annotated[
        Dotted,
        Field(description="Where the list of bookings stands in the answer; empty = the answer is the list or row."),
    ] = "payments"
    match: Annotated[
        Dotted, Field(min_length=1, description="Where our reference stands in a row. A row without it is not ours.")
    ] = "id"
    is_complete: Annotated[
        bool,
        Field(
            description=(
                "Rows of others and none of ours means that ours isn't there. False: the server doesn't filter and may"
                " have cut the list, so it says nothing."
            )
        ),
    ] = False
    rules: Annotated[
        tuple[Rule, ...],
        Field(description="What answers without rows mean (a 404 that is a not found); then statuses by themselves."),
    ] = ()
    row_rules: Annotated[
        tuple[Rule, ...], Field(description="What a row of ours means, first match; posted where none matches.")
    ] = (
        Rule(field="status", equals=("pending", "processing", "in_progress"), means=Means.PENDING),
        Rule(field="status", equals=("reversed", "cancelled", "refunded"), means=Means.REVERSED),
    )

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        _known(Text(self.path).names, OF_DELIVERY)
        _known(Text(self.reference).names, OF_DELIVERY)
        if not Text(self.reference).names:
            raise ValueError("reference is the same for every payment: use {id} or {number}")
        _meanings((*self.rules, *self.row_rules), _LOOKED_UP)
        return self


class JsonReverse(BaseModel):
    """How a booking is undone."""

    model_config = _CLOSED

    method: Annotated[Method, Field(description="HTTP method.")] = "POST"
    path: Annotated[
        Path, Field(description="Path after url; {core_id}, {original_id}, {original_number}, {id}, ... are filled in.")
    ] = "/payments/{core_id}/reversal"
    headers: Annotated[Headers, Field(description="Headers of this call.")] = {"Idempotency-Key": "{id}"}
    body: Annotated[Tree, Field(description="The body as a table, with the same placeholders.")] = {"id": "{id}"}
    rules: Annotated[
        tuple[Rule, ...], Field(description="What answers mean, first match; posted = undone, already = undone before.")
    ] = (*_IN_HAND, Rule(status=(409, 422), means=Means.CONFLICT))

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        _known(Text(self.path).names, OF_REVERSAL)
        _known(Body(self.body).names, OF_REVERSAL)
        _meanings(self.rules, _DELIVERED)
        return self

    @property
    def needs_core_id(self) -> bool:
        """The core's own id of the booking is part of the call."""
        return "core_id" in Text(self.path).names or "core_id" in Body(self.body).names


class JsonCheck(BaseModel):
    """How the core is asked whether an account may be paid."""

    model_config = _CLOSED

    method: Annotated[Method, Field(description="HTTP method.")] = "POST"
    path: Annotated[Path, Field(description="Path after url; {account}, {amount}, ... are filled in.")] = "/checks"
    headers: Annotated[Headers, Field(description="Headers of this call.")] = {}
    body: Annotated[Tree, Field(description="The body as a table; empty = none.")] = {
        "account": "{account}",
        "amount": "{amount}",
        "currency": "{currency}",
        "service": "{service}",
    }
    rules: Annotated[tuple[Rule, ...], Field(description="What answers mean, first match.")] = (
        Rule(status=(200,), field="status", equals=("allowed", "active"), means=Means.ALLOWED),
        Rule(status=(200,), field="allowed", equals=(True,), means=Means.ALLOWED),
        Rule(status=(200, 400, 404, 409, 410, 422), means=Means.REFUSED),
    )
    shown: Annotated[
        dict[str, Dotted], Field(max_length=16, description="What to show the payer: label, and where it stands.")
    ] = {}

    @model_validator(mode="after")
    def _placeholders(self) -> Self:
        _known(Text(self.path).names, OF_CHECK)
        _known(Body(self.body).names, OF_CHECK)
        _meanings(self.rules, _CHECKED)
        return self


class JsonProbe(BaseModel):
    """How the core is asked whether it is there. Must book nothing."""

    model_config = _CLOSED

    path: Annotated[Path, Field(description="Path after url, asked by GET; any 2xx is well.")] = "/health"
    headers: Annotated[Headers, Field(description="Headers of this call.")] = {}


class JsonAnswer(BaseModel):
    """Where things stand in an answer or a row: dotted paths; empty = the core doesn't tell."""

    model_config = _CLOSED

    core_id: Annotated[Dotted, Field(description="The core's own id of the booking.")] = "core_id"
    core_time: Annotated[Dotted, Field(description="The core's own time of the booking.")] = "booked_at_us"
    amount: Annotated[Dotted, Field(description="The sum, in the form of amount_form.")] = "amount"
    account: Annotated[Dotted, Field(description="The account.")] = "account"
    refusal: Annotated[Dotted, Field(description="The code of a refusal.")] = "code"
    text: Annotated[Dotted, Field(description="Words for a refusal.")] = "detail"
    refusals: Annotated[
        dict[str, Refusal],
        Field(
            description=(
                "The core's codes of refusal and what they mean here; our own words for them (`unknown_account`)"
                " need no entry."
            )
        ),
    ] = {
        "account_unknown": Refusal.UNKNOWN_ACCOUNT,
        "payment_unknown": Refusal.NOT_FOUND,
        "already_reversed": Refusal.NOT_REVERSIBLE,
    }


class JsonCoreSettings(ContractSettings):
    """A core that speaks JSON over HTTP: `[cores.<name>]` with `protocol = "json"`."""

    protocol: Annotated[Literal["json"], Field(description="JSON over HTTP, mapped by this table.")]
    headers: Annotated[Headers, Field(default_factory=dict, description="Headers of every call, secrets by reference.")]
    amount_form: Annotated[
        Literal["decimal", "minor"],
        Field(description="Amounts as decimal text, or as an integer of minor units; never as a JSON float."),
    ] = "decimal"
    post: Annotated[JsonPost, Field(description="Booking a payment.")] = JsonPost()
    lookup: Annotated[JsonLookup | Literal[False], Field(description="Asking by our reference; false = can't be.")] = (
        JsonLookup()
    )
    reverse: Annotated[JsonReverse | Literal[False], Field(description="Undoing a booking; false = can't be.")] = (
        JsonReverse()
    )
    check: Annotated[
        JsonCheck | Literal[False], Field(description="Asking for an account; false = can't be, or books money.")
    ] = JsonCheck()
    probe: Annotated[
        JsonProbe | Literal[False],
        Field(description="Asking whether anybody is there; false = only open a connection."),
    ] = JsonProbe()
    answer: Annotated[JsonAnswer, Field(description="Where things stand in answers and rows.")] = JsonAnswer()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        zone_of(self.time_zone)
        self.contradictions(lookup=self.lookup is not False)
        if self.url.endswith("/"):
            raise ValueError("url ends without a slash: the paths begin with one")
        if self.lookup and not (self.answer.amount or self.answer.account):
            raise ValueError("a lookup must show the amount or the account, to be compared: set answer.amount")
        if self.reverse and self.reverse.needs_core_id and not (self.answer.core_id):
            raise ValueError("reverse names the core's id, and answer.core_id doesn't say where it stands")
        return self
