"""What comes in to the admin side: query strings and bodies, read strictly into what the service knows. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import Meta

from adapters.amount import BadAmount, UnknownCurrency, scale
from adapters.payment import KEY_CHARS_MAX
from gateway.admin.http.problem import Code, Trouble
from spool.lifecycle import Kind, State
from spool.number import NUMBER_MAX, id_bytes, number_at, number_of
from spool.store import Filter

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 500
PARAMETERS_MAX: Final = 40
REASON_CHARS_MAX: Final = 500
WORD_MAX_S: Final = 31 * 86_400
"""So long a person's word about a route may stand."""

SLACK_US: Final = 60_000_000
"""How far from a time numbers are looked through that could be of it: a clock may be set back between two runs."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Name = Annotated[str, Meta(max_length=64)]
Digits = Annotated[str, Meta(pattern=r"^(-?[0-9]{1,19})?$")]
Digital = Annotated[str, Meta(pattern=r"^([0-9]{1,15}(\.[0-9]{1,4})?)?$")]
Moment = Annotated[str, Meta(max_length=40)]
Reason = Annotated[str, Meta(min_length=1, max_length=REASON_CHARS_MAX)]

Form = Literal["csv", "jsonl", "xlsx"]
"""How entries are written out."""

T = TypeVar("T")


class Scope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries: every field given narrows."""

    state: list[Name] = []
    route: Name = ""
    channel: Name = ""
    kind: Name = ""
    key: Annotated[str, Meta(max_length=KEY_CHARS_MAX)] = ""
    lane: Digits = ""
    #: Why it is where it is, in the entry's own word.
    reason: Name = ""
    currency: Name = ""
    #: Exactly so much, or between two (both count), in decimal text; needs the currency unless there is only one.
    amount: Digital = ""
    amount_from: Digital = ""
    amount_to: Digital = ""
    accepted_from: Moment = ""
    accepted_before: Moment = ""

    @property
    def narrows(self) -> bool:
        """Is anything given?"""
        return self != Scope()


class OneBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An act on one."""

    reason: Reason


class ForceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"for_s": "for"}):
    """A person's word about a route, for so many seconds."""

    reason: Reason
    for_s: Annotated[int, Meta(ge=1, le=WORD_MAX_S)] = 3_600


class PaceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"for_s": "for"}):
    """A person's word on how fast a route may post, for so many seconds; what isn't named stays as it is configured."""

    reason: Reason
    #: Calls at the core at once, and a second, live and waiting ones of all nodes together.
    in_flight_max: Annotated[int, Meta(ge=0, le=4096)] | None = None
    rate_max_per_s: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    for_s: Annotated[int, Meta(ge=1, le=WORD_MAX_S)] = 3_600


class FindBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a payment: an id of any kind, or its account. In a body, as addresses are logged."""

    #: A number, an id, a channel's key or the core's id.
    id: Annotated[str, Meta(max_length=KEY_CHARS_MAX)] = ""
    account: Annotated[str, Meta(max_length=200)] = ""
    filter: Scope = Scope()
    before: Digits = ""
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT

    def __repr__(self) -> str:
        return "FindBody()"


class VerifyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A verification: of the books, and with `seals` of every record too."""

    seals: bool = False


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A page asked for."""

    wanted: Filter
    limit: int


def body_of(body: bytes, kind: type[T]) -> T:
    """The body as `kind`; an empty one as an empty object.

    Raises:
        Trouble: it isn't one. msgspec's words name fields and bounds, never values.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Trouble(Code.INVALID, f"{error}"[:300]) from None


def plain(text: str) -> str:
    """A person's words, if they are printable: they go into histories that others read line by line.

    Raises:
        Trouble: they aren't.
    """
    if not text.strip() or not text.isprintable():
        raise Trouble(Code.INVALID, "a reason is one line of printable text")
    return text


