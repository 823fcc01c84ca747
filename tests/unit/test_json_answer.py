"""The JSON API's answers: receipts, problems and views, each of its published type."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channel import Reply
from adapters.channels.json_bodies import CheckView, Fault, PaymentView, Problem, Receipt, ShownField
from adapters.instant import instant
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Refusal, Reversal
from tests.unit.json_examples import KEY, PAYMENT, channel

CHANNEL = channel()
STORED = Answer(
    kind=AnswerKind.POSTED,
    number=4194304000017,
    state="posted",
    amount=20000,
    currency="KZT",
    accepted_at_us=1_767_225_600_000_042,
    key=KEY,
    core_id="77",
)


def problem_of(reply: Reply) -> Problem:
    """A reply's problem, which agrees with its status line and headers."""
    read = msgspec.json.decode(reply.body, type=Problem)
    assert (read.status, read.type) == (reply.status, f"urn:nightsafe:problem:{read.code}")
    assert reply.headers.get("Retry-After", "0") == str(read.retry_after)
    return read


@pytest.mark.parametrize(
    ("kind", "status", "word"), [(AnswerKind.POSTED, 201, "posted"), (AnswerKind.PROVISIONAL, 202, "provisional")]
)
def test_a_yes_is_a_receipt_with_the_way_to_ask(kind: AnswerKind, status: int, word: Any) -> None:
    """The same form for both; the ready-made bytes are of the published type."""
    reply = channel().write(PAYMENT, msgspec.structs.replace(STORED, kind=kind))
    assert (reply.status, reply.headers) == (status, {"Location": "/v1/payments/4194304000017"})
    assert msgspec.json.decode(reply.body, type=Receipt) == Receipt(
        id="4194304000017",
        status=word,
        key=KEY,
        accepted_at="2026-01-01T00:00:00.000042Z",
        amount="200.00",
        currency="KZT",
    )


def test_a_replay_has_the_same_body_and_says_so() -> None:
    """State and core's id may have come to be known since; the receipt leaves them out."""
    first = channel().write(PAYMENT, msgspec.structs.replace(STORED, state="in_flight", core_id=""))
    again = channel().write(PAYMENT, msgspec.structs.replace(STORED, replayed=True))
    assert again.body == first.body
    assert again.headers == {**first.headers, "Idempotency-Replayed": "true"}


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=255), st.integers(1, 10**15))
def test_any_key_and_amount_make_a_readable_receipt(key: str, amount: int) -> None:
    """Keys hold quotes and backslashes; the template must not be broken by them."""
    answer = msgspec.structs.replace(STORED, key=key, amount=amount)
    receipt = msgspec.json.decode(CHANNEL.write(PAYMENT, answer).body, type=Receipt)
    assert (receipt.key, receipt.amount) == (key, f"{amount // 100}.{amount % 100:02d}")


def test_a_reversal_gets_a_receipt_of_its_own() -> None:
    """Its own number; no sum where none is told."""
    request = Reversal(channel="bank", key="r", number=42)
    reply = channel().write(request, Answer(kind=AnswerKind.PROVISIONAL, number=43, retry_after_s=7))
    assert (reply.status, reply.headers["Location"], reply.headers["Retry-After"]) == (202, "/v1/payments/43", "7")
    receipt = msgspec.json.decode(reply.body, type=Receipt)
    assert (receipt.id, receipt.key, receipt.amount) == ("43", "r", msgspec.UNSET)


def test_an_amount_stored_in_another_currency_keeps_its_decimals() -> None:
    """The channel's currency may have changed since; what was booked has not."""
    reply = channel().write(PAYMENT, msgspec.structs.replace(STORED, amount=200, currency="JPY"))
    receipt = msgspec.json.decode(reply.body, type=PaymentView)
    assert (reply.status, receipt.amount, receipt.currency) == (201, "200", "JPY")


