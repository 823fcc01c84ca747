"""Taking a payment: decide, record, answer. The walk of every request that comes in, in the order it goes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from adapters.canonical import canonical, differing
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Refusal, Reversal
from gateway import content
from gateway.accept import answers
from gateway.accept.checks import Checks
from gateway.accept.decide import (
    ACCOUNT_FULL,
    NO_STORAGE,
    PASS_THROUGH,
    RECORDED,
    STAND_IN,
    Decision,
    Way,
    Why,
    decide,
    limits_of,
    used_up,
)
from gateway.accept.in_hand import InHand, failed
from gateway.accept.live import Live
from gateway.accept.repeats import Repeats
from gateway.accept.reversals import Reversals
from gateway.clock import Clock
from gateway.meter import Meter
from gateway.returns.word import FinalWord
from gateway.route.breaker import Permit
from gateway.route.route import Route, Routing
from gateway.settle import Settler
from gateway.standin.accounts import Accounts
from gateway.standin.facts import NO_FACTS, Facts
from gateway.standin.policy import Terms
from spool.account import Spending
from spool.entry import Draft, Entry
from spool.errors import KeyBarred, LaneTaken, OverLimit, SpoolClosed, SpoolError, StorageFull, StorageUncertain
from spool.lifecycle import Kind, State, Told
from spool.number import CHANCE_BITS, Numbers, id_text
from spool.spool import Spool
from spool.store import Inserted, Known

# Looked up once: in an enumeration that costs each payment as much as a call.
_PAYMENT: Final = Kind.PAYMENT
_PROVISIONAL: Final = AnswerKind.PROVISIONAL

Tell = Callable[[Answer], None]
"""Takes the answer to one request, once."""


class Acceptor:
    """Answers channels. `until` is always the monotonic time by which the channel must have its answer."""

    def __init__(
        self,
        *,
        spool: Spool,
        routing: Routing,
        clock: Clock,
        numbers: Numbers,
        settler: Settler,
        meter: Meter,
        accounts: Accounts,
    ) -> None:
        """Take requests into `spool`, along the routes of `routing`; ask `accounts` where a policy wants it."""
        self._spool = spool
        self._store = spool.store
        #: Other nodes write as well: only a recording knows whether a lane is clear and a limit has room.
        self._shared = spool.store.nodes.shared
        self._routing = routing
        self._clock = clock
        self._numbers = numbers
        self._settler = settler
        self._meter = meter
        self._accounts = accounts
        self._word = FinalWord(spool.store)
        self._live = Live(spool=spool, clock=clock, settler=settler, meter=meter, accounts=accounts)
        self._checks = Checks(
            spool=spool, routing=routing, clock=clock, meter=meter, live=self._live, accounts=accounts
        )
        for route in routing.routes:
            self._live.watch(route)
        self._repeats = Repeats(spool=spool, clock=clock, live=self._live, meter=meter)
        self._reversals = Reversals(
            spool=spool, routing=routing, clock=clock, numbers=numbers, live=self._live, repeats=self._repeats
        )
        #: Lanes, by route, of payments whose recording a task has yet to begin: what comes meanwhile must not overtake them.
        self._taking = spool.entering
        #: Answers that are looked for, apart from any request's own task.
        self._looking: set[asyncio.Task[None]] = set()

    @property
    def in_hand(self) -> int:
        """Payments and reversals that are to be answered now."""
        return len(self._repeats.in_hand)

    # One answer per key

    def pay(self, payment: Payment, until: float, twin_until: float, tell: Tell) -> Coroutine[Any, Any, Answer] | None:
        """Take a payment; should its twin be in hand, wait for that one's answer until `twin_until`.

        What is stood in for is told by `tell`, once it is on disk: in an outage that is all payments, and none of them is
        worth a task that waits. Where there is more to do, `tell` is not called; what is returned is to be run instead.
        """
        key = (payment.channel, payment.key)
        twin = self._repeats.in_hand.get(key)
        if twin is not None:
            return self._join(twin, payment, min(until, twin_until))
        fingerprint = self._spool.fingerprint(canonical(payment))
        hand = self._repeats.take_in_hand(payment)
        try:
            return self._take_payment(hand, payment, fingerprint, until, tell)
        except Exception as error:  # noqa: BLE001 - see `failed`
            tell(self._end(hand, failed(payment, error)))
        return None

    async def reverse(self, reversal: Reversal, until: float, twin_until: float) -> Answer:
        """Take a reversal; twins as with payments."""
        key = (reversal.channel, reversal.key)
        twin = self._repeats.in_hand.get(key)
        if twin is not None:
            return await self._join(twin, reversal, min(until, twin_until))
        fingerprint = self._spool.fingerprint(canonical(reversal))
        hand = self._repeats.take_in_hand(reversal)
        return await self._see(hand, partial(self._reversals.take, reversal, fingerprint, until))

    async def known(self, request: Payment | Reversal) -> Answer | None:
        """The answer a request got when it was taken earlier; None when it never was. Takes nothing."""
        try:
            entry = await self._store.find(request.channel, request.key)
        except SpoolClosed:
            return None
        return (
            None if entry is None else self._repeats.again(entry, request, self._spool.fingerprint(canonical(request)))
        )

    async def _see(self, hand: InHand, look: Callable[[], Awaitable[Answer]]) -> Answer:
        """Look for the answer to a request in hand."""
        answer = answers.unknown(hand.request.key)
        try:
            answer = await look()
        except Exception as error:  # noqa: BLE001 - see `failed`
            answer = failed(hand.request, error)
        finally:
            self._end(hand, answer)
        return answer

    def _end(self, hand: InHand, answer: Answer) -> Answer:
        """A request is in hand no more; its twins get its answer."""
        del self._repeats.in_hand[hand.request.channel, hand.request.key]
        hand.tell(answer)
        return answer

    async def _join(self, twin: InHand, request: Payment | Reversal, until: float) -> Answer:
        fields = differing(twin.request, request)
        if fields:
            return Answer(kind=AnswerKind.CONFLICT, key=request.key, fields=fields)
        if twin.answer is None:
            twin.answer = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([twin.answer], timeout=max(0.0, until - self._clock.monotonic()))
        return twin.answer.result() if done else answers.unknown(request.key)

    # A payment: decision, record, answer

    def _take_payment(
        self, hand: InHand, payment: Payment, fingerprint: bytes, until: float, tell: Tell
    ) -> Coroutine[Any, Any, Answer] | None:
        route = self._routing.of(payment.channel, payment.currency, payment.service, payment.account)
        if route is None:
            # It may have been taken when there was one: then it is booked, whatever the configuration says now.
            no = answers.refused(Refusal.NO_ROUTE)
            return self._see(hand, partial(self._repeats.unless_known, payment, fingerprint, no))
        lane = self._spool.lane_of(route.name, payment.account)
        # By itself a node sends nothing: what it may not ask for, another may have in hand.
        clear = self._spool.may_be_clear(route.name, lane) and not self._store.nodes.alone
        permit = self._live.leave(route, payment.channel, payment.amount) if clear else None
        if permit is not None:
            try:
                draft = self._draft(payment, fingerprint, route, lane, PASS_THROUGH)
                # Now and not in the task: on disk nothing of its account that comes after it is before it.
                recording = self._spool.record(draft)
            except BaseException:
                route.health.withdraw(permit)
                raise
            self._taking[route.name, lane] += 1
            return self._see(hand, partial(self._pass_through, recording, draft, payment, route, permit, until=until))
        terms = route.policies[payment.channel].terms_for(payment.service, payment.account)
        if self._accounts.are_asked(terms) or terms.answer == "refuse" or route.order.asks_accounts:
            self._taking[route.name, lane] += 1
            return self._see(hand, partial(self._stand_in, payment, fingerprint, route, lane, terms))
        decision = self._decide(route, payment, terms, NO_FACTS)
        if decision.why:
            return self._see(hand, partial(self._repeats.turn_away, route, payment, fingerprint, decision.why))
        draft = self._draft(payment, fingerprint, route, lane, STAND_IN)
        recorded = self._spool.record(draft)
        if not isinstance(recorded, asyncio.Future):
            recorded = asyncio.ensure_future(recorded)
        recorded.add_done_callback(partial(self._stood_in, hand, draft, route, tell))
        return None

    def _stood_in(
        self, hand: InHand, draft: Draft, route: Route, tell: Tell, recorded: "asyncio.Future[Inserted | Known]"
    ) -> None:
        """A commit with this payment ended."""
        payment = hand.request
        try:
            found = recorded.result()
            if isinstance(found, Inserted):
                route.entry_waits(0, found.entry.rank)
                answer = answers.first(found.entry, _PROVISIONAL)
            else:
                answer = self._repeats.again(found.entry, payment, draft.fingerprint)
        except (StorageFull, SpoolClosed):
            self._tell_later(
                hand, partial(self._repeats.turn_away, route, payment, draft.fingerprint, Why.STORAGE), tell
            )
            return
        except OverLimit as over:
            looking = partial(self._repeats.turn_away, route, payment, draft.fingerprint, used_up(over))
            self._tell_later(hand, looking, tell)
            return
        except StorageUncertain:
            answer = self._repeats.doubt(route, draft)
        except KeyBarred:
            answer = answers.unknown(payment.key)
        except Exception as error:  # noqa: BLE001 - see `failed`
            answer = failed(payment, error)
        tell(self._end(hand, answer))

    def _tell_later(self, hand: InHand, look: Callable[[], Awaitable[Answer]], tell: Tell) -> None:
        """Tell an answer that has to be looked for."""

        async def told() -> None:
            tell(await self._see(hand, look))

        looking = asyncio.get_running_loop().create_task(told())
        self._looking.add(looking)
        looking.add_done_callback(self._looking.discard)

    async def _stand_in(self, payment: Payment, fingerprint: bytes, route: Route, lane: int, terms: Terms) -> Answer:
        """Take a payment in the core's place, where something has to be looked up or kept beside it.

        The last decision and its recording are one moment.
        """
        try:
            return await self._stand_in_or_not(payment, fingerprint, route, lane, terms)
        finally:
            self._taken(route, lane)

    async def _stand_in_or_not(
        self, payment: Payment, fingerprint: bytes, route: Route, lane: int, terms: Terms
    ) -> Answer:
        facts, spending = NO_FACTS, None
        try:
            lanes = self._spool.lanes_of(route.name, payment.account)
            facts = await self._accounts.facts(terms, lanes, route.outage, look=route.order.asks_accounts)
            decision = self._decide(route, payment, terms, facts)
            if decision is STAND_IN and terms.account_day is not None:
                policy, whose = route.policies[payment.channel], (route.name, payment.account)
                spending = await self._accounts.spend(policy, terms, whose, payment.amount)
                # Others may have used up a limit while it was counted.
                decision = self._decide(route, payment, terms, facts) if spending else ACCOUNT_FULL
        except SpoolError:
            decision = NO_STORAGE
        if decision.way is Way.TRY_LATER:
            self._take_back(spending)
            return await self._repeats.turn_away(route, payment, fingerprint, decision.why)
        draft = self._draft(payment, fingerprint, route, lane, decision, urgent=facts.urgent)
        return await self._record(draft, payment, route, spending)

    async def _record(self, draft: Draft, payment: Payment, route: Route, spending: Spending | None) -> Answer:
        """Record what is stood in for, or refused by a rule; what was counted for it and not promised is taken back."""
        try:
            recorded = await self._spool.record(draft)
        except (StorageFull, SpoolClosed):
            self._take_back(spending)
            return await self._repeats.turn_away(route, payment, draft.fingerprint, Why.STORAGE)
        except OverLimit as over:
            self._take_back(spending)
            return await self._repeats.turn_away(route, payment, draft.fingerprint, used_up(over))
        except StorageUncertain:
            return self._repeats.doubt(route, draft)
        except KeyBarred:
            self._take_back(spending)
            return answers.unknown(payment.key)
        if isinstance(recorded, Known):
            self._take_back(spending)
            return self._repeats.again(recorded.entry, payment, draft.fingerprint)
        if draft.state is State.CANCELLED:
            self._meter.turned_away(route.name, payment.channel, Why.RULE.value)
            return answers.first(recorded.entry, AnswerKind.REFUSED)
        route.entry_waits(0, recorded.entry.rank)
        return answers.first(recorded.entry, _PROVISIONAL)

    def _decide(self, route: Route, payment: Payment, terms: Terms, facts: Facts) -> Decision:
        tally = self._store.tally
        exposed = tally.exposure(route.name), tally.exposure(route.name, payment.channel)
        return decide(route.policies[payment.channel], terms, payment.amount, exposed, facts)

    def _taken(self, route: Route, lane: int) -> None:
        """A payment of this lane is recorded, or isn't to be."""
        self._taking[route.name, lane] -= 1
        if not self._taking[route.name, lane]:
            del self._taking[route.name, lane]

    def _take_back(self, spending: Spending | None) -> None:
        """What was counted for an account and not promised; nobody waits for it."""
        if spending is not None:
            self._settler.later(self._accounts.refund(spending))

    def _draft(
        self,
        payment: Payment,
        fingerprint: bytes,
        route: Route,
        lane: int,
        decision: Decision,
        *,
        urgent: bool = False,
    ) -> Draft:
        now_us = self._clock.now_us()
        number, id_ = self._numbers.mint(now_us, self._clock.chance(CHANCE_BITS))
        state, told = RECORDED[decision.way]
        policy = route.policies[payment.channel]
        return Draft(
            number=number,
            id=id_,
            kind=_PAYMENT,
            channel=payment.channel,
            key=payment.key,
            fingerprint=fingerprint,
            route=route.name,
            lane=lane,
            amount=payment.amount,
            currency=payment.currency,
            accepted_at_us=now_us,
            state=state,
            told=told,
            policy="" if decision is PASS_THROUGH else policy.version,
            within=limits_of(policy, payment.channel) if self._shared and told is Told.PROVISIONAL else (),
            rank=route.order.rank_of(payment, urgent=urgent),
            heard=self._repeats.heard_for(payment),
            content=content.of_payment(payment, route.core.prepare(payment, number, id_text(id_))),
        )

    async def _pass_through(
        self,
        recording: Awaitable[Inserted | Known],
        draft: Draft,
        payment: Payment,
        route: Route,
        permit: Permit,
        *,
        until: float,
    ) -> Answer:
        try:
            recorded = await recording
        except (StorageFull, SpoolClosed):
            route.health.withdraw(permit)
            return await self._repeats.turn_away(route, payment, draft.fingerprint, Why.STORAGE)
        except StorageUncertain:
            route.health.withdraw(permit)
            return self._repeats.doubt(route, draft)
        except KeyBarred:
            route.health.withdraw(permit)
            return answers.unknown(payment.key)
        except LaneTaken:
            # Another node has a payment of this account in hand: this one goes behind it, as behind one of ours.
            route.health.withdraw(permit)
            terms = route.policies[payment.channel].terms_for(payment.service, payment.account)
            return await self._stand_in_or_not(payment, draft.fingerprint, route, draft.lane, terms)
        except BaseException:
            route.health.withdraw(permit)
            raise
        finally:
            self._taken(route, draft.lane)
        if isinstance(recorded, Known):
            route.health.withdraw(permit)
            return await self._repeats.heard_elsewhere(recorded.entry, payment, draft.fingerprint, until)
        return await self._live.send(route, recorded.entry, content.read(draft.content), permit, until)

    # Questions, for which nothing is stored

    def check(self, check: Check, until: float) -> Awaitable[Answer]:
        """May this account be paid? Asked of the core while it is well, else answered by the policy."""
        return self._checks.check(check, until)

    async def inquire(self, inquiry: Inquiry) -> Answer:
        """What became of a payment or reversal of this channel's own."""
        try:
            if inquiry.key:
                entry = await self._repeats.find_for_good(inquiry.channel, inquiry.key)
            else:
                entry = await self._store.get(inquiry.number)
            entry = await self._repeats.standing_for(entry)
        except (StorageFull, SpoolClosed):
            return answers.try_later(Why.STORAGE)
        except StorageUncertain:
            return answers.unknown(inquiry.key)
        if entry is not None and entry.channel == inquiry.channel:
            return await self._how_it_stands(self._live.as_told(entry))
        # What is told by number alone is on disk already.
        coming = self._repeats.is_coming(inquiry.channel, inquiry.key)
        return answers.unknown(inquiry.key) if coming else answers.refused(Refusal.NOT_FOUND)

    async def _how_it_stands(self, entry: Entry) -> Answer:
        """What is said of an entry now; that a promised payment is refused is on disk as said before it is."""
        try:
            may_tell = await self._word.may_tell(entry, self._clock.now_us())
        except (SpoolClosed, StorageUncertain):
            return answers.unknown(entry.key)
        return answers.now(entry) if may_tell else answers.taken_up(entry)
