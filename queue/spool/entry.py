"""What the spool keeps of a payment or reversal: a header in clear, and sealed content it can't read by itself.

In clear stays only what order, limits and queries need. Everything personal or free is in the sealed part; the account
is a keyed hash. Times are microseconds since 1970 in UTC, amounts integers of minor units.
"""

from typing import Final

import msgspec

from spool.lifecycle import Kind, State, Told
from spool.rank import RANKS, USUAL
from spool.tally import Limit

_REVERSAL: Final = Kind.REVERSAL


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new entry, as the gateway hands it over to be recorded."""

    #: Time-ordered 63-bit number, made once: the entry's row, and its id at cores that want digits.
    number: int
    #: UUIDv7, 16 bytes, whose time and counter are the number's (see `spool.number`).
    id: bytes
    kind: Kind
    channel: str
    #: The channel's key; unique per channel among entries that were not given back.
    key: str
    #: Keyed hash of the request's content: the same key with another fingerprint is a conflict.
    fingerprint: bytes
    route: str
    #: 64-bit keyed hash of the account: all entries of one account on one route, in order, one in flight.
    lane: int
    amount: int
    currency: str
    accepted_at_us: int
    #: READY (stand-in), IN_FLIGHT (pass-through, with its first attempt), or CANCELLED (a reversal netted at once).
    state: State
    told: Told
    #: Version of the stand-in policy that decided.
    policy: str = ""
    #: Number of the payment a reversal undoes; 0 for payments.
    reverses: int = 0
    #: The rank it is to have (`spool.rank`); what stands before it in its lane may keep it from it.
    rank: int = USUAL
    #: Limits that a payment told provisionally is to be within, wherever the others were taken.
    within: tuple[Limit, ...] = ()
    #: The last bar its node had heard of when its request came: see `spool.nodes.Nodes.bars`.
    heard: int = 0
    #: The content to be sealed.
    content: bytes

    def __post_init__(self) -> None:
        assert 0 < self.number < 2**63, "a number fits 63 bits"
        assert len(self.id) == 16, "an id is a UUID"  # noqa: PLR2004 - bytes of a UUID
        assert self.amount > 0, "an entry is about money"
        assert 0 <= self.rank < RANKS, "a rank is one of those there are"
        assert -(2**63) <= self.lane < 2**63, "a lane fits a signed 64-bit integer"
        assert (self.kind is _REVERSAL) == bool(self.reverses), "a reversal names its payment, a payment none"

    def __repr__(self) -> str:
        return f"Draft({self.kind.word} {self.number}, {self.state.word}, {self.amount} {self.currency})"


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is kept; content is still sealed."""

    number: int
    id: bytes
    kind: Kind
    channel: str
    key: str
    fingerprint: bytes
    route: str
    lane: int
    amount: int
    currency: str
    accepted_at_us: int
    state: State
    #: Raised by every claim; an outcome counts only for the epoch it was made in.
    epoch: int
    #: Attempts begun so far.
    attempts: int
    #: Not before this time; 0 = at once.
    due_at_us: int
    #: When its state last changed.
    changed_at_us: int
    told: Told
    #: Why it is where it is, where that needs saying: a refusal, a parking reason. Bounded vocabulary.
    reason: str
    policy: str
    reverses: int
    #: The core's own id of the booking; empty until known.
    core_id: str
    #: Data key the content is sealed under.
    key_id: int
    sealed: bytes
    #: How soon it goes, beside other lanes' (`spool.rank`).
    rank: int

    def __repr__(self) -> str:
        return f"Entry({self.kind.word} {self.number}, {self.state.word}, epoch={self.epoch})"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an entry's history."""

    number: int
    at_us: int
    #: Name of the transition, or `record`.
    name: str
    source: State | None
    target: State
    #: Attempt it belongs to; 0 where none.
    attempt: int
    #: What happened, in bounded words: an outcome's cause, a refusal.
    reason: str
    #: Who did it: empty for the machine, else the person's name and their stated reason.
    actor: str
    note: str
    #: What the entry's channel has been told after it, and the core's id of the booking, where known.
    told: Told
    core_id: str
    #: Index of its leaf in the log (see `spool.evidence`); below 0 for what happened before there was one.
    leaf: int


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What was done by a person, or by the program in a person's name, that moves no entry."""

    at_us: int
    #: What: a bounded vocabulary.
    name: str
    #: To what: a route, a key.
    subject: str = ""
    #: What follows from it, in figures or hashes; nothing personal.
    detail: str = ""
    actor: str = ""
    #: The person's stated reason.
    note: str = ""
    #: Index of its leaf in the log; below 0 until it has one.
    leaf: int = -1
