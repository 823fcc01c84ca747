"""Carrying one entry to its core, or a question about it: what came of it, as the step to be recorded."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace

from adapters.outcome import InquiryOutcome, NotFound, Posted
from gateway.clock import Clock
from gateway.conclude import Step, Terms, after_attempt, after_inquiry, booked
from gateway.content import Content
from gateway.deliver import ADAPTER_FAILED, Original, deliver, inquire, tell_of_bug
from gateway.forward.backoff import Backoff
from gateway.log import log
from gateway.meter import Meter
from gateway.route.breaker import Permit
from gateway.route.route import Route
from gateway.route.zone import PASSING
from spool.entry import Entry
from spool.lifecycle import State
from spool.nodes import Held


class Courier:
    """Sends and asks on one route; tells health and meter what it heard."""

    def __init__(self, *, route: Route, clock: Clock, meter: Meter) -> None:
        """Carry along `route`."""
        self._route = route
        self._clock = clock
        self._meter = meter
        self._backoff = Backoff(route.forward.backoff_first_s, route.forward.backoff_max_s)
        #: What passed before that, only the wall clock knows, and it may have been moved meanwhile.
        self._begun = clock.monotonic()

    async def send(
        self,
        claimed: Entry,
        kept: Content,
        original: Original | None,
        permit: Permit,
        *,
        repeated: bool,
        held: Held,
        leave: Callable[[], bool],
    ) -> Step:
        """Send a claimed entry that this node has `held` since; `repeated` when an earlier attempt may have been booked.

        For `leave` see `deliver`.
        """
        started = self._clock.monotonic()
        outcome: InquiryOutcome
        try:
            what = "post" if original is None else "reverse"
            timeout_s = self._route.forward.attempt_timeout_s
            sent = deliver(self._route.core, claimed, kept, original, timeout_s, held=held, leave=leave)
            outcome = await self._route.spans.asked(what, claimed, sent)
        except asyncio.CancelledError:
            self._route.health.withdraw(permit)
            raise
        except Exception as error:  # noqa: BLE001 - an adapter's bug: it may have sent, so nobody knows
            log.error("attempt_failed", route=self._route.name, error=type(error).__name__, exc_info=True)
            outcome = ADAPTER_FAILED
        self._heard(claimed, outcome, permit, started)
        if isinstance(outcome, Posted):
            return booked(outcome)
        return after_attempt(claimed, outcome, replace(self._terms(claimed), repeated=repeated))

    async def ask(self, entry: Entry, kept: Content, original: Original | None) -> Step:
        """Ask about an entry in doubt."""
        started = self._clock.monotonic()
        settle_s = self._route.core.capabilities.settle_delay_s
        settled = started - self._begun >= settle_s and (
            self._clock.now_us() - entry.changed_at_us >= round(settle_s * 1_000_000)
        )
        outcome: InquiryOutcome
        try:
            asking = inquire(self._route.core, entry, kept, original, self._route.forward.attempt_timeout_s)
            outcome = await self._route.spans.asked("inquire", entry, asking)
        except Exception as error:  # noqa: BLE001 - an adapter's bug: it told nothing
            log.error("inquiry_failed", route=self._route.name, error=type(error).__name__, exc_info=True)
            outcome = ADAPTER_FAILED
        self._heard(entry, outcome, None, started)
        return after_inquiry(outcome, replace(self._terms(entry), settled=settled))

    def _heard(self, entry: Entry, outcome: InquiryOutcome, permit: Permit | None, started: float) -> None:
        took_s = self._clock.monotonic() - started
        operation = entry.kind.word if permit is not None else "inquiry"
        self._meter.attempted(self._route.name, operation, type(outcome).__name__, took_s, live=False)
        if permit is None:
            return
        assert not isinstance(outcome, NotFound), "only an inquiry finds nothing"
        if outcome is ADAPTER_FAILED:
            tell_of_bug(self._route.health, permit, took_s)
            return
        self._route.health.report(permit, outcome, took_s)

    def _terms(self, entry: Entry) -> Terms:
        return Terms(
            capabilities=self._route.core.capabilities,
            attempts_max=self._route.forward.attempts_max,
            route_is_well=self._route.health.zone in PASSING,
            backoff_s=self._backoff_s(entry),
        )

    def _backoff_s(self, entry: Entry) -> float:
        if entry.state is State.IN_DOUBT:
            waited_s = max(0, entry.due_at_us - entry.changed_at_us) / 1_000_000
            return self._backoff.ask_again_s(waited_s, self._clock.fraction())
        return self._backoff.wait_s(entry.attempts, self._clock.fraction())