def parameters(query: str) -> dict[str, list[str]]:
    """The parameters of a query string.

    Raises:
        Trouble: there are too many, or they can't be read.
    """
    try:
        # What came as other bytes than UTF-8 can't be written either, and this is where that is found out.
        query.encode("utf-8")
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX, errors="strict")
    except ValueError:
        raise Trouble(Code.INVALID, "the query string can't be read") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def listing(query: str, currency: str = "") -> Listing:
    """The page of entries that a query string asks for; `currency` is that of amounts where none is named.

    Raises:
        Trouble: a parameter is unknown, repeated (but for `state`), or not as it should be.
    """
    told = parameters(query)
    states = [word for value in told.pop("state", []) for word in value.split(",") if word]
    single = _single(told)
    limit = _number(single.pop("limit", ""), "limit") or LIMIT_DEFAULT
    order = single.pop("order", "newest")
    after, before = (_number(single.pop(name, ""), name) for name in ("after", "before"))
    if not 1 <= limit <= LIMIT_MAX or order not in {"newest", "oldest"}:
        raise Trouble(Code.INVALID, f"limit is 1 to {LIMIT_MAX}, order newest or oldest")
    try:
        scope = msgspec.convert({**single, "state": states}, Scope)
    except msgspec.ValidationError as error:
        raise Trouble(Code.INVALID, f"{error}"[:300]) from None
    narrowed = wanted(scope, after=after, before=before, newest_first=order == "newest", currency=currency)
    return Listing(wanted=narrowed, limit=limit)


def wanted(scope: Scope, *, after: int = 0, before: int = 0, newest_first: bool = False, currency: str = "") -> Filter:
    """The filter a scope means; `currency` is that of amounts where none is named.

    Times narrow the numbers too, as these rise with time: so a page near a time reads nothing far from it.

    Raises:
        Trouble: a state, a kind, a time or an amount is none.
    """
    try:
        states = frozenset(State.from_word(word) for word in scope.state)
    except ValueError as error:
        raise Trouble(Code.INVALID, f"there are these states: {', '.join(state.word for state in State)}") from error
    from_us, before_us = _moment(scope.accepted_from), _moment(scope.accepted_before)
    amount_min, amount_max = _amounts(scope, scope.currency or currency)
    begins = number_at(from_us - SLACK_US) if from_us else 0
    ends = number_at(before_us + SLACK_US) if before_us else 0
    return Filter(
        states=states,
        route=scope.route,
        channel=scope.channel,
        kind=_kind(scope.kind),
        key=scope.key,
        lane=_lane(scope.lane),
        reason=scope.reason,
        currency=scope.currency or (currency if amount_min or amount_max else ""),
        amount_min=amount_min,
        amount_max=amount_max,
        accepted_from_us=from_us,
        accepted_before_us=before_us,
        after=max(after, begins - 1),
        before=min(before or ends, ends or before),
        newest_first=newest_first,
    )


def _amounts(scope: Scope, currency: str) -> tuple[int, int]:
    """The least and the most that is wanted, in minor units; 0 = any."""
    if scope.amount and (scope.amount_from or scope.amount_to):
        raise Trouble(Code.INVALID, "name an amount, or from and to, and not both")
    least, most = scope.amount or scope.amount_from, scope.amount or scope.amount_to
    if not least and not most:
        return 0, 0
    if not currency:
        raise Trouble(Code.INVALID, "an amount needs a currency, as there are several")
    try:
        read = scale(currency).read
        return read(least) if least else 0, read(most) if most else 0
    except (BadAmount, UnknownCurrency) as error:
        raise Trouble(Code.INVALID, f"no amount: {error}") from None


def key_asked(query: str) -> tuple[str, str]:
    """The channel and key an entry is asked for by.

    Raises:
        Trouble: one is missing, or something else is there.
    """
    single = _single(parameters(query))
    if set(single) != {"channel", "key"} or not all(single.values()):
        raise Trouble(Code.INVALID, "name channel and key")
    return single["channel"], single["key"]


def route_asked(query: str) -> str:
    """The route a list is narrowed to; empty for all.

    Raises:
        Trouble: something else is asked for.
    """
    single = _single(parameters(query))
    if set(single) - {"route"}:
        raise Trouble(Code.INVALID, "a list of returns is narrowed by route alone")
    return single.get("route", "")


