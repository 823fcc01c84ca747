"""What the scripted core's books do at each level."""

import pytest
from msgspec.structs import replace

from adapters.core import Level
from adapters.cores.scripted.books import Accounts, Books
from adapters.cores.scripted.orders import (
    Allowed,
    Booked,
    Booking,
    Check,
    Found,
    Kind,
    Lookup,
    Order,
    Pay,
    Protocol,
    Reason,
    Refused,
    Undo,
)

PAY = Pay(protocol=Protocol.JSON, reference="p1", key="k1", account="100", amount=500, currency="RUB")
ASK = Lookup(protocol=Protocol.JSON, reference="p1")
UNDO = Undo(protocol=Protocol.JSON, reference="r1", key="r1", sequence=1)


def books_at(level: Level, *orders: Order) -> Books:
    """Books of a level that did these orders at microsecond 1."""
    books = Books(level, Accounts(known="[0-9]+", inactive=frozenset({"666"}), amount_min=100, amount_max=9_999))
    for order in orders:
        books.apply(order, 1)
    return books


def booked(books: Books, order: Order) -> Booking:
    """The booking an order made."""
    verdict = books.apply(order, 2)
    assert isinstance(verdict, Booked)
    assert not verdict.replayed
    return verdict.booking


def test_level_a_answers_a_repeat_as_the_first_time() -> None:
    """The core's own key is what makes a resend safe."""
    books = books_at(Level.A)
    first = booked(books, PAY)
    assert books.apply(PAY, 3) == Booked(booking=first, replayed=True)


@pytest.mark.parametrize(
    "changed", [{"account": "200"}, {"amount": 501}, {"currency": "USD"}, {"service": "tv"}, {"reference": "p2"}]
)
def test_level_a_refuses_a_key_with_other_content(changed: dict[str, object]) -> None:
    """A key stands for one payment."""
    books = books_at(Level.A, PAY)
    assert books.apply(replace(PAY, **changed), 2) == Refused(reason=Reason.CONFLICT)


def test_level_a_keeps_protocols_apart() -> None:
    """An OSMP number is no Idempotency-Key."""
    books = books_at(Level.A, PAY)
    assert booked(books, replace(PAY, protocol=Protocol.OSMP)).sequence == 2


@pytest.mark.parametrize("level", [Level.B, Level.C])
def test_levels_b_and_c_book_again_whatever_is_sent_again(level: Level) -> None:
    """That is the point of them: a blind resend doubles the money."""
    books = books_at(level, PAY)
    again = booked(books, PAY)
    assert (again.sequence, again.reference, again.amount) == (2, "p1", 500)


@pytest.mark.parametrize(("level", "found"), [(Level.A, [1]), (Level.B, [1, 2])])
def test_levels_a_and_b_can_be_asked_by_the_senders_reference(level: Level, found: list[int]) -> None:
    """Level B tells of the double booking, too."""
    verdict = books_at(level, PAY, PAY).apply(ASK, 3)
    assert isinstance(verdict, Found)
    assert [booking.sequence for booking in verdict.bookings] == found


def test_an_inquiry_after_nothing_finds_nothing() -> None:
    """Not found is an answer, no error."""
    assert books_at(Level.B).apply(ASK, 1) == Found(bookings=())


@pytest.mark.parametrize("order", [ASK, Lookup(protocol=Protocol.JSON, sequence=1)])
def test_level_c_cannot_be_asked(order: Lookup) -> None:
    """Neither by the sender's reference nor by its own."""
    assert books_at(Level.C, PAY).apply(order, 2) == Refused(reason=Reason.NO_LOOKUP)


@pytest.mark.parametrize(
    ("account", "amount", "reason"),
    [
        ("1" * 21, 500, Reason.ACCOUNT_FORMAT),
        ("abc", 500, Reason.ACCOUNT_UNKNOWN),
        ("666", 500, Reason.ACCOUNT_INACTIVE),
        ("100", 99, Reason.AMOUNT_TOO_SMALL),
        ("100", 10_000, Reason.AMOUNT_TOO_LARGE),
    ],
)
def test_an_account_or_amount_out_of_the_rules_is_refused_and_not_booked(
    account: str, amount: int, reason: Reason
) -> None:
    """By the configured rule, the same for a check and a payment."""
    books = books_at(Level.A)
    assert books.apply(replace(PAY, account=account, amount=amount), 1) == Refused(reason=reason)
    check = Check(protocol=Protocol.JSON, account=account, amount=amount)
    assert books.apply(check, 1) == Refused(reason=reason)
    assert books.apply(ASK, 1) == Found(bookings=())


