"""What every core adapter keeps, against a real billing system with real faults: the outcome never lies about money."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.core import Core, Delivery, Level
from adapters.cores.scripted.books import Accounts
from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
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
from adapters.payment import Check, Payment, Refusal
from tests.contracts.core_examples import ID, NUMBER, PATIENCE_S, PAYMENT, PROTOCOLS, core_of, delivery_of

OTHER_ID = "019bc379-0ae0-7000-8000-0000000000a2"
ACCOUNTS = Accounts(known="[0-9]+", inactive=frozenset({"555"}), amount_min=100, amount_max=1_000_000)
MakeCore = Callable[..., Core]

WITHOUT_LOOKUP: dict[str, dict[str, Any]] = {"osmp": {"status_command": None}, "json": {"lookup": False}}
WITHOUT_PROBE: dict[str, dict[str, Any]] = {
    "osmp": {"check_is_safe_probe": False, "probe_account": ""},
    "json": {"probe": False},
}


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """Every protocol in turn."""
    return str(request.param)


@pytest.fixture
async def billing(tmp_path: Path) -> AsyncIterator[ScriptedCore]:
    """A billing system of level A."""
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db", accounts=ACCOUNTS)) as core:
        yield core


@pytest.fixture
async def make_core(protocol: str, billing: ScriptedCore) -> AsyncIterator[MakeCore]:
    """Makes an adapter to the billing system, in the protocol of the test; `more` are settings."""
    async with contextlib.AsyncExitStack() as stack:

        def make(**more: Any) -> Core:
            core = core_of(protocol, billing.url, **more)
            stack.push_async_callback(core.close)
            return core

        yield make


@pytest.fixture
def core(make_core: MakeCore) -> Core:
    """An adapter with plain settings."""
    return make_core()


def changed(delivery: Delivery, core: Core, payment: Payment) -> Delivery:
    """The same key with another payment's content."""
    return delivery_of(core, payment, number=delivery.number, id=delivery.id)


def reversal_of(core: Core, original: Delivery, core_id: str) -> Delivery:
    """The order to undo `original`."""
    wire = core.prepare_reversal(NUMBER + 1, OTHER_ID, original, core_id)
    return Delivery(
        number=NUMBER + 1,
        id=OTHER_ID,
        attempt=1,
        wire=wire,
        account=original.account,
        amount=original.amount,
        currency=original.currency,
    )


class TestPosting:
    """Booking, and booking again."""

    async def test_a_payment_is_booked_with_its_number_sum_and_account(self, core: Core, billing: ScriptedCore) -> None:
        """What the ledger holds is what the payer paid."""
        outcome = await core.post(delivery_of(core), 5)
        booking = billing.ledger.bookings()[0]
        assert outcome == Posted(core_id=booking.core_id, core_time=getattr(outcome, "core_time", ""))
        assert (booking.account, booking.amount, booking.currency) == (PAYMENT.account, PAYMENT.amount, "RUB")
        assert booking.reference in (ID, str(NUMBER))

    async def test_a_repeat_of_the_same_bytes_is_posted_and_books_nothing(
        self, core: Core, billing: ScriptedCore
    ) -> None:
        """After an unclear attempt a level A core is sent the same again."""
        first = await core.post(delivery_of(core), 5)
        again = await core.post(delivery_of(core, attempt=2), 5)
        assert isinstance(first, Posted)
        assert isinstance(again, Posted)
        assert again.core_id == first.core_id
        assert len(billing.ledger.bookings()) == 1

    async def test_the_same_key_with_another_sum_is_a_conflict(self, core: Core) -> None:
        """A person must look; a refusal would send money back that is booked."""
        delivery = delivery_of(core)
        await core.post(delivery, 5)
        other = Payment(channel="kiosk", key="k-1", account=PAYMENT.account, amount=2000, currency="RUB")
        repeat = delivery_of(core, other, attempt=2)
        assert isinstance(await core.post(repeat, 5), Conflict)

    async def test_an_account_with_odd_letters_arrives_whole(self, make_core: MakeCore, billing: ScriptedCore) -> None:
        """Accounts hold what payers type: signs that mean something in an address or a body must not."""
        core = make_core()
        odd = Payment(channel="kiosk", key="k", account='2#3&4?=%+ "Я', amount=1045, currency="RUB")
        outcome = await core.post(delivery_of(core, odd), 5)
        assert isinstance(outcome, Refused)
        assert billing.ledger.attempts()[0].account == odd.account

    @pytest.mark.parametrize(
        ("account", "amount", "refusal"),
        [
            ("abc", 1000, Refusal.UNKNOWN_ACCOUNT),
            ("555", 1000, Refusal.ACCOUNT_INACTIVE),
            ("12-3", 1000, Refusal.ACCOUNT_FORMAT),
            ("123", 99, Refusal.AMOUNT_TOO_SMALL),
            ("123", 1_000_001, Refusal.AMOUNT_TOO_LARGE),
        ],
    )
    async def test_a_business_no_names_its_reason(
        self, core: Core, account: str, amount: int, refusal: Refusal
    ) -> None:
        """The channel's code, and what is told to the payer, come from it."""
        payment = Payment(channel="kiosk", key="k", account=account, amount=amount, currency="RUB")
        outcome = await core.post(delivery_of(core, payment), 5)
        assert isinstance(outcome, Refused)
        assert outcome.refusal is refusal

    async def test_taken_and_not_booked_yet_is_pending(self, core: Core, billing: ScriptedCore) -> None:
        """Neither posted nor to be sent again: it is asked about."""
        billing.control.set(Fault(kind=FaultKind.PENDING, operation=Operation.PAY, delay_s=60))
        assert isinstance(await core.post(delivery_of(core), 5), Pending)
        assert isinstance(await core.inquire(delivery_of(core), 5), Pending)


