"""What an OSMP core's answer means: XML into tags, tags and code into an outcome. Pure.

Codes as in Optima Bank's "QIWI OSMP v1.4", QIWI's `/api/errors`, PegasPay and Rapida; fatal ones are refusals. They are
published, with their meaning here, in `docs/reference/outcomes.md`.
"""

import enum
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Self
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml.common import DefusedXmlException  # type: ignore[import-untyped] # the library ships no types
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped] # the library ships no types
from pydantic import BaseModel, ConfigDict, Field, model_validator

from adapters.core import Delivery
from adapters.cores.sums import same_sum
from adapters.outcome import Cause, Conflict, Misconfigured, NotSent, Outcome, Pending, Posted, Refused, Unknown
from adapters.payment import Refusal

TEXT_CHARS_MAX: Final = 500
"""Longest text of a core that is kept."""

CODE_DIGITS_MAX: Final = 5
"""Longest result code."""

SHOWN_MAX: Final = 32
"""Most fields of a check that are passed on to the payer."""


class Meaning(enum.StrEnum):
    """What a code can be said to mean."""

    POSTED = "posted"
    """Booked, now or by an earlier attempt."""
    ALREADY = "already"
    """Booked by an earlier attempt."""
    PENDING = "pending"
    """Taken, not booked yet."""
    REFUSED = "refused"
    """A final no."""
    NOT_SENT = "not_sent"
    """Nothing was booked; send it again later."""
    CONFLICT = "conflict"
    """A person must look."""
    UNKNOWN = "unknown"
    """No telling."""
    MISCONFIGURED = "misconfigured"
    """Every payment would get it."""
    NOT_FOUND = "not_found"
    """At an inquiry: the core holds nothing under our number."""


class CodeMeaning(BaseModel):
    """What one code means: `{ means = "refused", refusal = "account_inactive" }`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    means: Annotated[Meaning, Field(description="What the code says about the money.")]
    refusal: Annotated[Refusal | None, Field(description="Why, where it is a refusal.")] = None

    @model_validator(mode="after")
    def _reason_with_refusal(self) -> Self:
        if (self.means is Meaning.REFUSED) != (self.refusal is not None):
            raise ValueError("refusal is given with means = 'refused', and only then")
        return self


def _refused(refusal: Refusal) -> CodeMeaning:
    return CodeMeaning(means=Meaning.REFUSED, refusal=refusal)


CODES: Final[Mapping[str, CodeMeaning]] = {
    "0": CodeMeaning(means=Meaning.POSTED),
    "1": CodeMeaning(means=Meaning.NOT_SENT),
    "4": _refused(Refusal.ACCOUNT_FORMAT),
    "5": _refused(Refusal.UNKNOWN_ACCOUNT),
    "7": _refused(Refusal.FORBIDDEN),
    "8": _refused(Refusal.OTHER),
    "10": _refused(Refusal.ALREADY_PAID),
    "31": _refused(Refusal.OTHER),
    "32": _refused(Refusal.CURRENCY),
    "79": _refused(Refusal.ACCOUNT_INACTIVE),
    "90": CodeMeaning(means=Meaning.PENDING),
    "241": _refused(Refusal.AMOUNT_TOO_SMALL),
    "242": _refused(Refusal.AMOUNT_TOO_LARGE),
    "243": _refused(Refusal.OTHER),
    "251": _refused(Refusal.NOT_REVERSIBLE),
    "300": _refused(Refusal.OTHER),
    "500": CodeMeaning(means=Meaning.MISCONFIGURED),
}
"""At `pay` and `cancel`, unless the settings say otherwise. A code that isn't here is unknown."""

REPEAT_CODES: Final[Mapping[str, CodeMeaning]] = {
    "251": CodeMeaning(means=Meaning.CONFLICT),
    "300": CodeMeaning(means=Meaning.CONFLICT),
}
"""At a second or later attempt, where the first may have worked: 300 is what real front ends answer to a repeat of a
booked payment (Ubilling's qiwi), and 251 what is left to say of a cancel that was done already."""

CHECK_CODES: Final[Mapping[str, CodeMeaning]] = {"243": CodeMeaning(means=Meaning.NOT_SENT)}
"""At `check`: the state of the account can't be told now, which is no final no."""

STATUS_CODES: Final[Mapping[str, CodeMeaning]] = {
    "0": CodeMeaning(means=Meaning.POSTED),
    "90": CodeMeaning(means=Meaning.PENDING),
}
"""At the inquiry of dialects that have one: a code says something of the payment only where the contract says so."""

_HAVE_SUM: Final = frozenset({Meaning.POSTED, Meaning.ALREADY, Meaning.PENDING})

_UNTOLD: Final = CodeMeaning(means=Meaning.UNKNOWN)


class OsmpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of one answer. Holds personal data."""

    #: The code as written, without leading zeros.
    code: str
    #: Our number as the core repeats it; empty when it doesn't.
    number: str
    core_id: str
    sum: str
    comment: str
    core_time: str
    fields: tuple[tuple[str, str], ...]


def read_answer(body: bytes, number_tags: Sequence[str], shown_tags: Sequence[str] = ()) -> OsmpAnswer | None:
    """The tags of an answer, None when it can't be read: no XML, with a DTD, a tag twice, or no code.

    `number_tags` are the names our number may have, in this dialect or another; `shown_tags` the further tags that a
    check shows to the payer.
    """
    pairs = flat_tags(body)
    root = _parsed(body) if pairs is None else None
    if root is not None:
        pairs = [(each.tag, each.text or "") for each in root]
    tags = {name.lower(): text.strip() for name, text in pairs or ()}
    code = tags.get("result", "")
    if len(tags) != len(pairs or ()) or not (code.isascii() and code.isdigit() and len(code) <= CODE_DIGITS_MAX):
        return None
    return OsmpAnswer(
        code=str(int(code)),
        number=next((tags[name] for name in number_tags if tags.get(name)), ""),
        core_id=(tags.get("prv_txn") or tags.get("prv_txn_id") or "")[:TEXT_CHARS_MAX],
        sum=tags.get("sum", ""),
        comment=tags.get("comment", "")[:TEXT_CHARS_MAX],
        core_time=tags.get("prv_txn_date", "")[:TEXT_CHARS_MAX],
        fields=_shown(root, tags, shown_tags),
    )


_NAME: Final = rb"[A-Za-z_][A-Za-z0-9_.-]*"
_TEXT: Final = rb"[^<>&\x00-\x08\x0b-\x1f\x7f]*"
_TAG_TEXT: Final = re.compile(r"<([^<>/]+)>([^<]*)</|<([^<>/]+)/>")
_FLAT: Final = re.compile(
    rb'(?:<\?xml version="1\.0" encoding="(?:UTF|utf)-8"\?>)?\s*<response>'
    rb"((?:\s*(?:<(" + _NAME + rb")>" + _TEXT + rb"</\2>|<" + _NAME + rb"/>))*)\s*</response>\s*"
)
_NONCHARACTERS: Final = b"\xef\xbf"


def flat_tags(body: bytes) -> list[tuple[str, str]] | None:
    """Tags and texts of the plainest form of an answer, None for every other, which the XML parser has to read.

    That form (UTF-8, one level, no attributes, references, comments or DTD) is nearly every answer there is, and is
    read so in a tenth of the parser's time; this is the drain's hot path.
    """
    match = _FLAT.fullmatch(body)
    if match is None or _NONCHARACTERS in body:
        return None
    try:
        text = match[1].decode("utf-8")
    except UnicodeDecodeError:
        return None
    return [(name or empty, content) for name, content, empty in _TAG_TEXT.findall(text)]


def _parsed(body: bytes) -> Element | None:
    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        return None
    return root


def _shown(root: Element | None, tags: Mapping[str, str], shown_tags: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if root is None and not shown_tags:
        return ()
    fields = None if root is None else root.find("fields")
    shown = [(each.get("name") or each.tag, (each.text or "").strip()) for each in (() if fields is None else fields)]
    shown += [(name, tags[name]) for name in shown_tags if tags.get(name)]
    return tuple((name[:TEXT_CHARS_MAX], text[:TEXT_CHARS_MAX]) for name, text in shown[:SHOWN_MAX])


def doubt_of(
    answer: OsmpAnswer, meaning: CodeMeaning, delivery: Delivery, *, echo_required: bool
) -> Unknown | Conflict | None:
    """Why an answer isn't believed to be about this delivery; None when it is.

    The number is looked at whatever the code says: a refusal of another payment would send this one's money back.
    """
    if not answer.number and echo_required:
        return Unknown(cause=Cause.UNREADABLE, detail="no number in the answer")
    if answer.number and answer.number.lstrip("0") != str(delivery.number):
        return Unknown(cause=Cause.UNREADABLE, detail="the answer is about another number")
    if not answer.sum or meaning.means not in _HAVE_SUM:
        return None
    same = same_sum(answer.sum, delivery.amount, delivery.currency)
    if same is None:
        return Unknown(cause=Cause.UNREADABLE, detail="the sum in the answer can't be read")
    return None if same else Conflict(found="the core holds another sum")


def outcome_of(answer: OsmpAnswer, meaning: CodeMeaning, retry_after_s: float) -> Outcome:
    """The outcome of a believed answer."""
    means = meaning.means
    if means in (Meaning.POSTED, Meaning.ALREADY):
        return Posted(core_id=answer.core_id, core_time=answer.core_time, duplicate=means is Meaning.ALREADY)
    detail = f"result {answer.code}"
    match means:
        case Meaning.PENDING:
            return Pending(poll_after_s=retry_after_s) if retry_after_s else Pending()
        case Meaning.REFUSED:
            return Refused(refusal=meaning.refusal or Refusal.OTHER, code=answer.code, text=answer.comment)
        case Meaning.NOT_SENT:
            return NotSent(cause=Cause.MAINTENANCE, retry_after_s=retry_after_s, detail=detail)
        case Meaning.CONFLICT:
            return Conflict(found=f"the core answers {detail}")
        case Meaning.MISCONFIGURED:
            return Misconfigured(cause=Cause.CONTRACT, detail=detail)
        case _:
            return Unknown(cause=Cause.CONTRACT, detail=detail, retry_after_s=retry_after_s)


def meaning_of(code: str, table: Mapping[str, CodeMeaning]) -> CodeMeaning:
    """The table's word on a code; unknown when it has none."""
    return table.get(code, _UNTOLD)