def test_a_check_without_an_amount_asks_only_for_the_account() -> None:
    """0 is no amount, not one that is too small."""
    assert books_at(Level.A).apply(Check(protocol=Protocol.OSMP, account="100"), 1) == Allowed()


def test_a_reversal_books_the_payment_back() -> None:
    """A reversal is a booking of its own, of the same money on the same account."""
    reversal = booked(books_at(Level.A, PAY), UNDO)
    assert (reversal.kind, reversal.reverses) == (Kind.REVERSAL, 1)
    assert (reversal.account, reversal.amount, reversal.currency) == ("100", 500, "RUB")


def test_level_a_answers_a_repeated_reversal_as_the_first_time() -> None:
    """By its key, as a payment."""
    books = books_at(Level.A, PAY)
    first = booked(books, UNDO)
    assert books.apply(UNDO, 3) == Booked(booking=first, replayed=True)


def test_level_a_knows_a_keyless_cancel_by_its_payment() -> None:
    """OSMP's cancel names only what it cancels."""
    undo = Undo(protocol=Protocol.OSMP, sequence=1)
    books = books_at(Level.A, PAY)
    first = booked(books, undo)
    assert books.apply(undo, 3) == Booked(booking=first, replayed=True)


def test_level_a_refuses_a_second_reversal_under_another_key() -> None:
    """The money can be given back once."""
    books = books_at(Level.A, PAY, UNDO)
    assert books.apply(replace(UNDO, key="r2"), 2) == Refused(reason=Reason.ALREADY_REVERSED)


@pytest.mark.parametrize("level", [Level.B, Level.C])
def test_levels_b_and_c_give_back_again_when_asked_again(level: Level) -> None:
    """As they book again."""
    assert booked(books_at(level, PAY, UNDO), UNDO).sequence == 3


@pytest.mark.parametrize("undo", [replace(UNDO, sequence=9), replace(UNDO, sequence=2)])
def test_only_a_known_payment_can_be_reversed(undo: Undo) -> None:
    """Neither nothing nor a reversal."""
    books = books_at(Level.B, PAY, UNDO)
    assert books.apply(undo, 2) == Refused(reason=Reason.PAYMENT_UNKNOWN)


@pytest.mark.parametrize(("level", "known"), [(Level.A, True), (Level.B, True), (Level.C, False)])
def test_a_cancel_by_the_senders_reference_needs_a_lookup(level: Level, known: bool) -> None:  # noqa: FBT001 - a table
    """`cancel_txn_id` is an inquiry in disguise."""
    verdict = books_at(level, PAY).apply(Undo(protocol=Protocol.OSMP, original="p1"), 2)
    assert isinstance(verdict, Booked) is known


def test_a_pending_payment_is_called_booked_once_its_time_has_come() -> None:
    """It is in the ledger from the start; only what the core says of it changes."""
    books = books_at(Level.A)
    verdict = books.apply(PAY, 1_000, pending_us=500)
    before, after = books.apply(ASK, 1_499), books.apply(ASK, 1_500)
    assert isinstance(verdict, Booked)
    assert verdict.pending
    assert isinstance(before, Found)
    assert before.pending == {1}
    assert isinstance(after, Found)
    assert not after.pending


def test_books_restored_from_a_ledger_know_what_they_knew() -> None:
    """A restart forgets no key, no reference, no reversal and no number."""
    first = books_at(Level.A)
    ledger = [booked(first, PAY), booked(first, UNDO)]
    second = books_at(Level.A)
    second.restore(ledger)
    assert second.apply(PAY, 9) == Booked(booking=ledger[0], replayed=True)
    assert second.apply(replace(UNDO, key="r2"), 9) == Refused(reason=Reason.ALREADY_REVERSED)
    assert booked(second, replace(PAY, key="k2")).sequence == 3


def test_a_rule_that_is_no_pattern_is_refused_at_once() -> None:
    """Not at the first payment."""
    with pytest.raises(ValueError, match="no regular expression"):
        Accounts(known="[")
