"""How events are written as leaves: one line of JSON each, so that whoever checks a proof can read what it proves.

A leaf is not stored; it is written anew from the row it tells of, and must come out the same to the byte for ever. So
fields are never renamed, moved or taken away, and new ones have a default, which is not written. What a person wrote as
a reason is there as its SHA-256; the sealed record as well. Bytes are base64.
"""

import hashlib
from typing import Final

import msgspec

from spool.entry import Act, Entry, Event
from spool.lifecycle import State, Told
from spool.rank import USUAL

_encode: Final = msgspec.json.Encoder().encode
_sha256: Final = hashlib.sha256


class _Accepted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="event", tag="accepted"):
    """An entry was taken."""

    number: int
    id: bytes
    kind: str
    channel: str
    key: str
    fingerprint: bytes
    route: str
    lane: int
    amount: int
    currency: str
    at_us: int
    state: str
    told: str
    policy: str
    reverses: int
    key_id: int
    sealed_sha256: bytes
    rank: int = USUAL


class _Moved(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="event", tag="moved"):
    """An entry changed its state."""

    number: int
    at_us: int
    move: str
    source: str
    target: str
    attempt: int
    told: str
    reason: str = ""
    core_id: str = ""
    actor: str = ""
    note_sha256: str = ""


class _Acted(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="event", tag="acted"):
    """A person, or the program for one, did something that is no move."""

    at_us: int
    act: str
    subject: str = ""
    detail: str = ""
    actor: str = ""
    note_sha256: str = ""


def accepted(entry: Entry, state: State, told: Told, seal: tuple[int, bytes] | None = None) -> bytes:
    """An entry as it was taken: in this state, its channel told this; the rest never changes.

    Where its content was sealed anew since, `seal` is the key id and the SHA-256 of the record it was taken with.
    """
    key_id, sealed_sha256 = seal or (entry.key_id, _sha256(entry.sealed).digest())
    return _encode(
        _Accepted(
            entry.number,
            entry.id,
            entry.kind.word,
            entry.channel,
            entry.key,
            entry.fingerprint,
            entry.route,
            entry.lane,
            entry.amount,
            entry.currency,
            entry.accepted_at_us,
            state.word,
            told.word,
            entry.policy,
            entry.reverses,
            key_id,
            sealed_sha256,
            entry.rank,
        )
    )


def moved(event: Event) -> bytes:
    """A change of an entry's state, with what the entry says after it."""
    assert event.source is not None, "an acceptance is told by its entry"
    return _encode(
        _Moved(
            event.number,
            event.at_us,
            event.name,
            event.source.word,
            event.target.word,
            event.attempt,
            event.told.word,
            event.reason,
            event.core_id,
            event.actor,
            _digest(event.note),
        )
    )


def acted(act: Act) -> bytes:
    """A person's act."""
    return _encode(_Acted(act.at_us, act.name, act.subject, act.detail, act.actor, _digest(act.note)))


def _digest(note: str) -> str:
    return _sha256(note.encode()).hexdigest() if note else ""
