"""A billing core of a given level, with a ledger of its own and every mood that networks and cores have.

The core lives in the world outside: what was sent to it goes on whether the gateway lives or not. What it declares it
keeps (it dedupes for its key's lifetime, it books within its longest request, it tells the truth when asked), and not a
bit more: at levels B and C a repeat is booked once more, and while something is in work it says it holds nothing.
"""

import asyncio
from collections import Counter
from typing import Final

import msgspec

from adapters.core import Capabilities, Delivery, Level
from adapters.cores.leave import WITHHELD, may_leave
from adapters.outcome import (
    Allowed,
    Cause,
    CheckOutcome,
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
from adapters.payment import Check, Payment, Refusal
from tests.simulation.judge import Judge
from tests.simulation.nature import Nature
from tests.simulation.way import Way

CONNECT_S: Final = 3.0
"""Seconds after which an attempt to connect is given up."""

TRAVEL_S: Final = (0.001, 0.001, 0.01, 0.1)


RESET: Final = Unknown(cause=Cause.RESET)

NO_WORK: Final[dict[str, Outcome | None]] = {
    "throttled": NotSent(cause=Cause.THROTTLED, retry_after_s=2.0),
    "throttles": NotSent(cause=Cause.THROTTLED),
    "credentials": Misconfigured(cause=Cause.CREDENTIALS),
    "error_before": Unknown(cause=Cause.SERVER_ERROR),
    "unreadable_before": Unknown(cause=Cause.UNREADABLE),
    "never": None,
}
"""Moods in which nothing is booked, and what is said."""

SOON: Final[dict[str, Outcome | None]] = {
    "lost": RESET,
    "reset": RESET,
    "error_after": Unknown(cause=Cause.SERVER_ERROR),
    "unreadable_after": Unknown(cause=Cause.UNREADABLE),
    "silent": None,
}
"""Moods in which it is booked at once, and what is said instead."""


class Order(msgspec.Struct, kw_only=True):
    """One order on its way."""

    operation: str
    delivery: Delivery
    sent_at: float
    says: "asyncio.Future[InquiryOutcome]"
    in_work: bool = False


class Billing:
    """See above."""

    def __init__(self, nature: Nature, judge: Judge) -> None:
        """An empty ledger."""
        mix = nature.mix
        self.name = "billing"
        self.capabilities = Capabilities(
            level=mix.level,
            lookup=mix.lookup,
            not_found_is_final=mix.not_found_is_final,
            reversal=mix.reversal,
            settle_delay_s=mix.settle_s,
            key_lifetime_s=mix.key_lifetime_s,
            safe_probe=mix.safe_probe,
        )
        self.nature = nature
        self.judge = judge
        #: What passes before the first byte of an order.
        self.way = Way()
        #: How it shows that it is away; empty while it is there.
        self.outage = ""
        self.done: dict[str, Counter[int]] = {"post": Counter(), "reverse": Counter()}
        self._known: dict[tuple[str, int], float] = {}
        self._refused: set[int] = set()
        self._in_work: list[Order] = []

    # What the gateway calls

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """The bytes name everything."""
        self.judge.prepared(number, payment)
        return f"pay {number} {payment.account} {payment.amount}".encode()

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002, ARG002 - the seam's words
        """The bytes name the booking."""
        return f"undo {original.number}".encode()

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it."""
        outcome = await self._order("post", delivery, timeout_s)
        assert not isinstance(outcome, NotFound), "only an inquiry finds nothing"
        return outcome

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Undo a booking."""
        outcome = await self._order("reverse", delivery, timeout_s)
        assert not isinstance(outcome, NotFound), "only an inquiry finds nothing"
        return outcome

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Tell what became of a delivery."""
        self.judge.asked(delivery)
        return await self._order("inquire", delivery, timeout_s)

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """Any account that isn't a stranger's may be paid."""
        assert timeout_s > 0, "a check has time"
        if self.outage:
            return NotSent(cause=Cause.REFUSED_CONNECTION)
        await self.nature.pause(self._travel_s())
        return Refused(refusal=Refusal.UNKNOWN_ACCOUNT) if self._is_strange(check.account) else Allowed()

    async def probe(self, timeout_s: float) -> Outcome:
        """Somebody is there, or says so while payments hang."""
        await self.nature.pause(min(timeout_s, self._travel_s()))
        lies = self.nature.chance.random() < 0.5
        if not self.outage or (self.outage in {"hangs", "errors"} and lies):
            return Posted()
        if self.outage == "credentials":
            return Misconfigured(cause=Cause.CREDENTIALS)
        return Unknown(cause=Cause.SERVER_ERROR) if self.outage == "errors" else NotSent(cause=Cause.UNREACHABLE)

    async def close(self) -> None:
        """Nothing to let go."""

    async def _order(self, operation: str, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Send, and hear within the time there is; past it nobody knows."""
        assert timeout_s > 0, "an attempt has time"
        loop = self.nature.loop
        calling = operation != "inquire" and self.judge.calls(operation, delivery)
        self.judge.goes(self, operation)
        try:
            await self.way.begin()
            until = loop.time() + timeout_s
            unsent = await self._unsent(timeout_s)
            if unsent is not None:
                return unsent
            order = self._leaves(operation, delivery)
            await asyncio.wait([order.says], timeout=max(0.0, until - loop.time()))
            return order.says.result() if order.says.done() else Unknown(cause=Cause.ANSWER_TIMEOUT)
        finally:
            self.judge.is_back(self)
            if calling:
                self.judge.hangs_up(delivery)

    async def _unsent(self, timeout_s: float) -> Outcome | None:
        """No connection, or no leave: asked for when there is one, and nothing passes from then until its bytes leave."""
        started = self.nature.loop.time()
        unsent: Outcome | None = await self.way.connect(timeout_s)
        if unsent is None:
            left_s = max(0.0, timeout_s - (self.nature.loop.time() - started))
            unsent = await self._connect(left_s)
        if unsent is None and not may_leave.get()():
            self.nature.counts["withheld"] += 1
            return WITHHELD
        return unsent

    def _leaves(self, operation: str, delivery: Delivery) -> Order:
        """Its bytes are on their way."""
        loop = self.nature.loop
        if operation != "inquire":
            self.judge.leaves(operation, delivery)
        order = Order(operation=operation, delivery=delivery, sent_at=loop.time(), says=loop.create_future())
        loop.outside_later(self._travel_s(), self._arrive, order)
        return order

    async def _connect(self, timeout_s: float) -> Outcome | None:
        """What comes of it where the core takes no connections: nothing can have left."""
        if self.outage == "refuses":
            await self.nature.pause(self._travel_s())
            return NotSent(cause=Cause.REFUSED_CONNECTION)
        if self.outage == "swallows":
            await self.nature.pause(min(CONNECT_S, timeout_s))
            return NotSent(cause=Cause.CONNECT_TIMEOUT)
        return None

    def _travel_s(self) -> float:
        return self.nature.chance.choice(TRAVEL_S) * (0.5 + self.nature.chance.random())

    # What happens at the core, whoever lives

    def _arrive(self, order: Order) -> None:
        self.nature.counts["core requests"] += 1
        self.nature.note("arrives", order.operation, order.delivery.number, order.delivery.attempt)
        if order.operation != "inquire":
            self.judge.arrived(order.operation, order.delivery)
            self._serve(order)
        else:
            self._tell_of(order)

    def _mood(self) -> str:
        if self.outage == "hangs":
            return self.nature.chance.choice(("silent", "late", "never"))
        if self.outage == "errors":
            return self.nature.chance.choice(("error_before", "error_before", "error_after", "unreadable_before"))
        if self.outage in {"refuses", "swallows"}:
            return "never"
        if self.outage:
            return self.outage
        for name, rate in self.nature.mix.core.items():
            if self.nature.happens(rate):
                self.nature.fault(f"core {name}")
                return name
        return ""

    def _serve(self, order: Order) -> None:
        """Do with an order what the mood of the moment is."""
        mood, chance = self._mood(), self.nature.chance
        if mood in NO_WORK:
            self._answer(order, NO_WORK[mood])
        elif mood in SOON:
            self._work(order, self._soon_s(order), SOON[mood])
        elif mood == "late":
            self._answer(order, chance.choice((RESET, None)))
            self._work(order, self._late_s(order), None)
        elif mood == "pending":
            self._answer(order, Pending(poll_after_s=chance.choice((1.0, 5.0))))
            self._work(order, self._late_s(order), None)
        else:
            self._work(order, self._late_s(order) if mood == "slow" else self._soon_s(order))

    def _longest_s(self, order: Order) -> float:
        """What is left of the longest time a request can take here, counted from when it was sent."""
        return max(0.0, 0.8 * self.nature.mix.settle_s - (self.nature.loop.time() - order.sent_at))

    def _soon_s(self, order: Order) -> float:
        return min(self._longest_s(order), 0.005 * (0.5 + self.nature.chance.random()))

    def _late_s(self, order: Order) -> float:
        return self._longest_s(order) * self.nature.chance.random()

    def _work(self, order: Order, seconds: float, *says: Outcome | None) -> None:
        """Book after a while and say so, or what else is to be said of it; None says nothing."""
        order.in_work = True
        self._in_work.append(order)
        self.nature.loop.outside_later(seconds, self._finish, order, says)

    def _finish(self, order: Order, says: tuple[Outcome | None, ...]) -> None:
        if not order.in_work:
            return
        order.in_work = False
        self._in_work.remove(order)
        outcome = self._book(order)
        self._answer(order, says[0] if says else outcome)

    def _answer(self, order: Order, outcome: InquiryOutcome | None) -> None:
        if outcome is not None:
            self.nature.loop.outside_later(self._travel_s(), _say, order, outcome)

    def restart(self) -> None:
        """What was in work is done or forgotten; whoever waits sees his connection reset."""
        self.nature.fault("core restart")
        for order in list(self._in_work):
            if self.nature.chance.random() < 0.5:
                self._book(order)
            order.in_work = False
            self._answer(order, Unknown(cause=Cause.RESET))
        self._in_work.clear()

    # The ledger

    def _is_strange(self, account: str) -> bool:
        return account.startswith("s")

    def _book(self, order: Order) -> Outcome:
        """Book as the level says, and say so."""
        delivery, operation = order.delivery, order.operation
        number, now = delivery.number, self.nature.loop.time()
        key = self.key_of(order)
        known_at = self._known.get(key)
        lifetime_s = self.nature.mix.key_lifetime_s
        dedupes = self.nature.mix.level is Level.A
        if dedupes and known_at is not None and (not lifetime_s or now < known_at + lifetime_s):
            return Posted(core_id=f"c{number}", duplicate=True)
        if operation == "post" and self._is_strange(delivery.account):
            self._refused.add(number)
            return Refused(refusal=Refusal.UNKNOWN_ACCOUNT)
        self._known[key] = now
        self.done[operation][number] += 1
        self.nature.note("books", operation, number)
        self.judge.booked(operation, delivery)
        return Posted(core_id=f"c{number}")

    def key_of(self, order: Order) -> tuple[str, int]:
        """What the core knows an order by."""
        return order.operation, order.delivery.number

    def _tell_of(self, order: Order) -> None:
        """An inquiry: the truth of this moment, if it can be told at all."""
        operation = "reverse" if order.delivery.wire.startswith(b"undo") else "post"
        number, mood = order.delivery.number, self._mood()
        if mood in {"throttled", "throttles"}:
            self._answer(order, NotSent(cause=Cause.THROTTLED))
        elif mood in {"lost", "reset", "error_before", "error_after", "unreadable_before", "unreadable_after"}:
            self._answer(order, Unknown(cause=Cause.RESET))
        elif mood == "credentials":
            self._answer(order, Misconfigured(cause=Cause.CREDENTIALS))
        elif mood in {"silent", "late", "never"}:
            pass
        elif self.done[operation][number]:
            self._answer(order, Posted(core_id=f"c{number}"))
        else:
            refused = number in self._refused and operation == "post"
            self._answer(order, Refused(refusal=Refusal.UNKNOWN_ACCOUNT) if refused else NotFound())


class WellBilling(Billing):
    """Another core, which nothing ever ails."""

    def _mood(self) -> str:
        return ""


def _say(order: Order, outcome: InquiryOutcome) -> None:
    if not order.says.done():
        order.says.set_result(outcome)
