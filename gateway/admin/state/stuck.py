"""What does not move: why, what the machine does about it next and when, and what a person may do. Decided here, pure.

The words are for whoever is woken at night: what it means for the payments first, then what goes on by itself, then the
verb. Where the machine goes on alone it says so, as the best act is then none.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from gateway.admin.views import Money, moment, moneys
from gateway.conclude import PARKED_AS_BLIND, PARKED_AS_FINAL, PARKED_FOR_ATTEMPTS, PARKED_FOR_CONFLICT
from gateway.route.zone import Zone
from spool.lifecycle import State
from spool.store import Aged
from spool.tally import NOTHING, Sum

US: Final = 1_000_000

WORDS: Final[Mapping[tuple[State, str], str]] = {
    (State.PARKED, PARKED_FOR_CONFLICT): "the core knows the same number with another content",
    (State.PARKED, PARKED_AS_BLIND): "an attempt's outcome is unknown, and the core can't be asked for it",
    (State.PARKED, PARKED_FOR_ATTEMPTS): "it failed again and again while others of the route were posted",
    (State.PARKED, PARKED_AS_FINAL): "a reversal, and the core can't undo what it booked",
    (State.QUARANTINED, "damaged"): "the record can't be opened, or something speaks against it",
}
"""What a state and a reason mean, in words."""

_IN_GENERAL: Final = {
    State.HELD: "a person stopped it before it was sent",
    State.PARKED: "the machine may not go on with it by itself",
    State.QUARANTINED: "the record can't be opened, or something speaks against it",
    State.IN_DOUBT: "an attempt was sent and nobody knows yet what became of it",
}

_VERBS: Final = {
    State.HELD: ("release", "close"),
    State.PARKED: ("retry", "close"),
    State.QUARANTINED: ("verify", "retry", "close"),
    State.IN_DOUBT: (),
}

_EXPLAINED: Final = {
    State.HELD: (
        "It stays where it is until it is released or ended; later payments of the same accounts wait behind it. Released,"
        " it goes on in its old place."
    ),
    State.PARKED: (
        "Nothing more is sent of it; later payments of the same accounts wait behind it. Retry has the core asked (or,"
        " where it dedupes, sent the same again); close ends it by evidence: posted, refused, or returned."
    ),
    State.QUARANTINED: (
        "Nothing of it is sent; later payments of the same accounts wait behind it. Verify says what is wrong; after a"
        " repair retry it, or close it by evidence."
    ),
    State.IN_DOUBT: (
        "The core is asked by our own number, or sent the same again where it dedupes; never anything else. Nothing is"
        " lost and nothing doubled meanwhile; later payments of the same accounts wait."
    ),
}


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not move."""

    #: A bounded word: `route`, `pace`, `limit`, `spool`, `keys`, `evidence`, a state, `returns`, `proposals`.
    what: str
    #: Which case of it, in a bounded word: a zone, a reason of parking, `forced`; empty where there is one only.
    case: str = ""
    #: Empty where it is of the whole service.
    route: str
    #: Empty where it is no entries.
    waiting: tuple[Money, ...] = ()
    since: str = ""
    why: str
    #: What the machine does next by itself; empty where it waits for a person.
    next: str
    #: When, where that is known.
    next_at: str = ""
    #: What a person may do: verbs of the command line.
    verbs: tuple[str, ...] = ()
    #: All of it in sentences.
    explained: str


class StuckShown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that does not move, what needs a person first."""

    at: str
    stuck: tuple[Stuck, ...]


class RouteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a route that may not move."""

    name: str
    zone: Zone
    since_us: int
    waiting: dict[str, Sum]
    #: The diagnosis in words; empty where there is none.
    diagnosis: str
    #: Who forced it, and until when; empty and 0 where nobody did.
    forced_by: str
    forced_until_us: int
    #: Who has it post slower than configured, how fast, and until when; empty and 0 where nobody does.
    slowed_by: str = ""
    slowed_to: str = ""
    slowed_until_us: int = 0
    #: When it looks at its core next by itself.
    next_try_us: int
    #: Scopes whose limit is reached: a channel, or empty for the route.
    full: tuple[str, ...]


