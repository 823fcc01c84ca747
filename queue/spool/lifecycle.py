"""The states of an entry and the only ways from one to another.

Nobody writes a state anywhere else. Each transition is a named constant saying from which states it may start and
where it ends; engines apply it as a compare-and-set on (state, epoch) and treat "no row changed" as an answer.

```
              record (stand-in)                 claim                 outcome
   new ───────────────────────────▶ ready ───────────────▶ in_flight ───────▶ posted | refused
    │                                ▲ │ ▲                    │  │
    │ record (pass-through)          │ │ └── not_sent ────────┘  └─ unclear, or a crash ──▶ in_doubt
    └──────────▶ in_flight           │ └── hold ──▶ held                                     │ │ │
                                     └─ release ─────┘        posted | refused ◀── resolve ──┘ │ └─ park ──▶ parked
                                     └────────────────────────────── absent ───────────────────┘
```
"""

import enum
import functools
from typing import Final, NamedTuple


class State(enum.IntEnum):
    """Where an entry is. The numbers are stored; they are never reused."""

    READY = 1
    """Waiting to be sent; nothing of it is at the core. Moved on by the forwarder. A crash leaves it."""
    IN_FLIGHT = 2
    """An attempt was recorded on disk and may have left. Moved on by its outcome. A crash makes it IN_DOUBT."""
    IN_DOUBT = 3
    """An attempt ended without telling its outcome. Moved on by inquiry, or by a resend where the core dedupes."""
    HELD = 4
    """A person stopped it before it was sent. Moved on by a person."""
    PARKED = 5
    """The machine may not go on by itself (conflict, blind core, its own fault too often). Moved on by a person."""
    QUARANTINED = 6
    """The record can't be opened or fails its check. Moved on by a person, after repair."""
    POSTED = 7
    """The core booked it. Final."""
    REFUSED = 8
    """The core said a final no; where the payer had a positive answer, a return is due, unless two persons reopen it."""
    RETURNED = 9
    """Refused or overpaid, and the money's way back is confirmed. Final."""
    CANCELLED = 10
    """Reversed, or given back to its channel, before anything was sent. Final."""

    @functools.cached_property
    def word(self) -> str:
        """The state as people and protocols write it: `in_flight`."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> "State":
        """The state written as `word`.

        Raises:
            ValueError: there is no such state.
        """
        try:
            return cls[word.upper()]
        except KeyError:
            raise ValueError(f"no state {word!r}; there are: {', '.join(s.word for s in cls)}") from None


FINAL: Final = frozenset({State.POSTED, State.REFUSED, State.RETURNED, State.CANCELLED})
"""States in which nothing more is sent. Nothing leaves them but what is refused, and that by persons only."""

WAITING: Final = frozenset(State) - FINAL
"""States that still owe something: they hold their lane and count as exposure when answered provisionally."""

USUAL: Final = frozenset({State.READY, State.IN_FLIGHT, State.POSTED})
"""The way of most; whoever is in another state is one of few, and found apart."""

UNFINISHED: Final = frozenset({State.READY, State.IN_FLIGHT})
"""What an outage leaves: it is looked for without a look at anything settled."""

UNSENT: Final = frozenset({State.READY, State.HELD})
"""States in which certainly nothing of the entry is at the core, so it can still be cancelled here."""


class Kind(enum.IntEnum):
    """What an entry asks of the core. The numbers are stored."""

    PAYMENT = 1
    REVERSAL = 2

    @functools.cached_property
    def word(self) -> str:
        """The kind as people and protocols write it."""
        return self.name.lower()


class Told(enum.IntEnum):
    """What the channel was told of an entry; the same key gets the same again. The numbers are stored."""

    NOTHING = 0
    """No final answer yet: the channel is (or should be) asking again with the same key."""
    POSTED = 1
    PROVISIONAL = 2
    REFUSED = 3

    @functools.cached_property
    def word(self) -> str:
        """What was told, as people and protocols write it."""
        return self.name.lower()


POSITIVE: Final = frozenset({Told.POSTED, Told.PROVISIONAL})
"""Answers after which the payer believes that it is done: refused then, the money is owed back."""


class Transition(NamedTuple):
    """One allowed change of state, by its name in the history."""

    name: str
    sources: frozenset[State]
    target: State

    @property
    def frees_key(self) -> bool:
        """The entry lets go of its key: another may own it."""
        return self.name in _FREE_KEYS


_FREE_KEYS: Final = frozenset({"give_back", "join", "set_apart"})


def _transition(name: str, sources: set[State], target: State) -> Transition:
    assert target not in sources or name == "postpone", "a transition goes somewhere"
    assert not (sources & (FINAL - {State.REFUSED})), "nothing leaves a final state"
    return Transition(name, frozenset(sources), target)


_S = State

#: The forwarder takes it in hand: on disk before the first byte leaves.
CLAIM: Final = _transition("claim", {_S.READY}, _S.IN_FLIGHT)
#: An entry in doubt is sent again, with the same bytes, at a core that dedupes.
RESEND: Final = _transition("resend", {_S.IN_DOUBT}, _S.IN_FLIGHT)
#: The core booked it.
POST: Final = _transition("post", {_S.IN_FLIGHT, _S.IN_DOUBT}, _S.POSTED)
#: The core said a final no.
REFUSE: Final = _transition("refuse", {_S.IN_FLIGHT, _S.IN_DOUBT}, _S.REFUSED)
#: Surely nothing was sent: wait for another attempt.
NOT_SENT: Final = _transition("not_sent", {_S.IN_FLIGHT}, _S.READY)
#: Surely nothing was sent, and nobody was told yes: give it back to its channel, key and all.
GIVE_BACK: Final = _transition("give_back", {_S.IN_FLIGHT}, _S.CANCELLED)
#: The attempt ended without telling its outcome (also: the process died with the attempt in hand).
DOUBT: Final = _transition("doubt", {_S.IN_FLIGHT}, _S.IN_DOUBT)
#: The inquiry told nothing, or "not yet": ask again later.
POSTPONE: Final = _transition("postpone", {_S.IN_DOUBT}, _S.IN_DOUBT)
#: The core surely holds nothing of it: send it again.
ABSENT: Final = _transition("absent", {_S.IN_DOUBT}, _S.READY)
#: The machine may not go on by itself.
PARK: Final = _transition("park", {_S.IN_FLIGHT, _S.IN_DOUBT, _S.READY}, _S.PARKED)
#: The record can't be opened.
QUARANTINE: Final = _transition("quarantine", {_S.READY, _S.IN_FLIGHT, _S.IN_DOUBT, _S.HELD, _S.PARKED}, _S.QUARANTINED)
#: A person stops it before it is sent.
HOLD: Final = _transition("hold", {_S.READY}, _S.HELD)
#: A person lets it go on.
RELEASE: Final = _transition("release", {_S.HELD}, _S.READY)
#: A person has looked and wants the machine to ask (or, at a core that dedupes, to send) again.
RETRY: Final = _transition("retry", {_S.PARKED, _S.QUARANTINED}, _S.IN_DOUBT)
#: Undone before anything was sent.
CANCEL: Final = _transition("cancel", set(UNSENT), _S.CANCELLED)
#: The same payment, of the same key, was taken twice while a node could not ask: the other one stands for both.
JOIN: Final = _transition("join", {_S.READY}, _S.CANCELLED)
#: Its key was answered otherwise before: told yes, it may neither be sent nor dropped by the machine.
SET_APART: Final = _transition("set_apart", {_S.READY}, _S.PARKED)

BY_PERSONS: Final = frozenset({_S.HELD, _S.PARKED, _S.QUARANTINED})
"""States that only a person moves on from, so that a person may also end them."""

#: Two persons have seen that the core's no was a fault of the core's: it is sent again, by its own key. Only where nothing
#: was made of the no yet, neither a return nor a word to whoever asked (docs/decisions/0044).
REOPEN: Final = _transition("reopen", {_S.REFUSED}, _S.READY)

#: A person has seen that the core has it: found there, or booked there by hand.
CLOSE_POSTED: Final = _transition("close_posted", set(BY_PERSONS), _S.POSTED)
#: A person has seen that the core does not have it and never will.
CLOSE_REFUSED: Final = _transition("close_refused", set(BY_PERSONS), _S.REFUSED)
#: A person has seen that the money went back to who paid it (a reversal: that its matter was settled with its channel).
CLOSE_RETURNED: Final = _transition("close_returned", {_S.REFUSED, *BY_PERSONS}, _S.RETURNED)

TRANSITIONS: Final = (
    CLAIM, RESEND, POST, REFUSE, NOT_SENT, GIVE_BACK, DOUBT, POSTPONE, ABSENT, PARK, QUARANTINE, HOLD, RELEASE, RETRY,
    CANCEL, JOIN, SET_APART, REOPEN, CLOSE_POSTED, CLOSE_REFUSED, CLOSE_RETURNED,
)  # fmt: skip
