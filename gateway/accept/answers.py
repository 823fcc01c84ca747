"""The answer an entry stands for: the same for ever for the same key, as pure functions of the entry."""

from typing import Final

from msgspec.structs import replace

from adapters.instant import instant
from adapters.payment import Answer, AnswerKind, Refusal
from gateway.accept.decide import Why
from gateway.standin.accounts import Heard
from spool.entry import Entry
from spool.lifecycle import Kind, State, Told

RETRY_AFTER_S: Final = 30
"""When asking again makes sense, where nothing better is known."""

AS_OF: Final = "as_of"
"""Name of the field that says when the other fields were true."""

_KIND_TOLD: Final = {
    Told.POSTED: AnswerKind.POSTED,
    Told.PROVISIONAL: AnswerKind.PROVISIONAL,
    Told.REFUSED: AnswerKind.REFUSED,
}
_KIND_UNTOLD: Final = {
    State.POSTED: AnswerKind.POSTED,
    State.REFUSED: AnswerKind.REFUSED,
    State.RETURNED: AnswerKind.REFUSED,
    State.CANCELLED: AnswerKind.REFUSED,
}


# Looked up once: in an enumeration that costs each payment as much as a call.
_REFUSED: Final = AnswerKind.REFUSED
_IN_PROGRESS: Final = AnswerKind.IN_PROGRESS


def first(entry: Entry, kind: AnswerKind, *, replayed: bool = False) -> Answer:
    """The answer of this kind about an entry."""
    return Answer(
        kind=kind,
        number=entry.number,
        state=entry.state.word,
        refusal=refusal_of(entry) if kind is _REFUSED else None,
        retry_after_s=RETRY_AFTER_S if kind is _IN_PROGRESS else 0,
        replayed=replayed,
        amount=entry.amount,
        currency=entry.currency,
        accepted_at_us=entry.accepted_at_us,
        key=entry.key,
        core_id=entry.core_id,
    )


def told(entry: Entry) -> Answer:
    """The first answer to a request, from what was just recorded as told."""
    return first(entry, _KIND_TOLD.get(entry.told, AnswerKind.IN_PROGRESS))


def again(entry: Entry) -> Answer:
    """The answer to the same request sent again: what was told stays told, whatever became of the entry since."""
    kind = _KIND_TOLD.get(entry.told) or _KIND_UNTOLD.get(entry.state, AnswerKind.IN_PROGRESS)
    return first(entry, kind, replayed=True)


def now(entry: Entry) -> Answer:
    """The answer to a question about an entry: how it stands at present."""
    if entry.kind is Kind.REVERSAL and entry.state is State.CANCELLED and entry.told is not Told.NOTHING:
        # It cancelled out with its payment, or the payment never came to anything: either way the money is not booked.
        return first(entry, AnswerKind.POSTED)
    kind = _KIND_UNTOLD.get(entry.state)
    if kind is None:
        kind = AnswerKind.PROVISIONAL if entry.told is Told.PROVISIONAL else AnswerKind.IN_PROGRESS
    return first(entry, kind)


def taken_up(entry: Entry) -> Answer:
    """The answer about an entry whose refusal is being taken back: it waits, as before."""
    return first(replace(entry, state=State.READY), AnswerKind.PROVISIONAL)


def refusal_of(entry: Entry) -> Refusal:
    """Why the entry was refused, in the words channels know; a netted payment's reason is `reversed`."""
    try:
        return Refusal(entry.reason)
    except ValueError:
        return Refusal.OTHER


def conflict(entry: Entry, fields: tuple[str, ...]) -> Answer:
    """The key is known with other content."""
    return Answer(kind=AnswerKind.CONFLICT, key=entry.key, fields=fields, text="the key is known with other content")


def refused(refusal: Refusal, text: str = "") -> Answer:
    """A no without an entry."""
    return Answer(kind=AnswerKind.REFUSED, refusal=refusal, text=text)


def try_later(why: Why, retry_after_s: int = RETRY_AFTER_S) -> Answer:
    """Nothing was taken; why stays with us but for its word."""
    return Answer(kind=AnswerKind.TRY_LATER, retry_after_s=retry_after_s, text=why.value)


def standing_in(key: str, heard: Heard | None) -> Answer:
    """The yes to a check in the core's place: with what the core said last, marked with its time."""
    shown = () if heard is None else (*heard.fields_shown, (AS_OF, instant(heard.at_us).decode("ascii")))
    return Answer(kind=AnswerKind.PROVISIONAL, key=key, fields_shown=shown)


def unknown(key: str) -> Answer:
    """Nobody knows yet; ask again with the same key."""
    return Answer(kind=AnswerKind.IN_PROGRESS, retry_after_s=1, key=key)