def route_stuck(facts: RouteFacts) -> Iterable[Stuck]:
    """A route that passes nothing, or not all."""
    waiting = moneys(facts.waiting)
    if facts.zone is Zone.OPEN:
        yield _open(facts, waiting)
    elif facts.zone is not Zone.CLOSED:
        what = "one payment at a time is tried" if facts.zone is Zone.TRIAL else "a share of payments passes"
        yield Stuck(
            what="route",
            case=facts.zone.value,
            route=facts.name,
            waiting=waiting,
            since=moment(facts.since_us),
            why=facts.diagnosis or "the core is only half well",
            next=f"{what}; good answers close the route, failures open it",
            verbs=("route open", "route close"),
            explained=(
                f"Route {facts.name} is {facts.zone.value}: {what}, all others are taken in the core's place. It decides by"
                " what the core answers; nobody need do anything."
            ),
        )
    if facts.slowed_by and facts.waiting and facts.zone is not Zone.OPEN:
        yield _slowed(facts, waiting)
    for channel in facts.full:
        scope = f"channel {channel}" if channel else "all channels"
        yield Stuck(
            what="limit",
            route=facts.name,
            why=f"as much as may be is taken in the core's place already, of {scope}",
            next="taken again as soon as waiting payments are posted",
            verbs=("policy propose",),
            explained=(
                f"New payments of {scope} get 'try later' on route {facts.name}: the limit of the stand-in policy is"
                " reached. What was taken is safe. A higher limit is proposed by one person and confirmed by another."
            ),
        )


def _open(facts: RouteFacts, waiting: tuple[Money, ...]) -> Stuck:
    if facts.forced_by:
        following, at_us = "decides by the evidence again when that ends", facts.forced_until_us
        why = f"{facts.forced_by} keeps it open"
    else:
        following, at_us = "looks whether the core is back", facts.next_try_us
        why = facts.diagnosis or "the core is down"
    return Stuck(
        what="route",
        case="forced" if facts.forced_by else facts.zone.value,
        route=facts.name,
        waiting=waiting,
        since=moment(facts.since_us),
        why=why,
        next=following,
        next_at=moment(at_us),
        verbs=("route auto", "route close"),
        explained=(
            f"Route {facts.name} stands in: payments are taken in the core's place, and nothing is sent to it. Why: {why}."
            f" By itself it {following}; then one payment is tried, and good answers close the route. Route auto asks the"
            " core at once; route close sends whatever the evidence says."
        ),
    )


def _slowed(facts: RouteFacts, waiting: tuple[Money, ...]) -> Stuck:
    return Stuck(
        what="pace",
        route=facts.name,
        waiting=waiting,
        why=f"{facts.slowed_by} has it post at most {facts.slowed_to}",
        next="posts as fast as the core bears when that ends",
        next_at=moment(facts.slowed_until_us),
        verbs=("pace --auto",),
        explained=(
            f"Route {facts.name} posts at most {facts.slowed_to}, by the word of {facts.slowed_by}, payers' payments and"
            " what waits together; what finds no room is taken in the core's place. Pace --auto takes the word back."
        ),
    )


def states_stuck(
    route: str,
    aged: Mapping[Aged, Sum],
    since_us: Mapping[tuple[State, str], int],
    next_due_us: int,
    can_ask: "Callable[[State, str], bool]",
) -> Iterable[Stuck]:
    """Entries of a route that wait for a person, or for an answer, by state and reason.

    `can_ask` says of which of them a person may have the core asked now.
    """
    found: dict[tuple[State, str], dict[str, Sum]] = {}
    for cell, total in aged.items():
        if cell.state in _VERBS:
            # In doubt, the reason is only the last attempt's.
            at = found.setdefault((cell.state, "" if cell.state is State.IN_DOUBT else cell.reason), {})
            at[cell.currency] = at.get(cell.currency, NOTHING) + total
    for (state, reason), sums in sorted(found.items()):
        by_itself = state is State.IN_DOUBT
        why = WORDS.get((state, reason), _IN_GENERAL[state])
        yield Stuck(
            what=state.word,
            case=reason if (state, reason) in WORDS else "",
            route=route,
            waiting=moneys(sums),
            since=moment(since_us.get((state, reason), 0)),
            why=f"{why} ({reason})" if reason else why,
            next="the core is asked" if by_itself else "",
            next_at=moment(next_due_us) if by_itself else "",
            verbs=("inquire", *_VERBS[state]) if can_ask(state, reason) else _VERBS[state],
            explained=f"{why[0].upper()}{why[1:]}. {_EXPLAINED[state]}",
        )


def persons_first(found: Iterable[Stuck]) -> tuple[Stuck, ...]:
    """What needs a person comes first; otherwise the order stays."""
    return tuple(sorted(found, key=lambda each: bool(each.next)))
