"""The lifecycle as written down: states, and the only ways from one to another."""

from itertools import product
from typing import Any

import pytest

from spool import lifecycle as way
from spool.entry import Draft, Entry
from spool.lifecycle import FINAL, TRANSITIONS, UNSENT, WAITING, Kind, State, Told, Transition
from spool.store import Move

EDGES = {
    ("claim", State.READY, State.IN_FLIGHT),
    ("resend", State.IN_DOUBT, State.IN_FLIGHT),
    ("post", State.IN_FLIGHT, State.POSTED),
    ("post", State.IN_DOUBT, State.POSTED),
    ("refuse", State.IN_FLIGHT, State.REFUSED),
    ("refuse", State.IN_DOUBT, State.REFUSED),
    ("not_sent", State.IN_FLIGHT, State.READY),
    ("give_back", State.IN_FLIGHT, State.CANCELLED),
    ("doubt", State.IN_FLIGHT, State.IN_DOUBT),
    ("postpone", State.IN_DOUBT, State.IN_DOUBT),
    ("absent", State.IN_DOUBT, State.READY),
    ("park", State.IN_FLIGHT, State.PARKED),
    ("park", State.IN_DOUBT, State.PARKED),
    ("park", State.READY, State.PARKED),
    ("quarantine", State.READY, State.QUARANTINED),
    ("quarantine", State.IN_FLIGHT, State.QUARANTINED),
    ("quarantine", State.IN_DOUBT, State.QUARANTINED),
    ("quarantine", State.HELD, State.QUARANTINED),
    ("quarantine", State.PARKED, State.QUARANTINED),
    ("hold", State.READY, State.HELD),
    ("release", State.HELD, State.READY),
    ("retry", State.PARKED, State.IN_DOUBT),
    ("retry", State.QUARANTINED, State.IN_DOUBT),
    ("cancel", State.READY, State.CANCELLED),
    ("cancel", State.HELD, State.CANCELLED),
    ("reopen", State.REFUSED, State.READY),
    ("join", State.READY, State.CANCELLED),
    ("set_apart", State.READY, State.PARKED),
    ("close_posted", State.HELD, State.POSTED),
    ("close_posted", State.PARKED, State.POSTED),
    ("close_posted", State.QUARANTINED, State.POSTED),
    ("close_refused", State.HELD, State.REFUSED),
    ("close_refused", State.PARKED, State.REFUSED),
    ("close_refused", State.QUARANTINED, State.REFUSED),
    ("close_returned", State.REFUSED, State.RETURNED),
    ("close_returned", State.HELD, State.RETURNED),
    ("close_returned", State.PARKED, State.RETURNED),
    ("close_returned", State.QUARANTINED, State.RETURNED),
}
"""Written out a second time, so that a change of the lifecycle is a change in two places."""

FORBIDDEN = [(t, source) for t, source in product(TRANSITIONS, State) if source not in t.sources]

DRAFT: dict[str, Any] = {
    "number": 1,
    "id": bytes(16),
    "kind": Kind.PAYMENT,
    "channel": "kiosk",
    "key": "key-1",
    "fingerprint": b"f",
    "route": "billing",
    "lane": 1,
    "amount": 1,
    "currency": "TJS",
    "accepted_at_us": 1,
    "state": State.READY,
    "told": Told.NOTHING,
}


def entry(state: State) -> Entry:
    """An entry in a state."""
    kept: dict[str, Any] = {
        "epoch": 3,
        "attempts": 2,
        "due_at_us": 4,
        "changed_at_us": 5,
        "reason": "old",
        "policy": "",
        "reverses": 0,
    }
    return Entry(**{**DRAFT, **kept, "state": state, "core_id": "core-1", "key_id": 1, "sealed": b"", "rank": 2})


def name_of(value: object) -> str:
    """What a transition or state is called in a test's name."""
    return value.name if isinstance(value, Transition | State) else str(value)


def test_the_ways_are_those_written_down() -> None:
    """No more and no fewer."""
    assert {(t.name, source, t.target) for t in TRANSITIONS for source in t.sources} == EDGES


def test_transitions_have_names_of_their_own() -> None:
    """The history tells them apart by name."""
    assert len({t.name for t in TRANSITIONS}) == len(TRANSITIONS)


@pytest.mark.parametrize(("transition", "source"), FORBIDDEN, ids=name_of)
def test_a_move_from_anywhere_else_is_our_own_mistake(transition: Transition, source: State) -> None:
    """It can't even be written down."""
    with pytest.raises(AssertionError, match=f"{transition.name} does not start from {source.word}"):
        Move(entry=entry(source), transition=transition, at_us=1)


@pytest.mark.parametrize("state", sorted(FINAL - {State.REFUSED}))
def test_nothing_leaves_a_final_state(state: State) -> None:
    """Posted, returned and cancelled are for ever."""
    assert not [t for t in TRANSITIONS if state in t.sources]


