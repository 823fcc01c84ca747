"""What one outcome says of a core's health."""

import pytest

from adapters.outcome import (
    Allowed,
    Cause,
    Conflict,
    Misconfigured,
    NotFound,
    NotSent,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Refusal
from gateway.route.evidence import Evidence, Heard, classify

SLOW_CALL_S = 3.0

PROPER = [
    Posted(),
    Posted(duplicate=True),
    Pending(),
    Conflict(found="amount"),
    Refused(refusal=Refusal.UNKNOWN_ACCOUNT),
]


@pytest.mark.parametrize("outcome", PROPER, ids=lambda outcome: type(outcome).__name__)
def test_a_payment_answered_properly_is_good_even_when_refused(outcome: Heard) -> None:
    """A core that says no to a wrong account does its work; counting that as failure would open a healthy route."""
    assert classify(outcome, 0.2, SLOW_CALL_S) is Evidence.GOOD


@pytest.mark.parametrize("outcome", [NotFound(), Allowed()], ids=lambda outcome: type(outcome).__name__)
def test_an_answered_question_shows_life_but_no_booking(outcome: Heard) -> None:
    """Checks often work from a cache while booking is down; they must not close a route."""
    assert classify(outcome, 0.2, SLOW_CALL_S) is Evidence.ALIVE


@pytest.mark.parametrize("outcome", [*PROPER, NotFound(), Allowed()], ids=lambda outcome: type(outcome).__name__)
def test_a_proper_answer_after_the_limit_is_slow(outcome: Heard) -> None:
    """Slowness is counted apart: the payment is booked, but payers wait too long."""
    assert classify(outcome, 3.001, SLOW_CALL_S) is Evidence.SLOW


def test_an_answer_exactly_at_the_limit_is_not_slow() -> None:
    """The limit is the last good second, as its description says ("longer than")."""
    assert classify(Posted(), 3.0, SLOW_CALL_S) is Evidence.GOOD


@pytest.mark.parametrize(
    "cause",
    [
        Cause.DNS,
        Cause.REFUSED_CONNECTION,
        Cause.CONNECT_TIMEOUT,
        Cause.TLS,
        Cause.UNREACHABLE,
        Cause.RESET,
        Cause.ANSWER_TIMEOUT,
    ],
)
def test_what_was_surely_not_sent_did_not_reach_the_core(cause: Cause) -> None:
    """No name, no connection, no TLS: three of these in a row mean a dead core."""
    assert classify(NotSent(cause=cause), 0.0, SLOW_CALL_S) is Evidence.DID_NOT_REACH


@pytest.mark.parametrize("cause", [Cause.ANSWER_TIMEOUT, Cause.RESET, Cause.CONNECT_TIMEOUT])
def test_silence_after_sending_is_no_answer_however_long_it_took(cause: Cause) -> None:
    """A time limit's length is ours, so it is never "slow"; and it isn't harmless, so never "did not reach"."""
    assert classify(Unknown(cause=cause), 30.0, SLOW_CALL_S) is Evidence.NO_ANSWER


@pytest.mark.parametrize("cause", [Cause.SERVER_ERROR, Cause.UNREADABLE, Cause.MAINTENANCE])
@pytest.mark.parametrize("kind", [NotSent, Unknown])
def test_a_faulty_answer_is_a_fault_whether_or_not_it_may_have_booked(
    kind: type[NotSent | Unknown], cause: Cause
) -> None:
    """Something answered, and not as a billing system should."""
    assert classify(kind(cause=cause), 0.1, SLOW_CALL_S) is Evidence.FAULT


@pytest.mark.parametrize("kind", [NotSent, Unknown])
def test_throttling_says_nothing_of_health(kind: type[NotSent | Unknown]) -> None:
    """A core that asks for a slower pace is alive; opening its route would be the wrong medicine."""
    assert classify(kind(cause=Cause.THROTTLED), 0.1, SLOW_CALL_S) is Evidence.NOTHING


@pytest.mark.parametrize(
    "outcome",
    [
        Misconfigured(cause=Cause.CREDENTIALS),
        NotSent(cause=Cause.CREDENTIALS),
        Unknown(cause=Cause.CONTRACT),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_refused_credentials_condemn_the_route_and_no_payment(outcome: Heard) -> None:
    """Every payment would fail the same way, so it is the route that must stop."""
    assert classify(outcome, 0.1, SLOW_CALL_S) is Evidence.MISCONFIGURED


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("kind", [NotSent, Unknown, Misconfigured])
def test_every_cause_says_something_definite(kind: type[NotSent | Unknown | Misconfigured], cause: Cause) -> None:
    """A cause added later must not fall through."""
    assert classify(kind(cause=cause), 0.1, SLOW_CALL_S) not in {Evidence.GOOD, Evidence.ALIVE, Evidence.SLOW}