def shape_asked(query: str) -> tuple[str, str]:
    """What a shape's rows are by, and the route it is narrowed to (empty: all).

    Raises:
        Trouble: something else is asked for.
    """
    single = _single(parameters(query))
    if set(single) - {"by", "route"}:
        raise Trouble(Code.INVALID, "a shape takes by and route alone")
    return single.get("by", "") or "route", single.get("route", "")


def form_asked(query: str) -> tuple[Form, str]:
    """The form an export is asked for in, and the rest of the query string: a filter, without a page's bounds.

    Raises:
        Trouble: it is none, or a page is asked for.
    """
    told = parameters(query)
    forms = told.pop("format", ["jsonl"])
    if {"order", "limit", "before"} & set(told):
        raise Trouble(Code.INVALID, "an export is of all that passes, oldest first")
    match forms:
        case ["csv"]:
            form: Form = "csv"
        case ["jsonl"]:
            form = "jsonl"
        case ["xlsx"]:
            form = "xlsx"
        case _:
            raise Trouble(Code.INVALID, "format is csv, jsonl or xlsx")
    return form, urlencode(told, doseq=True)


def table_asked(query: str) -> tuple[Literal["csv", "xlsx"], str]:
    """The form a report is asked for in, and the rest of the query string.

    Raises:
        Trouble: it is none.
    """
    told = parameters(query)
    match told.pop("format", ["csv"]):
        case ["csv"]:
            return "csv", urlencode(told, doseq=True)
        case ["xlsx"]:
            return "xlsx", urlencode(told, doseq=True)
        case _:
            raise Trouble(Code.INVALID, "format is csv or xlsx")


def after_alone(query: str) -> int:
    """The number to go on after, where a query string has nothing else; 0 when none was given.

    Raises:
        Trouble: something else is asked for.
    """
    single = _single(parameters(query))
    if set(single) - {"after"}:
        raise Trouble(Code.INVALID, "this list takes after alone")
    return _number(single.get("after", ""), "after")


def from_alone(query: str) -> int:
    """The place to begin at, where a query string has nothing else; 0 when none was given.

    Raises:
        Trouble: something else is asked for.
    """
    single = _single(parameters(query))
    if set(single) - {"from"}:
        raise Trouble(Code.INVALID, "this list takes from alone")
    return _number(single.get("from", ""), "from")


def number_asked(reference: str) -> tuple[int, bytes]:
    """The number, and the id if that was given, of a reference in a path: digits, or a UUID.

    Raises:
        Trouble: it is neither.
    """
    if reference.isascii() and reference.isdigit() and 0 < int(reference[:20]) <= NUMBER_MAX:
        return int(reference), b""
    found = id_bytes(reference)
    number = number_of(found) if found is not None else 0
    if found is None or not number:
        raise Trouble(Code.NO_SUCH_ENTRY)
    return number, found


def after_asked(text: str) -> int:
    """The number to go on after; 0 when none was given."""
    return _number(text, "after")


def _single(told: Mapping[str, list[str]]) -> dict[str, str]:
    if any(len(values) > 1 for values in told.values()):
        raise Trouble(Code.INVALID, "a parameter is given more than once")
    return {name: values[0] for name, values in told.items()}


def _number(text: str, name: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= NUMBER_MAX):
        raise Trouble(Code.INVALID, f"{name} is a number")
    return int(text)


def _lane(text: str) -> int | None:
    if not text:
        return None
    lane = int(text)
    if not -(2**63) <= lane < 2**63:
        raise Trouble(Code.INVALID, "lane is a 64-bit number")
    return lane


def _kind(word: str) -> Kind | None:
    if not word:
        return None
    found = [kind for kind in Kind if kind.word == word]
    if not found:
        raise Trouble(Code.INVALID, "kind is payment or reversal")
    return found[0]


def _moment(text: str) -> int:
    if not text:
        return 0
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Trouble(Code.INVALID, "write times as 2026-01-15T07:00:00Z") from None
    if read.tzinfo is None:
        raise Trouble(Code.INVALID, "write times with their zone: 2026-01-15T07:00:00Z")
    since = read - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
