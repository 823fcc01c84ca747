"""One core behind several endpoints: the first that takes calls gets them, and each has a health of its own.

A call goes on to the next endpoint only while it is sure that nothing of it was sent. What is in doubt at one is never sent
to another by this: the outcome is `Unknown`, as with a core of one endpoint, and what follows from that is decided by what
the core declares (`gateway.conclude`). Where the endpoints share a ledger, that is what their contract says. Where they don't
(`shared_ledger = false`) none knows what another booked; so they are declared level B together, whatever each is alone: in
doubt means ask, all of them, and only when each says that it has nothing may it be sent again. Which endpoint an attempt
went to needn't be remembered for that, over no crash.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from adapters.core import Capabilities, Core, Delivery, Level
from adapters.outcome import (
    Cause,
    CheckOutcome,
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
from adapters.payment import Check, Payment
from gateway.clock import Clock
from gateway.log import log
from gateway.route.breaker import Permit
from gateway.route.diagnosis import Diagnosis
from gateway.route.health import RouteHealth
from gateway.route.hurry import UnderWay
from gateway.route.zone import PASSING, Operation, Use, Zone

T = TypeVar("T", Outcome, CheckOutcome)

_GIVEN_UP: Final = Unknown(cause=Cause.ANSWER_TIMEOUT, detail="the endpoint was found to answer nothing")
_HUNG_SOONER: Final = 0.5
"""An endpoint counts as hung in this part of the time after which its route does: the others may yet do its work."""

_TELLING: Final = (Posted, Conflict, Pending)
"""What one endpoint says of a delivery, and no other can unsay."""


class Endpoint:
    """One address of a core."""

    def __init__(self, name: str, core: Core, health: RouteHealth) -> None:
        """Call `core`, which reaches this address alone."""
        self.name = name
        self.core = core
        self.health = health
        self._under_way = UnderWay()
        if core.capabilities.level is not Level.C:
            health.on_change(lambda _old, new, _diagnosis: self._under_way.hurry() if new is Zone.OPEN else None)

    async def heard(self, permit: Permit, asking: Awaitable[T], clock: Clock) -> T | Unknown:
        """What it says to a permitted call, which its health is told of."""
        started = clock.monotonic()
        try:
            outcome = await self._under_way.unless_hurried(asking)
        except BaseException:
            self.health.withdraw(permit)
            raise
        if outcome is None:
            self.health.withdraw(permit)
            return _GIVEN_UP
        self.health.report(permit, outcome, clock.monotonic() - started)
        return outcome


class Endpoints:
    """A `Core` of several endpoints, in order of preference."""

    def __init__(self, name: str, endpoints: Sequence[Endpoint], clock: Clock, *, shared_ledger: bool) -> None:
        """Prefer the first; `shared_ledger` says that all book into one, and know each other's keys."""
        assert len(endpoints) > 1, "one endpoint is a core by itself"
        self.name = name
        self.each = tuple(endpoints)
        self._clock = clock
        self._shared = shared_ledger
        #: Whether the next call decides if the route may be used again: then an endpoint that is on trial itself comes last.
        self.is_on_trial: Callable[[], bool] = _never
        first = endpoints[0].core.capabilities
        self.capabilities = first if shared_ledger else without_a_common_ledger(first)
        for endpoint in endpoints:
            endpoint.health.on_change(partial(_log_zone, name, endpoint.name))

    def uses(self) -> Sequence[Use]:
        """What each is there for now, in the same order."""
        found = list[Use]()
        for endpoint in self.each:
            match endpoint.health.zone:
                case Zone.OPEN:
                    found.append(Use.LEFT_OUT)
                case Zone.TRIAL:
                    found.append(Use.ON_TRIAL)
                case _:
                    found.append(Use.STANDS_BY if Use.IN_USE in found else Use.IN_USE)
        return found

    async def run(self) -> None:
        """Watch and probe each endpoint, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for endpoint in self.each:
                group.create_task(endpoint.health.run(), name=f"health of {self.name} at {endpoint.name}")

    # The seam

    def prepare(self, payment: Payment, number: int, id: str) -> bytes:  # noqa: A002 - the field's word
        """The same bytes for every endpoint."""
        return self.each[0].core.prepare(payment, number, id)

    def prepare_reversal(self, number: int, id: str, original: Delivery, core_id: str) -> bytes:  # noqa: A002 - the field's word
        """The same bytes for every endpoint."""
        return self.each[0].core.prepare_reversal(number, id, original, core_id)

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it at the first endpoint that takes it."""
        return await self._sent(Operation.POST, timeout_s, lambda core, left_s: core.post(delivery, left_s))

    async def reverse(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Undo a booking, where all know of it."""
        assert self._shared, "without a common ledger no reversal is declared"
        return await self._sent(Operation.REVERSAL, timeout_s, lambda core, left_s: core.reverse(delivery, left_s))

    async def check(self, check: Check, timeout_s: float) -> CheckOutcome:
        """Ask the first endpoint that takes it."""
        return await self._sent(Operation.CHECK, timeout_s, lambda core, left_s: core.check(check, left_s))

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Ask for it: one endpoint that answers, or all where each has a ledger of its own."""
        until = self._clock.monotonic() + timeout_s
        if not self._shared:
            asked = [each.core.inquire(delivery, timeout_s) for each in self.each]
            return joined(await asyncio.gather(*asked))
        outcome: InquiryOutcome = self._nobody()
        for endpoint in self._askable():
            left_s = until - self._clock.monotonic()
            if left_s > 0:
                outcome = await endpoint.core.inquire(delivery, left_s)
            if not isinstance(outcome, NotSent):
                break
        return outcome

    async def probe(self, timeout_s: float) -> Outcome:
        """Well when any endpoint is, or may be tried: each is probed by itself."""
        assert timeout_s > 0, "a probe has time"
        return self._nobody() if all(each.health.zone is Zone.OPEN for each in self.each) else Posted()

    async def close(self) -> None:
        """Let connections go."""
        for endpoint in self.each:
            await endpoint.core.close()

    # How it works

    async def _sent(
        self, operation: Operation, timeout_s: float, call: Callable[[Core, float], Awaitable[T]]
    ) -> T | Unknown | NotSent:
        """What the first endpoint says that takes the call; the next is asked only where surely nothing was sent."""
        until = self._clock.monotonic() + timeout_s
        outcome: T | Unknown | NotSent = self._nobody()
        for endpoint in self._in_order():
            left_s = until - self._clock.monotonic()
            permit = endpoint.health.trial(operation) if left_s > 0 else None
            if permit is None:
                continue
            outcome = await endpoint.heard(permit, call(endpoint.core, left_s), self._clock)
            if not goes_on(outcome):
                break
        return outcome

    def _in_order(self) -> Sequence[Endpoint]:
        """By preference, or those that are well first."""
        if not self.is_on_trial():
            return self.each
        return sorted(self.each, key=lambda endpoint: endpoint.health.zone not in PASSING)

    def _askable(self) -> Sequence[Endpoint]:
        """Those that may answer first."""
        return sorted(self.each, key=lambda endpoint: endpoint.health.zone is Zone.OPEN)

    def _nobody(self) -> NotSent:
        """No endpoint takes calls now; why the first doesn't."""
        diagnosis = self.each[0].health.diagnosis
        cause = diagnosis.cause if diagnosis is not None and isinstance(diagnosis.cause, Cause) else Cause.UNREACHABLE
        example = f": {diagnosis.example}" if diagnosis is not None and diagnosis.example else ""
        return NotSent(cause=cause, detail=f"no endpoint takes calls{example}")


def without_a_common_ledger(first: Capabilities) -> Capabilities:
    """What endpoints like this one can do together, where none knows what another booked."""
    level = Level.B if first.lookup and first.level is not Level.C else Level.C
    return msgspec.structs.replace(first, level=level, reversal=False, key_lifetime_s=0.0)


def goes_on(outcome: object) -> bool:
    """Whether a call may go on to another endpoint: surely nothing was sent, nobody asked us to slow down, and it is ours."""
    if isinstance(outcome, NotSent):
        return outcome.cause not in (Cause.THROTTLED, Cause.WITHHELD)
    return isinstance(outcome, Misconfigured)


def joined(told: Sequence[InquiryOutcome]) -> InquiryOutcome:
    """What ledgers of their own say together: one that has it is believed, that none has it only all of them."""
    for outcome in told:
        if isinstance(outcome, _TELLING):
            return outcome
    for outcome in told:
        if not isinstance(outcome, NotFound | Refused):
            return outcome
    return next((outcome for outcome in told if isinstance(outcome, Refused)), NotFound())


def sooner(hung_after_s: float) -> float:
    """Seconds after which an endpoint counts as hung."""
    return hung_after_s * _HUNG_SOONER


def _never() -> bool:
    """Before there is a route."""
    return False


def _log_zone(core: str, endpoint: str, old: Zone, new: Zone, _diagnosis: Diagnosis | None) -> None:
    log.warning("endpoint_zone", core=core, endpoint=endpoint, old=old.value, new=new.value)
