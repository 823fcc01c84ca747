"""What follows from an attempt or inquiry: one table over every outcome and level, and the rules behind it."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.core import Capabilities, Level
from adapters.outcome import (
    Cause,
    Conflict,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Refusal
from gateway.conclude import (
    Step,
    Terms,
    after_attempt,
    after_inquiry,
    cannot_tell,
    cannot_undo,
    may_inquire,
    may_resend,
)
from spool import lifecycle as way
from spool.entry import Entry
from spool.lifecycle import State, Transition
from tests.contracts.spool_examples import draft
from tests.unit.fake_core import SETTLE_S, able
from tests.unit.heart import kept

BACKOFF_S: Final = 2.0
POSTED: Final = Posted(core_id="c1")
REFUSED: Final = Refused(refusal=Refusal.UNKNOWN_ACCOUNT)
CONFLICT: Final = Conflict(found="amount")
PENDING: Final = Pending(poll_after_s=7.0)
NOT_SENT: Final = NotSent(cause=Cause.DNS, retry_after_s=1.0)
MISCONFIGURED: Final = Misconfigured(cause=Cause.CREDENTIALS)
SILENCE: Final = Unknown(cause=Cause.ANSWER_TIMEOUT)
BUSY: Final = Unknown(cause=Cause.SERVER_ERROR, retry_after_s=90.0)

WELL: Final = Terms(capabilities=able(Level.A), attempts_max=3, route_is_well=True, backoff_s=BACKOFF_S)


def terms(level: Level, **changes: object) -> Terms:
    """A well route to a core of this level."""
    return replace(WELL, capabilities=able(level), **changes)


def entry(state: State = State.IN_FLIGHT, attempts: int = 1) -> Entry:
    """An entry after so many attempts."""
    return replace(kept(draft(1), state=state), attempts=attempts)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (POSTED, Step(transition=way.POST, core_id="c1")),
        (REFUSED, Step(transition=way.REFUSE, reason="unknown_account")),
        (CONFLICT, Step(transition=way.PARK, reason="conflict")),
        (PENDING, Step(transition=way.DOUBT, wait_s=7.0, reason="pending")),
        (NOT_SENT, Step(transition=way.NOT_SENT, wait_s=BACKOFF_S, reason="dns")),
        (MISCONFIGURED, Step(transition=way.NOT_SENT, reason="credentials")),
    ],
)
def test_an_attempt_that_told_something_means_the_same_at_every_level(
    level: Level, outcome: Outcome, step: Step
) -> None:
    """Levels differ only in what follows from silence."""
    assert after_attempt(entry(), outcome, terms(level)) == step


@pytest.mark.parametrize(
    ("capabilities", "step"),
    [
        (able(Level.A), Step(transition=way.DOUBT, wait_s=BACKOFF_S, reason="answer_timeout")),
        (able(Level.B), Step(transition=way.DOUBT, wait_s=SETTLE_S, reason="answer_timeout")),
        (able(Level.C), Step(transition=way.PARK, reason="core_cannot_tell")),
        (able(Level.C, lookup=True), Step(transition=way.DOUBT, wait_s=SETTLE_S, reason="answer_timeout")),
    ],
)
def test_after_silence_the_level_decides(capabilities: Capabilities, step: Step) -> None:
    """A: send again. B: let it settle, then ask. C: search where that can be hoped for, else a person."""
    assert after_attempt(entry(), SILENCE, replace(WELL, capabilities=capabilities)) == step


def test_a_core_that_says_when_to_come_back_is_heeded() -> None:
    """Also after a 5xx that leaves a doubt."""
    assert after_attempt(entry(), BUSY, terms(Level.A)).wait_s == 90.0
    assert after_attempt(entry(), replace(NOT_SENT, retry_after_s=90.0), terms(Level.A)).wait_s == 90.0


@pytest.mark.parametrize("outcome", [NOT_SENT, MISCONFIGURED])
def test_a_repeat_that_was_not_sent_leaves_the_entry_in_doubt(outcome: Outcome) -> None:
    """The attempt before it may be booked; as ready it could be cancelled here, or sent blindly one day."""
    assert after_attempt(entry(attempts=2), outcome, terms(Level.A, repeated=True)).transition is way.DOUBT


@pytest.mark.parametrize(
    ("attempts", "well", "attempts_max", "transition"),
    [
        (2, True, 3, way.DOUBT),
        (3, True, 3, way.PARK),
        (4, True, 3, way.PARK),
        (9, False, 3, way.DOUBT),
        (9, True, 0, way.DOUBT),
    ],
)
def test_only_on_a_well_route_too_many_unclear_attempts_are_a_persons_matter(
    attempts: int,
    well: bool,  # noqa: FBT001 - a column of the table
    attempts_max: int,
    transition: Transition,
) -> None:
    """An outage parks nothing (P4)."""
    asked = terms(Level.A, route_is_well=well, attempts_max=attempts_max)
    assert after_attempt(entry(attempts=attempts), SILENCE, asked).transition is transition


def test_on_an_unwell_route_what_was_not_sent_waits_for_nothing_of_its_own() -> None:
    """The route's opening is its wait; its account did nothing wrong."""
    step = after_attempt(entry(), replace(NOT_SENT, retry_after_s=0.0), terms(Level.A, route_is_well=False))
    assert (step.transition, step.wait_s) == (way.NOT_SENT, 0.0)