@pytest.mark.parametrize(
    ("answer", "status", "code", "final"),
    [
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.UNKNOWN_ACCOUNT), 402, "refused", True),
        (Answer(kind=AnswerKind.REFUSED), 402, "refused", True),
        (Answer(kind=AnswerKind.REFUSED, refusal=Refusal.NOT_FOUND), 404, "payment_not_found", True),
        (Answer(kind=AnswerKind.TRY_LATER), 503, "try_later", False),
        (Answer(kind=AnswerKind.IN_PROGRESS, number=5), 409, "in_progress", False),
        (Answer(kind=AnswerKind.CONFLICT), 422, "conflict", True),
        (Answer(kind=AnswerKind.INVALID), 400, "invalid", True),
        (Answer(kind=AnswerKind.UNAUTHORISED), 403, "forbidden", False),
    ],
)
def test_every_no_is_a_problem_that_says_whether_it_is_final(
    answer: Answer, status: int, code: str, *, final: bool
) -> None:
    """No client has to guess from a status whether asking again makes sense."""
    problem = problem_of(channel().write(PAYMENT, answer))
    assert (problem.status, problem.code, problem.final) == (status, code, final)
    assert problem.payment_id == ("5" if answer.number else "")


def test_a_conflict_names_the_fields_that_differ() -> None:
    """As pointers into the body; which payment a reversal undoes is in the path."""
    answer = Answer(kind=AnswerKind.CONFLICT, number=5, fields=("amount", "number"))
    problem = problem_of(channel().write(PAYMENT, answer))
    assert [fault.pointer for fault in problem.errors] == ["#/amount", "#"]
    assert isinstance(problem.errors[0], Fault)


def test_when_to_come_again_is_said_twice_and_the_same() -> None:
    """In the header for libraries, in the body for people."""
    assert problem_of(channel().write(PAYMENT, Answer(kind=AnswerKind.TRY_LATER, retry_after_s=17))).retry_after == 17
    assert problem_of(channel().write(PAYMENT, Answer(kind=AnswerKind.TRY_LATER))).retry_after == 5


def test_a_replayed_refusal_says_so() -> None:
    """A no is repeated like a yes."""
    reply = channel().write(PAYMENT, Answer(kind=AnswerKind.REFUSED, refusal=Refusal.FORBIDDEN, replayed=True))
    assert reply.headers == {"Idempotency-Replayed": "true"}


@pytest.mark.parametrize(
    ("kind", "status"),
    [(AnswerKind.POSTED, "posted"), (AnswerKind.PROVISIONAL, "provisional"), (AnswerKind.IN_PROGRESS, "in_progress"),
     (AnswerKind.REFUSED, "refused")],
)  # fmt: skip
def test_asking_gets_a_200_whatever_became_of_it(kind: AnswerKind, status: Any) -> None:
    """The question was answered; what became of the payment is in the body."""
    reply = channel().write(Inquiry(channel="bank", key=KEY), msgspec.structs.replace(STORED, kind=kind))
    view = msgspec.json.decode(reply.body, type=PaymentView)
    assert (reply.status, view.status, view.state, view.core_id) == (200, status, "posted", "77")


def test_asking_for_what_is_not_there_is_a_404() -> None:
    """Nor for what is another channel's."""
    answer = Answer(kind=AnswerKind.REFUSED, refusal=Refusal.NOT_FOUND)
    assert problem_of(channel().write(Inquiry(channel="bank", number=1), answer)).code == "payment_not_found"


@pytest.mark.parametrize(
    ("answer", "view"),
    [
        (
            Answer(kind=AnswerKind.POSTED, fields_shown=(("Имя", 'Сад "Я"'),)),
            CheckView(payable=True, fields=(ShownField("Имя", 'Сад "Я"'),)),
        ),
        (
            Answer(kind=AnswerKind.POSTED, fields_shown=(("a", "half \ud800"),)),
            CheckView(payable=True, fields=(ShownField("a", "half ?"),)),
        ),
        (Answer(kind=AnswerKind.PROVISIONAL), CheckView(payable=True, provisional=True)),
        (
            Answer(kind=AnswerKind.REFUSED, refusal=Refusal.UNKNOWN_ACCOUNT),
            CheckView(payable=False, refusal="unknown_account"),
        ),
    ],
)
def test_a_check_is_answered_with_yes_or_no(answer: Answer, view: CheckView) -> None:
    """Both are 200; a check that can't be answered is a problem."""
    reply = channel().write(Check(channel="bank", account="7", currency="KZT"), answer)
    assert (reply.status, msgspec.json.decode(reply.body, type=CheckView)) == (200, view)


@pytest.mark.parametrize(
    ("at_us", "text"), [(0, b"1970-01-01T00:00:00.000000Z"), (1_767_225_600_123_456, b"2026-01-01T00:00:00.123456Z")]
)
def test_times_are_written_in_utc_to_the_microsecond(at_us: int, text: bytes) -> None:
    """RFC 3339."""
    assert instant(at_us) == text