NOTHING_BOOKED = [
    (FaultKind.REFUSE, NotSent, Cause.REFUSED_CONNECTION),
    (FaultKind.THROTTLE, NotSent, Cause.THROTTLED),
    (FaultKind.UNAUTHORISED, Misconfigured, Cause.CREDENTIALS),
    (FaultKind.RESET_BEFORE, Unknown, Cause.RESET),
    (FaultKind.ERROR_BEFORE, Unknown, Cause.SERVER_ERROR),
    (FaultKind.HANG, Unknown, Cause.ANSWER_TIMEOUT),
]
BOOKED = [
    (FaultKind.RESET_AFTER, Cause.RESET),
    (FaultKind.ERROR_AFTER, Cause.SERVER_ERROR),
    (FaultKind.TRUNCATED, Cause.UNREADABLE),
    (FaultKind.GARBAGE, Cause.UNREADABLE),
    (FaultKind.WRONG_TYPE, Cause.UNREADABLE),
    (FaultKind.HUGE, Cause.UNREADABLE),
    (FaultKind.LATE, Cause.ANSWER_TIMEOUT),
]


class TestFaults:
    """What a failure says about the money."""

    @pytest.mark.parametrize(("kind", "outcome", "cause"), NOTHING_BOOKED)
    async def test_a_failure_before_booking_has_its_class_and_cause(
        self, core: Core, billing: ScriptedCore, kind: FaultKind, outcome: type, cause: Cause
    ) -> None:
        """Only what surely books nothing is not sent; the rest is unknown even though here nothing was booked."""
        billing.control.outage(kind)
        got = await core.post(delivery_of(core), PATIENCE_S)
        assert isinstance(got, NotSent | Unknown | Misconfigured)
        assert (type(got), got.cause) == (outcome, cause)
        assert billing.ledger.bookings() == []

    @pytest.mark.parametrize(("kind", "cause"), BOOKED)
    async def test_a_failure_after_booking_is_unknown(
        self, core: Core, billing: ScriptedCore, kind: FaultKind, cause: Cause
    ) -> None:
        """The one mistake that books twice would be to call any of these not sent."""
        billing.control.set(Fault(kind=kind, operation=Operation.PAY, delay_s=30))
        got = await core.post(delivery_of(core), PATIENCE_S)
        assert isinstance(got, Unknown)
        assert got.cause is cause
        assert len(billing.ledger.bookings()) == 1

    @pytest.mark.parametrize("kind", [kind for kind, _ in BOOKED])
    async def test_after_an_unknown_the_inquiry_finds_the_booking(
        self, core: Core, billing: ScriptedCore, kind: FaultKind
    ) -> None:
        """That is what settles it at level B."""
        billing.control.set(Fault(kind=kind, operation=Operation.PAY, delay_s=30))
        await core.post(delivery_of(core), PATIENCE_S)
        found = await core.inquire(delivery_of(core), 5)
        assert isinstance(found, Posted)
        assert found.core_id == billing.ledger.bookings()[0].core_id

    async def test_a_time_to_come_back_is_passed_on(self, core: Core, billing: ScriptedCore) -> None:
        """The forwarder obeys Retry-After."""
        billing.control.set(Fault(kind=FaultKind.THROTTLE, retry_after_s=7))
        assert await core.post(delivery_of(core), 5) == NotSent(
            cause=Cause.THROTTLED, retry_after_s=7.0, detail="status 429"
        )

    async def test_maintenance_with_a_contract_is_not_sent(self, make_core: MakeCore, billing: ScriptedCore) -> None:
        """OSMP's code 1 says so by its protocol, a 503 with Retry-After where the contract does."""
        billing.control.outage(FaultKind.MAINTENANCE)
        core = make_core(unavailable_is_not_sent=True)
        outcome = await core.post(delivery_of(core), 5)
        assert isinstance(outcome, NotSent)
        assert (outcome.cause, outcome.retry_after_s) == (Cause.MAINTENANCE, 5.0)

    async def test_an_unheard_of_code_is_unknown(self, core: Core, billing: ScriptedCore) -> None:
        """What we don't understand we don't turn into a no."""
        billing.control.set(Fault(kind=FaultKind.WRONG_CODE, code=777, status=418))
        outcome = await core.post(delivery_of(core), 5)
        assert isinstance(outcome, Unknown)
        assert outcome.cause is Cause.CONTRACT

    @pytest.mark.parametrize(
        "kind", [FaultKind.RESET_AFTER, FaultKind.TRUNCATED, FaultKind.HUGE, FaultKind.HANG, FaultKind.REFUSE]
    )
    async def test_it_works_again_after_a_failure(self, core: Core, billing: ScriptedCore, kind: FaultKind) -> None:
        """A broken connection isn't kept for the next payment."""
        billing.control.outage(kind)
        await core.post(delivery_of(core), PATIENCE_S)
        billing.control.clear()
        assert isinstance(await core.post(delivery_of(core, attempt=2), 5), Posted)
        assert len(billing.ledger.bookings()) == 1