@pytest.mark.parametrize("level", [Level.A, Level.B])
@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (POSTED, Step(transition=way.POST, core_id="c1")),
        (REFUSED, Step(transition=way.REFUSE, reason="unknown_account")),
        (CONFLICT, Step(transition=way.PARK, reason="conflict")),
        (PENDING, Step(transition=way.POSTPONE, wait_s=7.0, reason="pending")),
        (NotFound(), Step(transition=way.ABSENT, reason="not_found")),
        (NOT_SENT, Step(transition=way.POSTPONE, wait_s=BACKOFF_S, reason="dns")),
        (SILENCE, Step(transition=way.POSTPONE, wait_s=BACKOFF_S, reason="answer_timeout")),
        (BUSY, Step(transition=way.POSTPONE, wait_s=90.0, reason="server_error")),
        (MISCONFIGURED, Step(transition=way.POSTPONE, wait_s=BACKOFF_S, reason="credentials")),
    ],
)
def test_an_inquirys_answer_means(level: Level, outcome: InquiryOutcome, step: Step) -> None:
    """What the core surely says is done; a question without an answer is asked again, for ever if need be."""
    assert after_inquiry(outcome, terms(level)) == step


def test_not_found_before_the_settle_delay_is_asked_again_after_it() -> None:
    """What was sent a moment ago may still be in work there (a restart, or a person's retry, asks at once)."""
    step = after_inquiry(NotFound(), terms(Level.B, settled=False))
    assert step == Step(transition=way.POSTPONE, wait_s=SETTLE_S, reason="not_found")


@pytest.mark.parametrize(
    "capabilities",
    [
        able(Level.A, not_found_is_final=False),
        able(Level.B, not_found_is_final=False),
        able(Level.C, lookup=True),
        able(Level.C, lookup=True, not_found_is_final=True),
    ],
)
def test_not_found_from_a_core_whose_word_is_not_final_is_a_persons_matter(capabilities: Capabilities) -> None:
    """Sent again on such a word, it could be booked twice."""
    step = after_inquiry(NotFound(), replace(WELL, capabilities=capabilities))
    assert step == cannot_tell() == Step(transition=way.PARK, reason="core_cannot_tell")


def test_a_level_c_core_that_turns_out_not_to_be_searchable_is_a_persons_matter() -> None:
    """It was only hoped for."""
    blind = replace(WELL, capabilities=able(Level.C, lookup=True))
    assert after_inquiry(MISCONFIGURED, blind) == cannot_tell()


def test_a_reversal_the_core_cannot_do_is_parked_with_its_reason() -> None:
    """Sending it would look like a misconfigured core, and stop everybody."""
    assert cannot_undo() == Step(transition=way.PARK, reason="core_cannot_undo")


@pytest.mark.parametrize(
    ("capabilities", "age_s", "may"),
    [
        (able(Level.A), 10**9, True),
        (able(Level.A, key_lifetime_s=60.0), 59.999 - SETTLE_S, True),
        (able(Level.A, key_lifetime_s=60.0), 60.0 - SETTLE_S, False),
        (able(Level.B), 0.0, False),
        (able(Level.C), 0.0, False),
    ],
)
def test_an_entry_in_doubt_is_sent_again_only_where_the_key_is_still_remembered(
    capabilities: Capabilities,
    age_s: float,
    may: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """At the edge of the key's lifetime the answer is no, counted to when the core looks at it at the latest."""
    assert may_resend(capabilities, age_s) is may


def test_a_core_is_asked_only_if_it_can_be() -> None:
    """Its own declaration decides."""
    assert (may_inquire(able(Level.B)), may_inquire(able(Level.C))) == (True, False)


outcomes = st.sampled_from(
    [POSTED, REFUSED, CONFLICT, PENDING, NOT_SENT, MISCONFIGURED, SILENCE, BUSY],
)
all_terms = st.builds(
    Terms,
    capabilities=st.builds(
        able, st.sampled_from(Level), lookup=st.booleans(), not_found_is_final=st.booleans(), reversal=st.booleans()
    ),
    attempts_max=st.integers(0, 5),
    route_is_well=st.booleans(),
    backoff_s=st.floats(0, 100),
    repeated=st.booleans(),
    settled=st.booleans(),
)


@given(outcomes, all_terms, st.integers(1, 10))
def test_every_step_after_an_attempt_may_be_made_and_silence_never_frees_an_entry(
    outcome: Outcome, asked: Terms, attempts: int
) -> None:
    """The one rule behind all of it: after unknown, nothing but the core or a person lets it go again."""
    step = after_attempt(entry(attempts=attempts), outcome, asked)
    assert State.IN_FLIGHT in step.transition.sources
    assert not isinstance(outcome, Unknown) or step.transition.target in {State.IN_DOUBT, State.PARKED}
    assert step.transition.target is not State.READY or not asked.repeated


@given(st.one_of(outcomes, st.just(NotFound())), all_terms)
def test_every_step_after_an_inquiry_may_be_made_and_only_a_final_not_found_sends_again(
    outcome: InquiryOutcome, asked: Terms
) -> None:
    """Whatever is declared of the core."""
    step = after_inquiry(outcome, asked)
    believed = asked.settled and asked.capabilities.not_found_is_final and asked.capabilities.level is not Level.C
    assert State.IN_DOUBT in step.transition.sources
    assert step.transition.target is not State.READY or (isinstance(outcome, NotFound) and believed)
