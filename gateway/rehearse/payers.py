"""Payers on one route: a payment now and then, each on an account of its own, and what they are told."""

import asyncio

import msgspec

from adapters.amount import scale
from adapters.payment import Answer, AnswerKind, Payment
from gateway.clock import Clock
from gateway.config.model import RouteSettings
from gateway.route.route import Route
from gateway.service import Service

WHOLE_UNITS = 100
"""Each pays so much, or the most that is stood in for, where that is less."""

ACCOUNT_BITS = 33


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """One payment."""

    channel: str
    key: str
    at: float
    took_s: float
    told: AnswerKind
    #: Where the payer was turned away: by what.
    why: str = ""


class Payers:
    """See above."""

    def __init__(self, service: Service, route: Route, settings: RouteSettings, clock: Clock, rate: float) -> None:
        """Pay `rate` payments a second along `route`, by each of its channels and for each of its services in turn."""
        self._service = service
        self._route = route
        self._settings = settings
        self._clock = clock
        self._gap_s = 1.0 / rate
        self._amount = min(
            WHOLE_UNITS * 10 ** scale(route.currency).exponent,
            *(policy.terms.payment_max for policy in route.policies.values()),
        )
        self._paying: set[asyncio.Task[None]] = set()
        self.paid: list[Paid] = []

    async def pay_until(self, end: float) -> None:
        """Pay until this monotonic time."""
        while self._clock.monotonic() < end:
            paying = asyncio.create_task(self._pay(len(self.paid) + len(self._paying)))
            self._paying.add(paying)
            paying.add_done_callback(self._paying.discard)
            await self._clock.sleep(self._gap_s)

    async def answered(self) -> None:
        """Wait until everybody has an answer."""
        while self._paying:
            await asyncio.wait(self._paying)

    async def _pay(self, number: int) -> None:
        channels, services = self._settings.channels, self._settings.services or [""]
        channel = channels[number % len(channels)]
        payment = Payment(
            channel=channel,
            key=f"rehearsal-{self._route.name}-{self._clock.chance(64)}",
            account=self._account(number),
            amount=max(1, self._amount),
            currency=self._route.currency,
            service=services[number // len(channels) % len(services)],
        )
        began = self._clock.monotonic()
        until = began + self._service.config.channels[channel].deadline_s
        answer = await self._told(payment, until)
        took_s = self._clock.monotonic() - began
        why = answer.text if answer.kind is AnswerKind.TRY_LATER else ""
        self.paid.append(Paid(channel=channel, key=payment.key, at=began, took_s=took_s, told=answer.kind, why=why))

    def _account(self, number: int) -> str:
        """One that the route is for, if it is for some."""
        digits = str(70_000_000_000 + self._clock.chance(ACCOUNT_BITS))
        wildcards = self._settings.accounts
        if not wildcards:
            return digits
        return wildcards[number % len(wildcards)].replace("*", digits).replace("?", digits[-1])

    async def _told(self, payment: Payment, until: float) -> Answer:
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        more = self._service.acceptor.pay(payment, until, until, told.set_result)
        return await (told if more is None else more)