class TestInquiry:
    """Asking by our own reference."""

    async def test_nothing_under_our_reference_is_not_found(self, core: Core) -> None:
        """Whether that may be believed is declared, and decided elsewhere."""
        assert await core.inquire(delivery_of(core), 5) == NotFound()

    async def test_a_booking_of_another_sum_is_a_conflict(self, core: Core) -> None:
        """Somebody else's booking under our reference doesn't settle our payment."""
        delivery = delivery_of(core)
        await core.post(delivery, 5)
        other = Payment(channel="kiosk", key="k-1", account=PAYMENT.account, amount=2000, currency="RUB")
        assert isinstance(await core.inquire(changed(delivery, core, other), 5), Conflict)

    async def test_a_core_that_was_not_told_how_to_be_asked_tells_nothing(
        self, make_core: MakeCore, protocol: str
    ) -> None:
        """No lookup, no answer; never a not found."""
        core = make_core(**WITHOUT_LOOKUP[protocol])
        assert not core.capabilities.lookup
        assert isinstance(await core.inquire(delivery_of(core), 5), Unknown)


class TestReversal:
    """Undoing a booking."""

    async def test_a_booking_is_undone_by_the_cores_id(self, core: Core, billing: ScriptedCore) -> None:
        """The reversal is a booking of its own, of the same sum."""
        delivery = delivery_of(core)
        posted = await core.post(delivery, 5)
        assert isinstance(posted, Posted)
        undone = await core.reverse(reversal_of(core, delivery, posted.core_id), 5)
        assert isinstance(undone, Posted)
        assert billing.ledger.bookings()[1].reverses == int(posted.core_id)

    async def test_a_reversal_made_before_the_cores_id_was_known_asks_for_it(
        self, core: Core, billing: ScriptedCore
    ) -> None:
        """A reversal is accepted while its payment still waits; its wire is made then."""
        delivery = delivery_of(core)
        reversal = reversal_of(core, delivery, "")
        await core.post(delivery, 5)
        assert isinstance(await core.reverse(reversal, 5), Posted)
        assert len(billing.ledger.bookings()) == 2

    async def test_a_reversal_of_what_was_never_booked_is_not_sent(self, core: Core, billing: ScriptedCore) -> None:
        """It can be tried again, and a person sees it in the end; nothing is guessed."""
        assert isinstance(await core.reverse(reversal_of(core, delivery_of(core), ""), 5), NotSent)
        assert billing.ledger.bookings() == []

    @pytest.mark.parametrize(("attempt", "kind"), [(1, Refused), (2, Conflict)])
    async def test_a_second_reversal_is_refused(self, core: Core, attempt: int, kind: type) -> None:
        """The payer's money is given back once; said of a repeat, it may be our own earlier attempt that did it."""
        delivery = delivery_of(core)
        posted = await core.post(delivery, 5)
        assert isinstance(posted, Posted)
        await core.reverse(reversal_of(core, delivery, posted.core_id), 5)
        again = core.prepare_reversal(NUMBER + 2, ID, delivery, posted.core_id)
        second = Delivery(
            number=NUMBER + 2,
            id="019bc379-0ae0-7000-8000-0000000000a3",
            attempt=attempt,
            wire=again,
            account=delivery.account,
            amount=delivery.amount,
            currency="RUB",
        )
        assert type(await core.reverse(second, 5)) is kind


