"""The answer an entry stands for: what was told stays told, whatever became of it."""

import itertools

import pytest
from msgspec.structs import replace

from adapters.payment import AnswerKind, Refusal
from gateway.accept import answers
from gateway.accept.decide import Why
from spool.entry import Entry
from spool.lifecycle import FINAL, Kind, State, Told
from spool.memory import MemoryStore
from tests.contracts.spool_examples import NOW_US, draft, put, reversal, undo
from tests.unit.heart import kept

YES, NO, PROVISIONAL = AnswerKind.POSTED, AnswerKind.REFUSED, AnswerKind.PROVISIONAL
UNDER_WAY = AnswerKind.IN_PROGRESS


def entry(state: State, told: Told = Told.NOTHING, reason: str = "") -> Entry:
    """A payment in a state, of which this was told."""
    recorded = kept(draft(7, key="k1"), state=State.READY)
    return replace(recorded, state=state, told=told, reason=reason, core_id="c7")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize(("told", "kind"), [(Told.POSTED, YES), (Told.PROVISIONAL, PROVISIONAL), (Told.REFUSED, NO)])
def test_the_same_request_hears_what_was_told_in_every_state(state: State, told: Told, kind: AnswerKind) -> None:
    """P3: even a payment refused after a provisional yes is not taken back on this way."""
    answer = answers.again(entry(state, told))
    assert (answer.kind, answer.replayed) == (kind, True)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (State.READY, UNDER_WAY),
        (State.IN_FLIGHT, UNDER_WAY),
        (State.IN_DOUBT, UNDER_WAY),
        (State.HELD, UNDER_WAY),
        (State.PARKED, UNDER_WAY),
        (State.QUARANTINED, UNDER_WAY),
        (State.POSTED, YES),
        (State.REFUSED, NO),
        (State.RETURNED, NO),
        (State.CANCELLED, NO),
    ],
)
def test_a_request_that_was_told_nothing_hears_how_it_ended(state: State, kind: AnswerKind) -> None:
    """Until it has ended, it is under way: never a no for what may be booked (P3b)."""
    assert answers.again(entry(state)).kind is kind


@pytest.mark.parametrize(("state", "told"), list(itertools.product(State, Told)))
def test_a_question_hears_how_it_stands_now(state: State, told: Told) -> None:
    """Ended: how. Else what we stand for."""
    ended = {State.POSTED: YES}.get(state, NO) if state in FINAL else None
    waiting = PROVISIONAL if told is Told.PROVISIONAL else UNDER_WAY
    assert answers.now(entry(state, told)).kind is (ended or waiting)


@pytest.mark.parametrize("state", [State.READY, State.IN_FLIGHT, State.IN_DOUBT, State.PARKED])
def test_a_reversal_that_waits_is_not_said_to_be_done(state: State) -> None:
    """Whoever hears yes gives the money back."""
    waiting = replace(entry(state, Told.PROVISIONAL), kind=Kind.REVERSAL, reverses=6)
    assert answers.now(waiting).kind is PROVISIONAL
    assert answers.now(replace(waiting, told=Told.NOTHING)).kind is UNDER_WAY


def test_an_answer_carries_the_number_and_the_sum_and_no_more_of_a_refusal_than_there_is() -> None:
    """Channels print these on receipts."""
    answer = answers.first(entry(State.POSTED), YES)
    assert (answer.number, answer.key, answer.amount, answer.currency, answer.core_id, answer.refusal) == (
        7, "k1", 10_000, "TJS", "c7", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [("unknown_account", Refusal.UNKNOWN_ACCOUNT), ("by_hand", Refusal.OTHER), ("", Refusal.OTHER)],
)
def test_a_refusal_is_told_in_the_words_channels_know(reason: str, refusal: Refusal) -> None:
    """What isn't in the vocabulary is `other`."""
    assert answers.again(entry(State.REFUSED, Told.REFUSED, reason)).refusal is refusal


def test_a_payment_that_was_netted_is_refused_because_it_was_reversed() -> None:
    """Asked about, it stands for nothing any more; to its own request repeated, the first yes stays (P3)."""
    netted = entry(State.CANCELLED, Told.PROVISIONAL, "reversed")
    asked = answers.now(netted)
    assert (asked.kind, asked.refusal, asked.state) == (NO, Refusal.REVERSED, "cancelled")
    assert (answers.again(netted).kind, answers.again(netted).refusal) == (PROVISIONAL, None)


async def test_the_reason_the_spool_writes_at_netting_is_the_word_channels_know() -> None:
    """The spool knows no channels, so nothing but this holds the two words together."""
    store = MemoryStore()
    await store.open(NOW_US)
    await undo(store, reversal(2, await put(store, draft(1))))
    netted = await store.get(1)
    assert netted is not None
    assert answers.now(netted).refusal is Refusal.REVERSED


def test_only_what_is_under_way_says_when_to_ask_again() -> None:
    """A booked payment needs no second question."""
    assert answers.told(entry(State.IN_DOUBT)).retry_after_s == answers.RETRY_AFTER_S
    assert answers.told(entry(State.POSTED, Told.POSTED)).retry_after_s == 0


def test_answers_without_an_entry() -> None:
    """Nothing is stored, so nothing of one is told."""
    later = answers.try_later(Why.ROUTE_LIMIT)
    assert (later.kind, later.text, later.number) == (AnswerKind.TRY_LATER, "route_limit", 0)
    assert answers.refused(Refusal.NO_ROUTE).refusal is Refusal.NO_ROUTE
    assert (answers.unknown("k1").kind, answers.unknown("k1").key) == (UNDER_WAY, "k1")


def test_a_conflict_names_the_fields_and_nothing_of_the_entry() -> None:
    """Whoever sent it may not be who sent the first."""
    answer = answers.conflict(entry(State.POSTED), ("amount",))
    assert (answer.kind, answer.fields, answer.number, answer.amount) == (AnswerKind.CONFLICT, ("amount",), 0, 0)


@pytest.mark.parametrize("told", [Told.POSTED, Told.PROVISIONAL])
def test_a_reversal_that_cancelled_out_is_done(told: Told) -> None:
    """Its channel was told yes, and nothing is booked: asked about, it must not look like a no."""
    netted = replace(entry(State.CANCELLED, told), kind=Kind.REVERSAL, reverses=6)

    assert answers.now(netted).kind is AnswerKind.POSTED
