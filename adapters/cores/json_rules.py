"""Rules that say what a JSON answer means, and how they are matched. Pure."""

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final, Self, cast

import msgspec
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from adapters.payment import Refusal


class Means(enum.StrEnum):
    """What a rule can say."""

    POSTED = "posted"
    """Booked now."""
    ALREADY = "already"
    """Booked by an earlier attempt; believed after comparing amount and account."""
    CONFLICT = "conflict"
    """The core holds our key with other content."""
    PENDING = "pending"
    """Taken, not booked yet."""
    REFUSED = "refused"
    """A final no."""
    NOT_SENT = "not_sent"
    """Nothing was booked; send it again later."""
    UNKNOWN = "unknown"
    """No telling."""
    MISCONFIGURED = "misconfigured"
    """Every payment would get it."""
    NOT_FOUND = "not_found"
    """At a lookup: the core holds nothing under our reference."""
    REVERSED = "reversed"
    """At a lookup: booked, and undone again."""
    ALLOWED = "allowed"
    """At a check: the account may be paid."""


Scalar = StrictBool | StrictInt | StrictStr


class Rule(BaseModel):
    """`{ status = [404], field = "code", equals = ["NO_ACCOUNT"], means = "refused", refusal = "unknown_account" }`.

    All that is given must hold. A refusal without a reason holds only for an answer that tells one we know
    (`answer.refusal`, `answer.refusals`), so that a wrong path's 404 never turns payments away.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[
        tuple[Annotated[int, Field(ge=100, le=599)], ...], Field(description="HTTP statuses; none = any.")
    ] = ()
    field: Annotated[
        str, Field(max_length=200, description="Dotted path in the answer; empty = none is looked at.")
    ] = ""
    equals: Annotated[
        tuple[Scalar, ...], Field(description="Values the field may have; none = it only has to be there.")
    ] = ()
    means: Annotated[Means, Field(description="What such an answer says about the money.")]
    refusal: Annotated[Refusal | None, Field(description="Why, where means is refused.")] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if not self.status and not self.field:
            raise ValueError("a rule looks at a status or a field")
        if self.equals and not self.field:
            raise ValueError("equals needs the field it is about")
        if self.refusal is not None and self.means is not Means.REFUSED:
            raise ValueError("refusal is given with means = 'refused' only")
        return self


Rules = Sequence[Rule]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that matched: what the answer means, and why where it is a refusal."""

    means: Means
    refusal: Refusal | None = None


_decode: Final = msgspec.json.Decoder(object, float_hook=Decimal).decode

UNREADABLE: Final = object()
"""What `parsed` says of bytes that are no JSON; JSON's null is None."""


def parsed(body: bytes) -> object:
    """The JSON of a body, its floats as `Decimal`; `UNREADABLE` when it is none."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        return UNREADABLE


def at(tree: object, path: str) -> object:
    """What stands at a dotted path (`data.0.id`); None when nothing does, or when the path is empty."""
    if not path:
        return None
    if "." not in path and isinstance(tree, dict):
        # Where nearly every core has it.
        return cast("dict[str, object]", tree).get(path)
    found = tree
    for name in path.split("."):
        if isinstance(found, dict):
            found = cast("dict[str, object]", found).get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit():
            row = cast("list[object]", found)
            found = row[int(name)] if int(name) < len(row) else None
        else:
            return None
    return found


def text_at(tree: object, path: str, chars_max: int) -> str:
    """Text or integer at a dotted path, as text; empty when there is none."""
    value = at(tree, path)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:chars_max]


def verdict_of(
    rules: Rules, status: int, tree: object, refusal_path: str, refusals: Mapping[str, Refusal]
) -> Verdict | None:
    """What the first rule that holds says; None when none does."""
    for rule in rules:
        if rule.status and status not in rule.status:
            continue
        if rule.field and not _holds(at(tree, rule.field), rule.equals):
            continue
        if rule.means is not Means.REFUSED:
            return Verdict(means=rule.means)
        reason = rule.refusal or _reason(text_at(tree, refusal_path, 200), refusals)
        if reason is not None:
            return Verdict(means=rule.means, refusal=reason)
    return None


def _holds(value: object, equals: Sequence[bool | int | str]) -> bool:
    if not equals:
        return value is not None
    # `True == 1` in Python, and a core means two things by them.
    return any(type(value) is type(each) and value == each for each in equals)


def _reason(code: str, refusals: Mapping[str, Refusal]) -> Refusal | None:
    if code in refusals:
        return refusals[code]
    return _OWN_WORDS.get(code)


_OWN_WORDS: Final = {each.value: each for each in Refusal if each is not Refusal.REVERSED}
"""A core's "reversed" is none of them: said of a repeated reversal it may be a yes, of a payment it tells of a booking."""
