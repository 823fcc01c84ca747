"""A proposal: what one person wants done and another has to confirm. Pure data, and the rules by which it is decided.

It carries its own audit: who wanted what, why and when, who decided, and what came of it. Ended ones are kept.
"""

import enum
from typing import Final

import msgspec
from msgspec.structs import replace


class Stand(enum.StrEnum):
    """Where a proposal is."""

    OPEN = "open"
    """Waits for a second person. Past its end it can only be declined or withdrawn, and is shown as expired."""
    CONFIRMED = "confirmed"
    """Confirmed and not known to be done: being done, or cut off while it was. Confirming again finishes it."""
    DONE = "done"
    FAILED = "failed"
    """Confirmed, and could not be done any more: what it was about had changed."""
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Verdict(enum.StrEnum):
    """What may be said to a proposal."""

    CONFIRM = "confirm"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal, as it is kept."""

    #: Rises with time: microseconds since 1970 when it was made.
    id: int
    #: Which room does it: `close`, `policy`.
    act: str
    #: What it is about: an entry's number, a route.
    subject: str
    #: All of it in one line for whoever confirms; nothing personal.
    summary: str
    #: The order as its room reads it, JSON.
    order: msgspec.Raw
    maker: str
    reason: str
    made_at_us: int
    #: From then on it can't be confirmed.
    ends_at_us: int
    stand: Stand = Stand.OPEN
    #: Who decided, why and when; empty while nobody has.
    checker: str = ""
    word: str = ""
    decided_at_us: int = 0
    #: What came of it, in one line.
    outcome: str = ""

    def has_expired(self, now_us: int) -> bool:
        """Nobody decided in time."""
        return self.stand is Stand.OPEN and now_us >= self.ends_at_us

    @property
    def actors(self) -> str:
        """Both persons, as histories name them. A name has no plus sign, so it can't be one person's."""
        return f"{self.maker}+{self.checker}"


class Undecidable(Exception):
    """This can't be said to this proposal now; the message says why."""


_STANDS: Final = {Verdict.DECLINE: Stand.DECLINED, Verdict.WITHDRAW: Stand.WITHDRAWN, Verdict.CONFIRM: Stand.CONFIRMED}


def decided(proposal: Proposal, verdict: Verdict, person: str, word: str, now_us: int) -> Proposal:
    """The proposal once `person` has said it.

    Raises:
        Undecidable: it is decided already or over, or it isn't for this person to say.
    """
    if verdict is Verdict.CONFIRM and person == proposal.maker:
        raise Undecidable("a second person confirms: you proposed it yourself")
    if verdict is Verdict.WITHDRAW and person != proposal.maker:
        raise Undecidable(f"only {proposal.maker}, who proposed it, may withdraw it")
    if verdict is Verdict.CONFIRM and proposal.stand is Stand.CONFIRMED:
        return proposal
    if proposal.stand is not Stand.OPEN:
        raise Undecidable(f"it is {proposal.stand} already")
    if verdict is Verdict.CONFIRM and proposal.has_expired(now_us):
        raise Undecidable("nobody confirmed it in time: propose it anew")
    return replace(proposal, stand=_STANDS[verdict], checker=person, word=word, decided_at_us=now_us)


def ended(proposal: Proposal, *, done: bool, outcome: str) -> Proposal:
    """A confirmed proposal with what came of it."""
    assert proposal.stand is Stand.CONFIRMED, "only what two persons want is done"
    return replace(proposal, stand=Stand.DONE if done else Stand.FAILED, outcome=outcome)