@pytest.mark.parametrize("state", sorted(WAITING))
def test_every_waiting_state_leads_to_an_end(state: State) -> None:
    """Nothing waits where nobody can get it out."""
    reached = {state}
    for _ in State:
        reached |= {t.target for t in TRANSITIONS if t.sources & reached}

    assert State.POSTED in reached


def test_final_and_waiting_are_all_there_is() -> None:
    """Every payment is in exactly one of them."""
    assert set(State) == FINAL | WAITING
    assert not FINAL & WAITING
    assert UNSENT <= WAITING


def test_only_a_claim_or_resend_begins_an_attempt() -> None:
    """They are what raises the epoch."""
    assert {t for t in TRANSITIONS if t.target is State.IN_FLIGHT} == {way.CLAIM, way.RESEND}


def test_a_payment_once_sent_is_never_cancelled_here() -> None:
    """Something of it may be at the core; only one surely not sent and never promised is given back."""
    assert {t.name for t in TRANSITIONS if t.target is State.CANCELLED and t.sources - UNSENT} == {"give_back"}


@pytest.mark.parametrize(
    ("enumeration", "numbers"),
    [
        (
            State,
            {
                "READY": 1,
                "IN_FLIGHT": 2,
                "IN_DOUBT": 3,
                "HELD": 4,
                "PARKED": 5,
                "QUARANTINED": 6,
                "POSTED": 7,
                "REFUSED": 8,
                "RETURNED": 9,
                "CANCELLED": 10,
            },
        ),
        (Kind, {"PAYMENT": 1, "REVERSAL": 2}),
        (Told, {"NOTHING": 0, "POSTED": 1, "PROVISIONAL": 2, "REFUSED": 3}),
    ],
)
def test_stored_numbers_never_change(enumeration: type[State | Kind | Told], numbers: dict[str, int]) -> None:
    """They are in every spool there is."""
    assert {member.name: int(member) for member in enumeration} == numbers


@pytest.mark.parametrize("state", list(State))
def test_a_state_is_read_from_its_word(state: State) -> None:
    """As people and protocols write it."""
    assert State.from_word(state.word) is state


def test_an_unknown_word_is_answered_with_those_there_are() -> None:
    """Whoever mistyped sees what to type."""
    with pytest.raises(ValueError, match="no state 'done'; there are: ready, in_flight, in_doubt"):
        State.from_word("done")


# Moves


def test_a_move_changes_what_it_names_and_nothing_else() -> None:
    """Reason and time are replaced, what was told and the core's id stay unless given."""
    before = entry(State.IN_DOUBT)

    after = Move(entry=before, transition=way.POST, at_us=9).after()

    assert (after.state, after.changed_at_us, after.due_at_us, after.reason) == (State.POSTED, 9, 0, "")
    assert (after.told, after.core_id, after.epoch, after.attempts) == (before.told, "core-1", 3, 2)


def test_a_move_may_set_time_told_reason_and_core_id() -> None:
    """All at once."""
    move = Move(
        entry=entry(State.IN_DOUBT),
        transition=way.POSTPONE,
        at_us=9,
        due_at_us=10,
        told=Told.PROVISIONAL,
        reason="pending",
        core_id="core-2",
    )

    after = move.after()

    assert (after.due_at_us, after.told, after.reason, after.core_id) == (10, Told.PROVISIONAL, "pending", "core-2")


@pytest.mark.parametrize("transition", [way.CLAIM, way.RESEND], ids=name_of)
def test_beginning_an_attempt_raises_epoch_and_attempts(transition: Transition) -> None:
    """By one each."""
    (source,) = transition.sources

    after = Move(entry=entry(source), transition=transition, at_us=9).after()

    assert (after.epoch, after.attempts) == (4, 3)


# Drafts


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"number": 0}, "63 bits"),
        ({"number": 2**63}, "63 bits"),
        ({"id": bytes(15)}, "UUID"),
        ({"amount": 0}, "about money"),
        ({"amount": -1}, "about money"),
        ({"lane": 2**63}, "64-bit"),
        ({"lane": -(2**63) - 1}, "64-bit"),
        ({"reverses": 5}, "names its payment"),
        ({"kind": Kind.REVERSAL}, "names its payment"),
    ],
)
def test_an_impossible_draft_is_our_own_mistake(wrong: dict[str, Any], words: str) -> None:
    """It never comes near the disk."""
    with pytest.raises(AssertionError, match=words):
        Draft(**{**DRAFT, "content": b"", **wrong})


def test_drafts_and_entries_show_nothing_personal() -> None:
    """Neither key nor content nor lane."""
    assert repr(Draft(**DRAFT, content=b"992900123456")) == "Draft(payment 1, ready, 1 TJS)"
    assert repr(entry(State.HELD)) == "Entry(payment 1, held, epoch=3)"
