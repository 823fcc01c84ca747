"""Passing a live payment through to its core, and what to say when the core doesn't."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

import msgspec

from adapters.core import Level
from adapters.outcome import Cause, CheckOutcome, Outcome, Unknown
from adapters.payment import Answer, AnswerKind, Check
from gateway.accept import answers
from gateway.accept.decide import Why, limit_in_the_way, limits_of, used_up
from gateway.clock import Clock
from gateway.conclude import PARKED_FOR_CONFLICT, Step, Terms, after_attempt, leave_ended
from gateway.content import Content
from gateway.deliver import ADAPTER_FAILED, Original, deliver, tell_of_bug
from gateway.log import log
from gateway.meter import Meter
from gateway.route.breaker import Permit
from gateway.route.hurry import UnderWay
from gateway.route.route import Route
from gateway.route.zone import PASSING, Operation, Zone
from gateway.settle import Settler
from gateway.standin.accounts import Accounts
from gateway.standin.facts import NO_FACTS, Facts
from gateway.standin.policy import Terms as PolicyTerms
from spool.account import Spending
from spool.entry import Draft, Entry
from spool.errors import OverLimit, SpoolError
from spool.lifecycle import DOUBT, FINAL, GIVE_BACK, NOT_SENT, POST, REFUSE, Kind, State, Told
from spool.nodes import Held
from spool.spool import Spool
from spool.store import Move
from spool.tally import Limit

T = TypeVar("T")

ATTEMPT_S_MIN: Final = 0.05
"""An attempt is worth beginning only with this much time left."""

_TRIAL: Final = Zone.TRIAL  # looked up once: in an enumeration that costs each payment as much as a call
_POST: Final = Operation.POST
_BLIND: Final = Level.C
_OPENED: Final = Unknown(cause=Cause.ANSWER_TIMEOUT, detail="the route opened meanwhile")


class Leeway(msgspec.Struct, frozen=True):
    """What decides whether a payment whose attempt told nothing may be told provisional, but for the exposure."""

    terms: PolicyTerms
    facts: Facts = NO_FACTS
    #: What is in the way already; FINE leaves it to the limits.
    why: Why = Why.FINE
    #: What was counted for its account, to be taken back if it isn't told so.
    spending: Spending | None = None


_NO_LEEWAY: Final = Leeway(PolicyTerms(answer="try_later", payment_max=0))
"""Of a payment that is booked: nothing is asked."""


class Live:
    """Sends entries that were recorded in flight, within their channel's deadline."""

    def __init__(self, *, spool: Spool, clock: Clock, settler: Settler, meter: Meter, accounts: Accounts) -> None:
        """Record outcomes in `spool` through `settler`; ask `accounts` where a policy wants it."""
        self._accounts = accounts
        self._spool = spool
        self._nodes = spool.store.nodes
        self._clock = clock
        self._settler = settler
        self._meter = meter
        #: Attempts under way by route.
        self._under_way: dict[str, UnderWay] = {}
        #: Payments told posted, as they will be once that is recorded, by number.
        self._told: dict[int, Entry] = {}

    def watch(self, route: Route) -> None:
        """Let no payer wait out a deadline once it is known that the core says nothing.

        When the route opens, attempts and checks under way get `PATIENCE_S` more. An attempt is then in doubt like any
        that got no answer; not where the core's own team asked for a drain, and not at a level C core, where in doubt means a person's work.
        """
        under_way = self._under_way[route.name] = UnderWay()
        route.outage.changed(route.health.zone, route.health.since_us)
        route.health.on_change(lambda _old, new, _diagnosis: route.outage.changed(new, self._clock.now_us()))
        route.health.on_change(
            lambda _old, new, _diagnosis: under_way.hurry() if new is Zone.OPEN and not route.health.drains else None
        )

    def leave(self, route: Route, channel: str, amount: int, operation: Operation = _POST) -> Permit | None:
        """Leave to send a payment (or reversal) now, or nothing.

        At a level C core no payer is the trial whose payment can be stood in for: it waits a moment, and tries the route
        from the backlog.
        """
        tries = route.core.capabilities.level is _BLIND and route.health.zone is _TRIAL
        if tries and not self._limit(route, channel, amount, Leeway(route.policies[channel].terms)):
            return None
        admit = route.health.admit if operation is _POST else route.health.admit_reversal
        return admit(later=True)

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
        nobody, and wait for a core that is known to be silent. Nor is anything where other nodes may have put it in doubt.
        """
        held = Held(self._nodes)
        if not (route.health.holds(permit) and held()):
            route.health.withdraw(permit)
            return await self._finish(route, entry, kept, leave_ended(repeated=False), until)
        route.health.sends(permit)
        started = self._clock.monotonic()
        timeout_s = self._timeout_s(route, entry, permit, until - started)
        try:
            outcome = await self._deliver(route, entry, kept, original, timeout_s, held=held)
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
        return await self._conclude(route, entry, kept, outcome, until)

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
            asking = route.spans.asked("check", None, route.core.check(check, timeout_s))
            outcome = await self._unless_opened(route, asking)
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
        self,
        route: Route,
        entry: Entry,
        kept: Content,
        original: Original | None,
        timeout_s: float,
        *,
        held: Held,
    ) -> Outcome:
        what = "post" if original is None else "reverse"
        attempt = route.spans.asked(what, entry, deliver(route.core, entry, kept, original, timeout_s, held=held))
        if route.core.capabilities.level is Level.C:
            return await attempt
        outcome = await self._unless_opened(route, attempt)
        return _OPENED if outcome is None else outcome

    async def _unless_opened(self, route: Route, asking: Awaitable[T]) -> T | None:
        """What the core says; None when it said nothing soon after the route opened."""
        return await self._under_way[route.name].unless_hurried(asking)

    async def _conclude(self, route: Route, entry: Entry, kept: Content, outcome: Outcome, until: float) -> Answer:
        terms = Terms(
            capabilities=route.core.capabilities,
            attempts_max=0,
            route_is_well=route.health.zone in PASSING,
            backoff_s=route.forward.backoff_first_s * self._clock.fraction(),
        )
        step = after_attempt(entry, outcome, terms)
        if step.transition is POST and entry.kind is Kind.PAYMENT:
            route.account_proved(entry.lane)
        return await self._finish(route, entry, kept, step, until)

    async def _finish(self, route: Route, entry: Entry, kept: Content, step: Step, until: float) -> Answer:
        """Record and answer."""
        if step.transition is POST and route.core.capabilities.level is not Level.C:
            # The core has it and dedupes or can be asked: should we die before this is recorded, it is found again.
            move = msgspec.structs.replace(
                self._move(route, entry, step, self._clock.now_us(), _NO_LEEWAY), lingers=True
            )
            after = self._told[entry.number] = move.after()
            recording = self._settler.later(self._record(route, move))
            recording.add_done_callback(lambda _: self._told.pop(entry.number))
            return answers.first(after, AnswerKind.POSTED)
        return await self._recorded(route, entry, kept, step, until)

    def _move(self, route: Route, entry: Entry, step: Step, now_us: int, leeway: "Leeway") -> Move:
        """The step as a move, with what the channel is told by it."""
        transition, told, reason = step.transition, None, step.reason
        if transition is POST:
            told = Told.POSTED
        elif transition is REFUSE:
            told = Told.REFUSED
        elif reason != PARKED_FOR_CONFLICT:
            if not self._limit(route, entry.channel, entry.amount, leeway):
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
            within=self._within(route, entry) if told is Told.PROVISIONAL else (),
        )

    def _within(self, route: Route, entry: Entry) -> tuple[Limit, ...]:
        """Limits that other nodes may use up before this is recorded."""
        shared = self._nodes.shared and entry.kind is Kind.PAYMENT
        return limits_of(route.policies[entry.channel], entry.channel) if shared else ()

    def _limit(self, route: Route, channel: str, amount: int, leeway: "Leeway") -> Why:
        tally = self._spool.store.tally
        exposed = tally.exposure(route.name), tally.exposure(route.name, channel)
        return leeway.why or limit_in_the_way(route.policies[channel], leeway.terms, amount, exposed, leeway.facts)

    async def _leeway(self, route: Route, entry: Entry, kept: Content, step: Step) -> "Leeway":
        """What has to be looked up and counted before a payment may be told provisional."""
        policy = route.policies[entry.channel]
        if entry.kind is Kind.REVERSAL:
            return Leeway(policy.terms, why=Why.FINE if policy.reversals else Why.STANDIN_OFF)
        terms = policy.terms_for(kept.service, kept.account)
        if step.transition in (POST, REFUSE) or not self._accounts.are_asked(terms):
            return Leeway(terms)
        try:
            lanes = self._spool.lanes_of(route.name, kept.account)
            facts = await self._accounts.facts(terms, lanes, route.outage)
            if terms.account_day is None or self._limit(route, entry.channel, entry.amount, Leeway(terms, facts)):
                return Leeway(terms, facts)
            spending = await self._accounts.spend(policy, terms, (route.name, kept.account), entry.amount)
        except SpoolError:
            return Leeway(terms, why=Why.STORAGE)
        return Leeway(terms, facts, why=Why.FINE if spending else Why.ACCOUNT_LIMIT, spending=spending)

    async def _recorded(self, route: Route, entry: Entry, kept: Content, step: Step, until: float) -> Answer:
        """Record within the deadline; past it the channel is told that nobody knows, and recording goes on."""
        recording = self._settler.later(self._decide_and_record(route, entry, kept, step))
        done, _ = await asyncio.wait([recording], timeout=max(0.0, until - self._clock.monotonic()))
        return recording.result() if done else answers.unknown(entry.key)

    async def _decide_and_record(self, route: Route, entry: Entry, kept: Content, step: Step) -> Answer:
        """What to say once it is recorded. From asking the limits to submitting nothing else runs: they can't be overshot.

        While the disk takes nothing others may use up a limit: so it is asked anew on each try.
        """
        leeway = await self._leeway(route, entry, kept, step)
        now_us = self._clock.now_us()
        try:
            (made,) = await self._settler.insist_on_decided(lambda: [self._move(route, entry, step, now_us, leeway)])
        except OverLimit as over:
            leeway = msgspec.structs.replace(leeway, why=used_up(over))
            (made,) = await self._settler.insist_on_decided(lambda: [self._move(route, entry, step, now_us, leeway)])
        self._let_go_on(route, made or self._move(route, entry, step, now_us, leeway))
        if leeway.spending is not None and (made is None or made.told is not Told.PROVISIONAL):
            await self._accounts.refund(leeway.spending)
        return answers.unknown(entry.key) if made is None else self._answer(route, made, leeway)

    async def _record(self, route: Route, move: Move) -> None:
        await self._settler.insist(move)
        self._let_go_on(route, move)

    def _let_go_on(self, route: Route, move: Move) -> None:
        entry, target = move.entry, move.transition.target
        if target in FINAL:
            if not self._spool.store.lane_is_clear(entry.route, entry.lane):
                route.lane_freed(entry.lane)
        else:
            route.entry_waits(move.due_at_us, entry.rank)

    def _answer(self, route: Route, move: Move, leeway: "Leeway") -> Answer:
        entry = move.after()
        if move.transition is GIVE_BACK:
            why = self._limit(route, entry.channel, entry.amount, leeway) or Why.STANDIN_OFF
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
            route.entry_waits(returned.due_at_us if returned is not None else 0, None)
        else:
            await self._settler.pass_barrier()
            # It may wait, be finished, or have cancelled out with a payment others waited behind.
            route.lane_unsure(draft.lane)
