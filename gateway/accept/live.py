"""Passing a live payment through to its core, and what to say when the core doesn't."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from adapters.core import Level
from adapters.outcome import Cause, CheckOutcome, Outcome, Unknown
from adapters.payment import Answer, AnswerKind, Check
from gateway.accept import answers
from gateway.accept.decide import Why, limit_in_the_way
from gateway.clock import Clock
from gateway.conclude import PARKED_FOR_CONFLICT, Step, Terms, after_attempt, leave_ended
from gateway.content import Content
from gateway.deliver import ADAPTER_FAILED, Original, deliver, tell_of_bug
from gateway.log import log
from gateway.meter import Meter
from gateway.route.breaker import Permit
from gateway.route.route import Route
from gateway.route.zone import PASSING, Operation, Zone
from gateway.settle import Settler
from spool.entry import Draft, Entry
from spool.lifecycle import DOUBT, FINAL, GIVE_BACK, NOT_SENT, POST, REFUSE, State, Told
from spool.spool import Spool
from spool.store import Move

T = TypeVar("T")

ATTEMPT_S_MIN: Final = 0.05
"""An attempt is worth beginning only with this much time left."""

PATIENCE_S: Final = 1.0
"""What an attempt under way gets when its route opens: its answer may be on the way."""

_TRIAL: Final = Zone.TRIAL  # looked up once: in an enumeration that costs each payment as much as a call
_POST: Final = Operation.POST
_OPENED: Final = Unknown(cause=Cause.ANSWER_TIMEOUT, detail="the route opened meanwhile")


class Live:
    """Sends entries that were recorded in flight, within their channel's deadline."""

    def __init__(self, *, spool: Spool, clock: Clock, settler: Settler, meter: Meter) -> None:
        """Record outcomes in `spool` through `settler`."""
        self._spool = spool
        self._clock = clock
        self._settler = settler
        self._meter = meter
        #: Attempts under way by route, each with the scope that can end it early.
        self._under_way: dict[str, set[asyncio.Timeout]] = {}
        #: Payments told posted, as they will be once that is recorded, by number.
        self._told: dict[int, Entry] = {}

    def watch(self, route: Route) -> None:
        """Let no payer wait out a deadline once it is known that the core says nothing.

        When the route opens, attempts and checks under way get `PATIENCE_S` more. An attempt is then in doubt like any
        that got no answer; not where the core's own team asked for a drain, and not at a level C core, where in doubt means a person's work.
        """
        under_way = self._under_way[route.name] = set()
        route.health.on_change(
            lambda _old, new, _diagnosis: _hurry(under_way, unless=route.health.drains) if new is Zone.OPEN else None
        )

    def leave(self, route: Route, channel: str, amount: int, operation: Operation = _POST) -> Permit | None:
        """Leave to send a payment (or reversal) now, or nothing.

        At a level C core no payer is the trial whose payment can be stood in for: it waits a moment, and tries the route
        from the backlog.
        """
        tries = route.health.zone is _TRIAL and route.core.capabilities.level is Level.C
        if tries and not self._limit(route, channel, amount):
            return None
        return route.health.admit() if operation is _POST else route.health.admit_reversal()

    async def send(
        self,
        route: Route,
        entry: Entry,
        kept: Content,
        permit: Permit,
        until: float,
        *,
        original: Original | None = None,
    ) -> Answer:
        """Send, hear, record, answer; `original` is the payment a reversal undoes.

        Where the route opened while the entry went to disk nothing is sent: whoever was let in then would be hurried by
        nobody, and wait for a core that is known to be silent.
        """
        if not route.health.holds(permit):
            route.health.withdraw(permit)
            return await self._finish(route, entry, leave_ended(repeated=False), until)
        started = self._clock.monotonic()
        timeout_s = self._timeout_s(route, entry, permit, until - started)
        try:
            outcome = await self._deliver(route, entry, kept, original, timeout_s)
        except asyncio.CancelledError:
            # We are being stopped: the attempt may have left, so the entry stays in flight and is in doubt at the start.
            route.health.withdraw(permit)
            raise
        except Exception as error:  # noqa: BLE001 - an adapter's bug: it may have sent, so nobody knows
            log.error("attempt_failed", route=route.name, error=type(error).__name__, exc_info=True)
            outcome = ADAPTER_FAILED
        took_s = self._clock.monotonic() - started
        if outcome is ADAPTER_FAILED:
            tell_of_bug(route.health, permit, took_s)
        else:
            route.health.report(permit, outcome, took_s)
        self._meter.attempted(route.name, entry.kind.word, type(outcome).__name__, took_s, live=True)
        return await self._conclude(route, entry, outcome, until)

    @staticmethod
    def _timeout_s(route: Route, entry: Entry, permit: Permit, left_s: float) -> float:
        """How long the core may take. A trial's answer proves nothing once it is slow, so its payer isn't kept for it.

        At level C he is: in doubt is a person's work there.
        """
        timeout_s = min(route.forward.attempt_timeout_s, left_s - route.policies[entry.channel].answer_margin_s)
        if permit.trial and route.core.capabilities.level is not Level.C:
            timeout_s = min(timeout_s, route.health.slow_call_s)
        return max(ATTEMPT_S_MIN, timeout_s)

    async def check(self, route: Route, check: Check, permit: Permit, timeout_s: float) -> CheckOutcome:
        """Ask the core about an account. An answer that didn't come because the route opened says nothing of checks."""
        started = self._clock.monotonic()
        try:
            outcome = await self._unless_opened(route, route.core.check(check, timeout_s))
        except BaseException:
            route.health.withdraw(permit)
            raise
        if outcome is None:
            route.health.withdraw(permit)
            return _OPENED
        route.health.report(permit, outcome, self._clock.monotonic() - started)
        return outcome

    def as_told(self, entry: Entry) -> Entry:
        """An entry as its channel knows it: a booking is told before it is recorded, and told again meanwhile."""
        return self._told.get(entry.number, entry)

    async def _deliver(
        self, route: Route, entry: Entry, kept: Content, original: Original | None, timeout_s: float
    ) -> Outcome:
        attempt = deliver(route.core, entry, kept, original, timeout_s)
        if route.core.capabilities.level is Level.C:
            return await attempt
        outcome = await self._unless_opened(route, attempt)
        return _OPENED if outcome is None else outcome

    async def _unless_opened(self, route: Route, asking: Awaitable[T]) -> T | None:
        """What the core says; None when it said nothing soon after the route opened."""
        under_way = self._under_way[route.name]
        try:
            async with asyncio.timeout(None) as scope:
                under_way.add(scope)
                try:
                    return await asking
                finally:
                    under_way.discard(scope)
        except TimeoutError:
            return None

    async def _conclude(self, route: Route, entry: Entry, outcome: Outcome, until: float) -> Answer:
        terms = Terms(
            capabilities=route.core.capabilities,
            attempts_max=0,
            route_is_well=route.health.zone in PASSING,
            backoff_s=route.forward.backoff_first_s * self._clock.fraction(),
        )
        return await self._finish(route, entry, after_attempt(entry, outcome, terms), until)

    async def _finish(self, route: Route, entry: Entry, step: Step, until: float) -> Answer:
        """Record and answer."""
        if step.transition is POST and route.core.capabilities.level is not Level.C:
            # The core has it and dedupes or can be asked: should we die before this is recorded, it is found again.
            move = self._move(route, entry, step, self._clock.now_us())
            after = self._told[entry.number] = move.after()
            recording = self._settler.later(self._record(route, move))
            recording.add_done_callback(lambda _: self._told.pop(entry.number))
            return answers.first(after, AnswerKind.POSTED)
        made = await self._recorded(route, entry, step, until)
        return answers.unknown(entry.key) if made is None else self._answer(route, made)

    def _move(self, route: Route, entry: Entry, step: Step, now_us: int) -> Move:
        """The step as a move, with what the channel is told by it."""
        transition, told, reason = step.transition, None, step.reason
        if transition is POST:
            told = Told.POSTED
        elif transition is REFUSE:
            told = Told.REFUSED
        elif reason != PARKED_FOR_CONFLICT:
            if not self._limit(route, entry.channel, entry.amount):
                told = Told.PROVISIONAL
            elif transition is NOT_SENT:
                transition = GIVE_BACK
        # What goes on by itself waits for a time, be it now: until it is taken up, nothing of its lane overtakes it.
        goes_on = transition is DOUBT or transition is NOT_SENT
        due_at_us = now_us + round(step.wait_s * 1_000_000) if goes_on else 0
        return Move(
            entry=entry,
            transition=transition,
            at_us=now_us,
            due_at_us=due_at_us,
            told=told,
            reason=reason,
            core_id=step.core_id,
        )

    def _limit(self, route: Route, channel: str, amount: int) -> Why:
        tally = self._spool.store.tally
        exposed = tally.exposure(route.name), tally.exposure(route.name, channel)
        return limit_in_the_way(route.policies[channel], amount, *exposed)

    async def _recorded(self, route: Route, entry: Entry, step: Step, until: float) -> Move | None:
        """Record within the deadline; past it the channel is told that nobody knows, and recording goes on."""
        recording = self._settler.later(self._decide_and_record(route, entry, step))
        done, _ = await asyncio.wait([recording], timeout=max(0.0, until - self._clock.monotonic()))
        return recording.result() if done else None

    async def _decide_and_record(self, route: Route, entry: Entry, step: Step) -> Move | None:
        """The move that was made. From asking the limits to submitting it nothing else runs: they can't be overshot.

        While the disk takes nothing others may use up a limit: so it is asked anew on each try.
        """
        now_us = self._clock.now_us()
        (made,) = await self._settler.insist_on_decided(lambda: [self._move(route, entry, step, now_us)])
        self._let_go_on(route, made or self._move(route, entry, step, now_us))
        return made

    async def _record(self, route: Route, move: Move) -> None:
        await self._settler.insist(move)
        self._let_go_on(route, move)

    def _let_go_on(self, route: Route, move: Move) -> None:
        entry, target = move.entry, move.transition.target
        if target in FINAL:
            if not self._spool.store.lane_is_clear(entry.route, entry.lane):
                route.lane_freed(entry.lane)
        else:
            route.entry_waits(move.due_at_us)

    def _answer(self, route: Route, move: Move) -> Answer:
        entry = move.after()
        if move.transition is GIVE_BACK:
            why = self._limit(route, entry.channel, entry.amount) or Why.STANDIN_OFF
            self._meter.turned_away(route.name, entry.channel, why.value)
            return answers.try_later(why)
        return answers.told(entry)

    def take_back(self, route: Route, draft: Draft) -> "asyncio.Task[None]":
        """After an uncertain recording: if it was stored, nothing was sent, so it may go like any other.

        The task ends when the disk has told whether it was.
        """
        return self._settler.later(self._unclaim(route, draft))

    async def _unclaim(self, route: Route, draft: Draft) -> None:
        if draft.state is State.IN_FLIGHT:
            returned = await self._settler.unclaim(draft.number, epoch=1, holds_lane=True)
            route.entry_waits(returned.due_at_us if returned is not None else 0)
        else:
            await self._settler.pass_barrier()
            # It may wait, be finished, or have cancelled out with a payment others waited behind.
            route.lane_unsure(draft.lane)


def _hurry(under_way: set[asyncio.Timeout], *, unless: bool) -> None:
    if unless:
        return
    end = asyncio.get_running_loop().time() + PATIENCE_S
    for scope in under_way:
        scope.reschedule(end)
