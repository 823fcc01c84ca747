"""A billing core in memory with a ledger of its own: honest unless told otherwise, and it keeps the seam's promises.

It books what it is sent and remembers it by number. At level A a repeat of a number is answered from memory, at levels
B and C it is booked once more, so that a payment sent twice shows in `bookings`. A test tells it what to do with the
next calls by `will` and `will_tell`, and stops it in mid-call by `hang`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import msgspec

from adapters.core import Capabilities, Delivery, Level
from adapters.cores.leave import WITHHELD, may_leave
from adapters.outcome import (
    Allowed,
    Cause,
    CheckOutcome,
    Conflict,
    InquiryOutcome,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from adapters.payment import Check, Payment, Refusal
from spool.nodes import nothing

SETTLE_S: Final = 5.0
"""Seconds the fake wants to be left alone before it is asked."""

NOT_SENT: Final = NotSent(cause=Cause.REFUSED_CONNECTION, detail="refused")
SILENCE: Final = Unknown(cause=Cause.ANSWER_TIMEOUT, detail="no answer")


class Does(msgspec.Struct, frozen=True):
    """What becomes of one call: whether it is booked (as far as what is said allows it), and what is said or raised."""

    says: InquiryOutcome | Exception
    books: bool = False


class Call(msgspec.Struct, frozen=True):
    """One call as it came in."""

    operation: str
    delivery: Delivery

    @property
    def number(self) -> int:
        """The entry it was about."""
        return self.delivery.number


class Booking(msgspec.Struct, frozen=True):
    """What the ledger holds under a number."""

    account: str
    amount: int


def able(level: Level, **changes: object) -> Capabilities:
    """What a core of this level usually declares; a level C core can't be asked."""
    usual = Capabilities(
        level=level,
        lookup=level is not Level.C,
        not_found_is_final=level is not Level.C,
        reversal=True,
        settle_delay_s=SETTLE_S,
    )
    return msgspec.structs.replace(usual, **changes)


class FakeCore:
    """See above. Every call is noted when it comes in and when it ends."""

    def __init__(self, capabilities: Capabilities) -> None:
        """Begin with an empty ledger, answering at once."""
        self.name = "fake"
        self.capabilities = capabilities
        self.ledger: dict[int, Booking] = {}
        #: How often each number was booked: more than once is the disaster.
        self.bookings: Counter[int] = Counter()
        self.undone: Counter[int] = Counter()
        self.refused: set[int] = set()
        #: Accounts it knows nothing of.
        self.strangers: set[str] = set()
        self.check_says: CheckOutcome = Allowed(fields_shown=(("name", "A. B."),))
        #: What happens while an order waits for its connection, right before leave is asked for.
        self.on_the_way: Callable[[], None] = nothing
        self.calls: list[Call] = []
        #: Numbers under way now, and the most of one account at once.
        self.under_way: list[Delivery] = []
        self.most_under_way = 0
        self.crossed_accounts: set[str] = set()
        self._script: deque[Does] = deque()
        self._telling: deque[InquiryOutcome | Exception] = deque()
        self._open = asyncio.Event()
        self._open.set()
        self._came = asyncio.Event()

    # What a test says

    def will(self, *script: Does | InquiryOutcome) -> None:
        """Do this with the next orders; what books nothing may be given as the bare outcome."""
        self._script.extend(each if isinstance(each, Does) else Does(each) for each in script)

    def will_tell(self, *answers: InquiryOutcome | Exception) -> None:
        """Say this to the next inquiries."""
        self._telling.extend(answers)

    def hang(self) -> None:
        """Take calls in, and say nothing to any."""
        self._open.clear()

    def let_go(self) -> None:
        """Go on with every call that hangs."""
        self._open.set()

    async def asked(self, calls: int) -> None:
        """Wait until so many calls have come in since the beginning."""
        while len(self.calls) < calls:
            self._came.clear()
            await self._came.wait()

    def numbers(self, operation: str) -> list[int]:
        """Numbers of the calls of one kind, in order."""
        return [call.number for call in self.calls if call.operation == operation]

    # The seam

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """The bytes: the account, readable for tests."""
        return f"pay {number} {payment.account}".encode()

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """The bytes name the booking."""
        return f"undo {original.number} {core_id}".encode()

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it, or do what the script says."""
        assert timeout_s > 0, "an attempt has time"
        return await self._order("post", delivery)

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Undo it, or do what the script says."""
        assert timeout_s > 0, "an attempt has time"
        return await self._order("reverse", delivery)

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Tell from the ledger, or what the script says."""
        assert timeout_s > 0, "an inquiry has time"
        await self._come_in("inquire", delivery)
        if self._telling:
            answer = self._telling.popleft()
            if isinstance(answer, Exception):
                raise answer
            return answer
        if delivery.number in self.refused:
            return Refused(refusal=Refusal.UNKNOWN_ACCOUNT)
        done = self.undone if delivery.wire.startswith(b"undo") else self.bookings
        return Posted(core_id=f"c{delivery.number}") if done[delivery.number] else NotFound()

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """As it is set."""
        assert timeout_s > 0, "a check has time"
        assert check.account, "a check names an account"
        return self.check_says

    async def probe(self, timeout_s: float) -> Outcome:
        """Always there."""
        assert timeout_s > 0, "a probe has time"
        return Posted()

    async def close(self) -> None:
        """Nothing to let go."""

    # How it works

    async def _order(self, operation: str, delivery: Delivery) -> Outcome:
        self.on_the_way()
        if not may_leave.get()():
            return WITHHELD
        await self._come_in(operation, delivery)
        does = self._script.popleft() if self._script else Does(self._honest(operation, delivery), books=True)
        if does.books and isinstance(does.says, Posted | Pending | Unknown | Exception):
            self._book(operation, delivery)
        if isinstance(does.says, Exception):
            raise does.says
        assert not isinstance(does.says, NotFound), "only an inquiry finds nothing"
        return does.says

    async def _come_in(self, operation: str, delivery: Delivery) -> None:
        self.calls.append(Call(operation, delivery))
        self._came.set()
        if any(other.account == delivery.account for other in self.under_way):
            self.crossed_accounts.add(delivery.account)
        self.under_way.append(delivery)
        self.most_under_way = max(self.most_under_way, len(self.under_way))
        try:
            await asyncio.sleep(0)
            await self._open.wait()
        finally:
            self.under_way.remove(delivery)

    def _honest(self, operation: str, delivery: Delivery) -> Outcome:
        if operation == "reverse":
            return Posted(core_id=f"r{delivery.number}")
        if delivery.account in self.strangers:
            self.refused.add(delivery.number)
            return Refused(refusal=Refusal.UNKNOWN_ACCOUNT, code="5")
        held = self.ledger.get(delivery.number)
        if held is not None and held != Booking(delivery.account, delivery.amount):
            return Conflict(found="amount")
        return Posted(core_id=f"c{delivery.number}", duplicate=held is not None)

    def _book(self, operation: str, delivery: Delivery) -> None:
        dedupes = self.capabilities.level is Level.A
        done = self.undone if operation == "reverse" else self.bookings
        if not (dedupes and done[delivery.number]):
            done[delivery.number] += 1
        if operation == "post":
            self.ledger[delivery.number] = Booking(delivery.account, delivery.amount)
