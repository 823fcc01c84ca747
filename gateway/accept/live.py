"""Passing a live payment through to its core, and what to say when the core doesn't."""

import asyncio
from typing import Final

from adapters.core import Level
from adapters.outcome import Cause, Outcome, Unknown
from adapters.payment import Answer, AnswerKind
from gateway.accept import answers
from gateway.accept.decide import Why, limit_in_the_way
from gateway.clock import Clock
from gateway.conclude import PARKED_FOR_CONFLICT, Step, Terms, after_attempt
from gateway.content import Content
from gateway.deliver import ADAPTER_FAILED, Original, deliver, tell_of_bug
from gateway.log import log
from gateway.meter import Meter
from gateway.route.breaker import Permit
from gateway.route.route import Route
from gateway.route.zone import Zone
from gateway.settle import Settler
from spool.entry import Draft, Entry
from spool.lifecycle import DOUBT, FINAL, GIVE_BACK, NOT_SENT, POST, REFUSE, State, Told
from spool.spool import Spool
from spool.store import Move

ATTEMPT_S_MIN: Final = 0.05
"""An attempt is worth beginning only with this much time left."""


PATIENCE_S: Final = 1.0
"""What an attempt under way gets when its route opens: its answer may be on the way."""


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

        When the route opens, attempts under way get `PATIENCE_S` more, and are then in doubt like any that got no
        answer. Not at a level C core, where in doubt means a person's work.
        """
        under_way = self._under_way[route.name] = set()
        if route.core.capabilities.level is not Level.C:
            route.health.on_change(lambda _old, new, _diagnosis: _hurry(under_way) if new is Zone.OPEN else None)

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
        """Send, hear, record, answer; `original` is the payment a reversal undoes."""
        started = self._clock.monotonic()
        margin_s = route.policies[entry.channel].answer_margin_s
        timeout_s = max(ATTEMPT_S_MIN, min(route.forward.attempt_timeout_s, until - margin_s - started))
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

    def as_told(self, entry: Entry) -> Entry:
        """An entry as its channel knows it: a booking is told before it is recorded, and told again meanwhile."""
        return self._told.get(entry.number, entry)

    async def _deliver(
        self, route: Route, entry: Entry, kept: Content, original: Original | None, timeout_s: float
    ) -> Outcome:
        under_way = self._under_way[route.name]
        try:
            async with asyncio.timeout(None) as scope:
                under_way.add(scope)
                try:
                    return await deliver(route.core, entry, kept, original, timeout_s)
                finally:
                    under_way.discard(scope)
        except TimeoutError:
            return Unknown(cause=Cause.ANSWER_TIMEOUT, detail="the route opened meanwhile")

    async def _conclude(self, route: Route, entry: Entry, outcome: Outcome, until: float) -> Answer:
        terms = Terms(
            capabilities=route.core.capabilities,
            attempts_max=0,
            route_is_well=route.health.zone is Zone.CLOSED,
            backoff_s=route.forward.backoff_first_s * self._clock.fraction(),
        )
        step = after_attempt(entry, outcome, terms)
        if step.transition is POST and route.core.capabilities.level is not Level.C:
            # The core has it and dedupes or can be asked: should we die before this is recorded, it is found again.
            move = self._move(route, entry, step)
            after = self._told[entry.number] = move.after()
            recording = self._settler.later(self._record(route, move))
            recording.add_done_callback(lambda _: self._told.pop(entry.number))
            return answers.first(after, AnswerKind.POSTED)
        made = await self._recorded(route, entry, step, until)
        return answers.unknown(entry.key) if made is None else self._answer(route, made)

    def _move(self, route: Route, entry: Entry, step: Step) -> Move:
        """The step as a move, with what the channel is told by it."""
        transition, told, reason = step.transition, None, step.reason
        if transition is POST:
            told = Told.POSTED
        elif transition is REFUSE:
            told = Told.REFUSED
        elif reason != PARKED_FOR_CONFLICT:
            if not self._limit(route, entry):
                told = Told.PROVISIONAL
            elif transition is NOT_SENT:
                transition = GIVE_BACK
        now_us = self._clock.now_us()
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

    def _limit(self, route: Route, entry: Entry) -> Why:
        tally = self._spool.store.tally
        exposed = tally.exposure(route.name), tally.exposure(route.name, entry.channel)
        return limit_in_the_way(route.policies[entry.channel], entry.amount, *exposed)

    async def _recorded(self, route: Route, entry: Entry, step: Step, until: float) -> Move | None:
        """Record within the deadline; past it the channel is told that nobody knows, and recording goes on."""
        recording = self._settler.later(self._decide_and_record(route, entry, step))
        done, _ = await asyncio.wait([recording], timeout=max(0.0, until - self._clock.monotonic()))
        return recording.result() if done else None

    async def _decide_and_record(self, route: Route, entry: Entry, step: Step) -> Move | None:
        """The move that was made. From asking the limits to submitting it nothing else runs: they can't be overshot."""
        move = self._move(route, entry, step)
        return move if await self._record(route, move) else None

    async def _record(self, route: Route, move: Move) -> bool:
        made = await self._settler.insist(move)
        entry, target = move.entry, move.transition.target
        if target in FINAL:
            if not self._spool.store.lane_is_clear(entry.route, entry.lane):
                route.lane_freed(entry.lane)
        else:
            route.entry_waits(move.due_at_us)
        return made

    def _answer(self, route: Route, move: Move) -> Answer:
        entry = move.after()
        if move.transition is GIVE_BACK:
            why = self._limit(route, move.entry) or Why.STANDIN_OFF
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
            await self._settler.unclaim(draft.number, epoch=1)
        else:
            await self._settler.pass_barrier()
        route.entry_returned(draft.number)
        route.lane_freed(draft.lane)


def _hurry(under_way: set[asyncio.Timeout]) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE_S
    for scope in under_way:
        scope.reschedule(end)
