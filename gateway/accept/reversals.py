"""Taking a reversal: which payment it means, whether it can be undone here or at the core, and the record of it."""

import contextlib

from adapters.payment import Answer, AnswerKind, Refusal, Reversal
from gateway import content
from gateway.accept import answers
from gateway.accept.decide import Why
from gateway.accept.live import Live
from gateway.accept.repeats import Repeats
from gateway.clock import Clock
from gateway.deliver import Original, open_original
from gateway.route.breaker import Permit
from gateway.route.route import Route, Routing
from gateway.route.zone import Operation
from spool.entry import Draft, Entry
from spool.errors import KeyBarred, KeysUnfit, LaneTaken, RecordShredded, SpoolClosed, StorageFull, StorageUncertain
from spool.lifecycle import FINAL, UNSENT, Kind, State, Told
from spool.number import CHANCE_BITS, Numbers
from spool.spool import Spool
from spool.store import Inserted, Known, NotReversible


class Reversals:
    """Takes reversals; `until` is always the monotonic time by which the channel must have its answer."""

    def __init__(
        self, *, spool: Spool, routing: Routing, clock: Clock, numbers: Numbers, live: Live, repeats: Repeats
    ) -> None:
        """Record in `spool`, along the routes of `routing`."""
        self._spool = spool
        self._store = spool.store
        self._routing = routing
        self._clock = clock
        self._numbers = numbers
        self._live = live
        self._repeats = repeats

    async def take(self, reversal: Reversal, fingerprint: bytes, until: float) -> Answer:
        """Take a reversal whose key nobody has in hand."""
        try:
            known = await self._store.find(reversal.channel, reversal.key)
            payment = None if known is not None else await self._payment_named(reversal)
        except (StorageFull, SpoolClosed, StorageUncertain):
            return answers.unknown(reversal.key)
        if known is not None:
            return self._repeats.again(known, reversal, fingerprint)
        if payment is None and self._repeats.is_coming(reversal.channel, reversal.payment_key):
            return answers.unknown(reversal.key)
        route = self._routing.named(payment.route) if payment is not None else None
        if payment is None or route is None:
            return answers.refused(Refusal.NOT_FOUND)
        unsent, over = payment.state in UNSENT, payment.state in FINAL - {State.POSTED}
        if not unsent and not route.core.capabilities.reversal:
            if self._live.as_told(payment).state not in FINAL:
                # It may yet turn out never to have reached the core, and is undone here then: a no would be too early.
                return answers.unknown(reversal.key)
            return answers.refused(Refusal.NOT_REVERSIBLE, "the core cannot undo a booking")
        return await self._undo(reversal, fingerprint, payment, route, until, here=unsent or over)

    async def _undo(
        self, reversal: Reversal, fingerprint: bytes, payment: Entry, route: Route, until: float, *, here: bool
    ) -> Answer:
        """Record the reversal of a payment; `here` says that it is decided here and needs neither core nor stand-in."""
        try:
            original = await open_original(self._spool, payment)
        except RecordShredded:
            return answers.refused(Refusal.NOT_REVERSIBLE, "it is past the time its content is kept for")
        except (SpoolClosed, StorageUncertain, KeysUnfit):
            return answers.unknown(reversal.key)
        # Over or not, it stands behind whatever of its account waits; under another index key that is another lane.
        lane = self._spool.lane_of(route.name, original.kept.account) if payment.state in FINAL else payment.lane
        posted = payment.state is State.POSTED and self._spool.may_be_clear(route.name, lane)
        permit = self._live.leave(route, reversal.channel, 0, Operation.REVERSAL) if posted else None
        if permit is not None:
            draft = self._reversal_draft(reversal, fingerprint, original, lane, live=True)
            # Where another node has something of this account in hand, it goes behind that.
            with contextlib.suppress(LaneTaken):
                return await self._record_reversal(draft, reversal, original, route, permit, until=until)
        policy = route.policies[reversal.channel]
        if not here and not (policy.enabled and policy.reversals):
            return answers.try_later(Why.STANDIN_OFF)
        draft = self._reversal_draft(reversal, fingerprint, original, lane, live=False)
        return await self._record_reversal(draft, reversal, original, route, None, until=until)

    async def _payment_named(self, reversal: Reversal) -> Entry | None:
        """The payment a reversal means, if it is the channel's own."""
        if reversal.payment_key:
            found = await self._repeats.find_for_good(reversal.channel, reversal.payment_key)
        else:
            found = await self._repeats.standing_for(await self._store.get(reversal.number))
        own = found is not None and found.channel == reversal.channel and found.kind is Kind.PAYMENT
        return found if own else None

    def _reversal_draft(
        self, reversal: Reversal, fingerprint: bytes, original: Original, lane: int, *, live: bool
    ) -> Draft:
        payment = original.entry
        now_us = self._clock.now_us()
        number, id_ = self._numbers.mint(now_us, self._clock.chance(CHANCE_BITS))
        return Draft(
            number=number,
            id=id_,
            kind=Kind.REVERSAL,
            channel=reversal.channel,
            key=reversal.key,
            fingerprint=fingerprint,
            route=payment.route,
            lane=lane,
            amount=payment.amount,
            currency=payment.currency,
            accepted_at_us=now_us,
            state=State.IN_FLIGHT if live else State.READY,
            told=Told.NOTHING if live else Told.PROVISIONAL,
            reverses=payment.number,
            rank=payment.rank,
            heard=self._repeats.heard_for(reversal),
            content=content.of_reversal(reversal, original.kept.account),
        )

    async def _record_reversal(
        self, draft: Draft, reversal: Reversal, original: Original, route: Route, permit: Permit | None, *, until: float
    ) -> Answer:
        try:
            recorded = await self._spool.record_reversal(draft)
        except (StorageFull, SpoolClosed):
            _withdraw(route, permit)
            return await self._repeats.turn_away(route, reversal, draft.fingerprint, Why.STORAGE)
        except StorageUncertain:
            _withdraw(route, permit)
            return self._repeats.doubt(route, draft)
        except KeyBarred:
            _withdraw(route, permit)
            return answers.unknown(reversal.key)
        except BaseException:
            _withdraw(route, permit)
            raise
        if isinstance(recorded, Inserted) and recorded.entry.state is State.IN_FLIGHT:
            assert permit is not None, "a reversal goes in flight only with leave"
            return await self._live.send(
                route, recorded.entry, content.read(draft.content), permit, until, original=original
            )
        _withdraw(route, permit)
        if isinstance(recorded, Known):
            return self._repeats.again(recorded.entry, reversal, draft.fingerprint)
        if isinstance(recorded, NotReversible):
            return answers.refused(Refusal.NOT_REVERSIBLE)
        netted = recorded.entry.state is State.CANCELLED
        if netted:
            route.lane_freed(draft.lane)
        else:
            route.entry_waits(0, recorded.entry.rank)
        return answers.first(recorded.entry, AnswerKind.POSTED if netted else AnswerKind.PROVISIONAL)


def _withdraw(route: Route, permit: Permit | None) -> None:
    if permit is not None:
        route.health.withdraw(permit)