class TestCheckAndProbe:
    """Questions that move no money."""

    async def test_a_good_account_may_be_paid(self, core: Core, billing: ScriptedCore) -> None:
        """And nothing is booked by asking."""
        check = Check(channel="kiosk", account="123", amount=1000, currency="RUB", key="q")
        assert await core.check(check, 5) == Allowed()
        assert billing.ledger.bookings() == []

    async def test_an_unknown_account_may_not(self, core: Core) -> None:
        """The payer hears it before handing money over."""
        outcome = await core.check(Check(channel="kiosk", account="abc", currency="RUB", key="q"), 5)
        assert isinstance(outcome, Refused)
        assert outcome.refusal is Refusal.UNKNOWN_ACCOUNT

    async def test_a_well_core_is_seen(self, core: Core) -> None:
        """The active probe finds a core that nobody pays at the moment."""
        assert await core.probe(5) == Posted()

    async def test_a_dead_core_is_seen(self, core: Core, billing: ScriptedCore) -> None:
        """And names the reason."""
        billing.control.outage(FaultKind.REFUSE)
        outcome = await core.probe(5)
        assert isinstance(outcome, NotSent)
        assert outcome.cause is Cause.REFUSED_CONNECTION

    async def test_without_a_safe_question_a_probe_only_connects(
        self, make_core: MakeCore, billing: ScriptedCore, protocol: str
    ) -> None:
        """A core whose check books money is never asked one."""
        core = make_core(**WITHOUT_PROBE[protocol])
        assert await core.probe(5) == Posted()
        assert billing.ledger.attempts() == []
        billing.control.outage(FaultKind.REFUSE)
        assert isinstance(await core.probe(5), NotSent)


class TestLevels:
    """What adapters declare is what the core does."""

    @pytest.mark.parametrize("level", list(Level))
    def test_the_level_is_declared(self, make_core: MakeCore, level: Level) -> None:
        """Decisions read it, never the adapter's name."""
        assert make_core(level=level.value).capabilities.level is level

    async def test_after_closing_nothing_is_sent(self, core: Core, billing: ScriptedCore) -> None:
        """A late caller gets an answer, not an exception."""
        await core.close()
        assert isinstance(await core.post(delivery_of(core), 5), NotSent)
        assert billing.ledger.attempts() == []
