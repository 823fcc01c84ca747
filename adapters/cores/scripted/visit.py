"""One order in hand: who brought it, what it is, and what is to become of it."""

from aiohttp import web

from adapters.cores.scripted.faults import Plan
from adapters.cores.scripted.orders import Attempt, Check, Done, Operation, Order, reference_of
from adapters.cores.scripted.traffic import ALONE, Beside


class Visit:
    """What is known of an order from its arrival on."""

    __slots__ = ("account", "arrived_at_us", "beside", "operation", "order", "plan", "request")

    def __init__(
        self,
        *,
        request: web.BaseRequest,
        order: Order,
        operation: Operation,
        account: str,
        arrived_at_us: int,
        plan: Plan,
    ) -> None:
        self.request = request
        self.order = order
        self.operation = operation
        #: Where money is to move; empty when none is.
        self.account = account
        self.arrived_at_us = arrived_at_us
        #: What the faults do to it.
        self.plan = plan
        #: Who else was at the account when it arrived.
        self.beside: Beside = ALONE

    def attempt(self, done: Done, booking: int = 0) -> Attempt:
        """The row of the log that tells what was done."""
        return Attempt(
            arrived_at_us=self.arrived_at_us,
            protocol=self.order.protocol,
            operation=self.operation,
            reference=reference_of(self.order),
            account=self.order.account if isinstance(self.order, Check) else self.account,
            done=done,
            booking=booking,
            in_flight=self.beside.waiting,
            abandoned=self.beside.abandoned,
            fault=self.plan.named,
        )
