"""Planted bugs: each is one guard taken out, in the place of the part that has it. The simulation must find all of them.

Each is planted at a seam (the store, the sealed spool, what insists on recording, what the core is believed to be, the
numbers), so that it says what a gateway without the guard would do, whatever the gateway looks like inside.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from itertools import count
from typing import Any, Final

from msgspec.structs import replace

from adapters.core import Delivery, Level
from adapters.outcome import Cause, NotSent, Outcome, Posted, Refused, Unknown
from adapters.payment import Answer, AnswerKind, Check, Payment, Refusal
from gateway.accept.acceptor import Acceptor, Tell
from gateway.admin.duties.closing import Closing
from gateway.clock import Clock
from gateway.returns.word import FinalWord
from gateway.route.health import RouteHealth
from gateway.settle import Settler
from gateway.telling.condition import Condition
from gateway.telling.letter import Letter
from gateway.telling.sink import NotTold, Sink
from spool.entry import Draft, Entry
from spool.errors import SpoolClosed, StorageUncertain
from spool.keys import KeyRing
from spool.lifecycle import CLAIM, NOT_SENT, POST, State, Transition
from spool.number import Numbers
from spool.spool import Spool
from spool.store import Inserted, Known, Move, NotReversible, Ready
from tests.simulation.billing import Billing, Order
from tests.simulation.disk import SimStore, Work, at_once
from tests.simulation.judge import Judge
from tests.simulation.nature import Nature
from tests.simulation.people import Witnessed
from tests.simulation.process import Parts
from tests.simulation.slowing_bugs import ForgetsWordsAtARestart, HurriesOn, NeverEndsAWord

# The store


class AnswersBeforeTheCommit(SimStore):
    """A payment is told as taken while its commit is still on its way (also: syncing left to the system)."""

    async def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        """Say yes as soon as it is known what the entry will be."""
        known = at_once(self.image.find(draft.channel, draft.key))
        if known is not None:
            return Known(entry=known)
        ahead = type(self.image)()
        ahead._opened = True
        inserted = at_once(ahead.insert(draft, key_id, sealed))
        self._submit(lambda: self.image.insert(draft, key_id, sealed), draft=draft).add_done_callback(_never_mind)
        return inserted


class CallsAnUnsureCommitANo(SimStore):
    """A commit that raised is taken for one that stored nothing."""

    async def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        """Nobody knows, but it says that nothing was stored."""
        try:
            return await super().insert(draft, key_id, sealed)
        except StorageUncertain as error:
            raise SpoolClosed("nothing was stored, surely?") from error


class CallsAnUnsureCommitAYes(SimStore):
    """A commit that raised is taken for one that went well."""

    async def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        """Nobody knows, but it says that it is there."""
        try:
            return await super().insert(draft, key_id, sealed)
        except StorageUncertain:
            ahead = type(self.image)()
            ahead._opened = True
            return at_once(ahead.insert(draft, key_id, sealed))


class TakesAKnownKeyAnew(SimStore):
    """A second entry for a key that is known."""

    async def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        """Forget who had the key."""
        self.image._owners.pop((draft.channel, draft.key), None)
        return await super().insert(draft, key_id, sealed)


class SendsAgainWhatWasInFlight(SimStore):
    """After a restart, what was in flight is ready, as if nothing of it could have left."""

    async def open(self, now_us: int) -> None:
        """Take everything back."""
        for entry in [e for e in self.image._entries.values() if e.state is State.IN_FLIGHT]:
            self.image._make(Move(entry=entry, transition=NOT_SENT, at_us=now_us))
        await super().open(now_us)


class ForgetsWhatWasInFlight(SimStore):
    """After a restart, what was in flight stays so for ever."""

    async def open(self, now_us: int) -> None:
        """Look away while the image is opened."""
        hidden = [e for e in self.image._entries.values() if e.state is State.IN_FLIGHT]
        for entry in hidden:
            del self.image._entries[entry.number]
        at_once(self.image.open(now_us))
        for entry in hidden:
            self.image._entries[entry.number] = entry
        self._renew()
        self._trouble, self._reading = "", True
        self._committer = asyncio.ensure_future(self._commit_for_ever())


class DropsWhatIsOld(SimStore):
    """What waits for over an hour is dropped at a start."""

    async def open(self, now_us: int) -> None:
        """Tidy up."""
        for entry in [e for e in self.image._entries.values() if e.state is State.READY]:
            if now_us - entry.accepted_at_us > 60_000_000:
                self.image._waiting.take(entry)
                del self.image._owners[entry.channel, entry.key]
                del self.image._entries[entry.number]
                self.image._numbers.remove(entry.number)
        await super().open(now_us)


class CountsLimitsLate(SimStore):
    """Limits are asked of what is on disk, not of what is on its way there."""

    def _expect(self, work: Work) -> None:
        super()._expect(work)
        self.tally.load(self.image.tally.snapshot())

    def _settle(self, work: Work, result: Any) -> None:
        super()._settle(work, result)
        self.tally.load(self.image.tally.snapshot())


class CountsLanesLate(SimStore):
    """Whether a lane is clear is asked of what is on disk, not of what is on its way there."""

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """As the disk has it."""
        return self.image.lane_is_clear(route, lane)


class CallsEveryLaneClear(SimStore):
    """A live payment overtakes what waits in its lane."""

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """Always."""
        return route != "" or not lane


class SeesNothingInTheWay(SimStore):
    """What waits in arrival order is never seen to be behind something in doubt."""

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Nothing is blocked."""
        return [Ready(entry=each.entry, blocked=False) for each in await super().ready(route, rank, after, limit)]


class CancelsWhatIsInFlight(SimStore):
    """A reversal cancels its payment here although an attempt may have left."""

    async def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known | NotReversible:
        """Call it unsent."""
        payment = self.image._entries[draft.reverses]
        if payment.state is State.IN_FLIGHT:
            await self.move([Move(entry=payment, transition=NOT_SENT, at_us=draft.accepted_at_us)])
        return await super().reverse(draft, key_id, sealed)


class SettlesNothingAfterTrouble(SimStore):
    """Commits that can't begin are forgotten, and nobody is told."""

    def _done_not(self, waiting: Sequence[Work]) -> None:
        """Silence."""


# The sealed spool


class KnowsNoContent(Spool):
    """Every content has the same fingerprint: other content under a known key gets its answer."""

    def _use(self, keys: KeyRing) -> None:
        super()._use(keys)
        self.fingerprint = lambda canonical: b"the same" * bool(canonical)

    def fingerprint_like(self, entry: Entry, canonical: bytes) -> bytes:  # noqa: ARG002 - as Spool.fingerprint_like
        """As it was made."""
        return self.fingerprint(canonical)


class MixesLanes(Spool):
    """The payments of one account are spread over two lanes."""

    def _use(self, keys: KeyRing) -> None:
        super()._use(keys)
        turn, lane_of = count(), self.lane_of
        self.lane_of = lambda route, account: lane_of(route, f"{account}/{next(turn) % 2}")


class MarksPostedFirst(Spool):
    """What is claimed is recorded as posted at once, before it is sent."""

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """Claim, and be done."""
        made = await super().move(moves)
        claims = [move for move, was_made in zip(moves, made, strict=True) if was_made and move.transition is CLAIM]
        if claims:
            await super().move([Move(entry=claim.after(), transition=POST, at_us=claim.at_us) for claim in claims])
        return made


# What insists on recording


class GivesUpRecording(Settler):
    """An outcome the disk didn't take at once is forgotten."""

    async def insist_on_decided(self, decide: Callable[[], Sequence[Move]]) -> list[Move | None]:
        """Try once."""
        moves = decide()
        try:
            made = await self._spool.move(moves)
        except (SpoolClosed, StorageUncertain):
            return [None] * len(moves)
        return [move if yes else None for move, yes in zip(moves, made, strict=True)]


class TakesNothingBack(Settler):
    """A claim that perhaps reached the disk is left as it is."""

    async def unclaim(
        self,
        number: int,
        epoch: int,
        transition: Transition = NOT_SENT,
        *,
        claimed_at_us: int | None = None,
        holds_lane: bool = False,
    ) -> Entry | None:
        """Hope."""
        await self.pass_barrier()
        return await self._spool.store.get(-(number + epoch + len(transition.name) + holds_lane + (claimed_at_us or 0)))


class WaitsForNoBarrier(Settler):
    """What the disk holds after an unsure commit is asked before it can tell."""

    async def pass_barrier(self) -> None:
        """Trust."""


# The way in


async def _otherwise(answering: Awaitable[Answer], changed: Callable[[Answer], Answer]) -> Answer:
    return changed(await answering)


def _no_for_unknown(answer: Answer) -> Answer:
    return Answer(kind=AnswerKind.TRY_LATER) if answer.kind is AnswerKind.IN_PROGRESS else answer


def _posted_for_provisional(answer: Answer) -> Answer:
    return replace(answer, kind=AnswerKind.POSTED) if answer.kind is AnswerKind.PROVISIONAL else answer


class SaysNoWhenUnsure(Acceptor):
    """Where nobody knows, the channel is told that nothing was taken."""

    def pay(self, payment: Payment, until: float, twin_until: float, tell: Tell) -> Coroutine[Any, Any, Answer] | None:
        """Answer, and make a no of an unknown."""
        more = super().pay(payment, until, twin_until, lambda answer: tell(_no_for_unknown(answer)))
        return None if more is None else _otherwise(more, _no_for_unknown)


class SaysPostedWhenProvisional(Acceptor):
    """What is merely held is told as booked."""

    def pay(self, payment: Payment, until: float, twin_until: float, tell: Tell) -> Coroutine[Any, Any, Answer] | None:
        """Answer too well."""
        more = super().pay(payment, until, twin_until, lambda answer: tell(_posted_for_provisional(answer)))
        return None if more is None else _otherwise(more, _posted_for_provisional)


class StartsNumbersAnew(Numbers):
    """Numbers go by the clock alone, also after a restart."""

    def start_above(self, last: int) -> None:
        """Never mind what the spool holds."""


# What the core is believed to be, and to have said


class BelievesInDedupe(Billing):
    """A core that books twice what it gets twice is sent again what is in doubt."""

    level: Level = Level.B

    def __init__(self, nature: Nature, judge: Judge) -> None:
        super().__init__(nature, judge)
        if nature.mix.level is self.level:
            self.capabilities = replace(self.capabilities, level=Level.A)


class ResendsAtLevelC(BelievesInDedupe):
    """The same at a core that can't be asked either."""

    level = Level.C


class BelievesNotFoundAtOnce(Billing):
    """That nothing is there is believed before the settle delay."""

    def __init__(self, nature: Nature, judge: Judge) -> None:
        super().__init__(nature, judge)
        self.capabilities = replace(self.capabilities, settle_delay_s=0.0)


class ForgetsThatKeysExpire(Billing):
    """What is in doubt is sent again when the core has forgotten its key."""

    def __init__(self, nature: Nature, judge: Judge) -> None:
        super().__init__(nature, judge)
        self.capabilities = replace(self.capabilities, key_lifetime_s=0.0)


class MakesANewKeyForEachAttempt(Billing):
    """The core gets another key with each attempt."""

    def key_of(self, order: Order) -> tuple[str, int]:
        """Number and attempt."""
        return order.operation, order.delivery.number * 1_000 + order.delivery.attempt


class _Misunderstands(Billing):
    """Makes something else of what it heard."""

    def understood(self, outcome: Outcome) -> Outcome:
        """What the gateway is told."""
        return outcome

    async def post(self, delivery: Delivery, timeout_s: float) -> Outcome:
        """Book it, and misunderstand."""
        return self.understood(await super().post(delivery, timeout_s))


class CallsSilenceUnsent(_Misunderstands):
    """No answer is taken for not sent."""

    def understood(self, outcome: Outcome) -> Outcome:
        """As if it had never left."""
        return NotSent(cause=Cause.UNREACHABLE) if isinstance(outcome, Unknown) else outcome


class CallsSilenceANo(_Misunderstands):
    """No answer is taken for a final no."""

    def understood(self, outcome: Outcome) -> Outcome:
        """A refusal."""
        return Refused(refusal=Refusal.OTHER) if isinstance(outcome, Unknown) else outcome


class CallsSilenceAYes(_Misunderstands):
    """No answer is taken for a yes."""

    def understood(self, outcome: Outcome) -> Outcome:
        """Booked, surely."""
        return Posted(core_id="c0") if isinstance(outcome, Unknown) else outcome


class CallsUnsentANo(_Misunderstands):
    """A core that can't be reached is taken for one that refuses."""

    def understood(self, outcome: Outcome) -> Outcome:
        """A refusal, of what the payer was told yes to."""
        return Posted(core_id="c0") if isinstance(outcome, NotSent) else outcome


class CallsAnErrorANo(_Misunderstands):
    """A server error is taken for a final no, booked or not."""

    def understood(self, outcome: Outcome) -> Outcome:
        """A refusal."""
        error = isinstance(outcome, Unknown) and outcome.cause is Cause.SERVER_ERROR
        return Refused(refusal=Refusal.OTHER) if error else outcome


def _never_mind(answer: "asyncio.Future[Any]") -> None:
    if not answer.cancelled():
        answer.exception()


def _store(bug: type[SimStore]) -> Parts:
    return Parts(store=bug)


def _billing(bug: Callable[[Nature, Judge], Billing]) -> Parts:
    return Parts(billing=bug)


# Several routes, checks, persons


def one_health_for_all(name: str, *parts: Any, **named: Any) -> RouteHealth:
    """A core that is down is taken for all of them."""
    clock = parts[1]
    known: RouteHealth | None = getattr(clock, "health_of_all", None)
    clock.health_of_all = known or RouteHealth(name, *parts, **named)
    health: RouteHealth = clock.health_of_all
    return health


class AllowsEveryAccount(Acceptor):
    """A check that the core refused is answered as one that it couldn't be asked."""

    async def check(self, check: Check, until: float) -> Answer:
        """Whatever it says, the account may be paid."""
        answer = await super().check(check, until)
        return Answer(kind=AnswerKind.POSTED) if answer.kind is AnswerKind.REFUSED else answer


class ForgetsWhoActed(Spool):
    """A person's act is made, without the person."""

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """As anybody's."""
        return await super().move([replace(move, actor="", note="") for move in moves])


# Telling people


class CallsRefusedTold(Witnessed):
    """What a sink didn't take is not tried again."""

    async def open(self) -> None:
        """Its sinks refuse nothing any more."""
        await super().open()
        for outlet in self.outlets.values():
            outlet.sink = _Deaf(outlet.sink)


class _Deaf:
    """A sink whose failures nobody hears."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def send(self, letter: Letter) -> None:
        """Never mind."""
        with contextlib.suppress(NotTold):
            await self._sink.send(letter)

    async def close(self) -> None:
        """Nothing is open."""


class NamesAccounts(Witnessed):
    """What is told names whose payment it is about."""

    def tell_of(self, condition: Condition) -> Condition:
        """With an account among the facts."""
        return replace(condition, facts={**condition.facts, "example": "0000001"})

    async def _compared(self, found: Sequence[Condition]) -> Any:
        return await super()._compared([self.tell_of(each) for each in found])


class CountsWhatNobodyWroteDown(Witnessed):
    """Channels are told of sums without a word on disk."""

    def __init__(self, **parts: Any) -> None:
        """As any, but careless."""
        super().__init__(**parts)
        self._channels._owing._word = _Careless(parts["store"])


class _Careless(FinalWord):
    """Says of everything that it may be told."""

    async def may_tell(self, entry: Entry, now_us: int) -> bool:  # noqa: ARG002 - as FinalWord's
        """Why not?"""
        return True


class ForgetsWhatStood(Witnessed):
    """A process that starts doesn't know what the former one told."""

    async def _compared(self, found: Sequence[Condition]) -> Any:
        if not getattr(self, "_began", False):
            self._began = True
            self.journal.stand = {}
        return await super()._compared(found)


def ends_and_tells_nobody(spool: Spool, clock: Clock, _route_named: object) -> Closing:
    """What waits behind an entry that a person ended goes on waiting."""
    return Closing(spool, clock, lambda _: None)


BUGS: Final[dict[str, Parts]] = {
    **{
        bug.__name__: _store(bug)
        for bug in (
            AnswersBeforeTheCommit,
            CallsAnUnsureCommitANo,
            CallsAnUnsureCommitAYes,
            TakesAKnownKeyAnew,
            SendsAgainWhatWasInFlight,
            ForgetsWhatWasInFlight,
            DropsWhatIsOld,
            CountsLimitsLate,
            CountsLanesLate,
            CallsEveryLaneClear,
            SeesNothingInTheWay,
            CancelsWhatIsInFlight,
            SettlesNothingAfterTrouble,
        )
    },
    **{bug.__name__: Parts(spool=bug) for bug in (KnowsNoContent, MixesLanes, MarksPostedFirst, ForgetsWhoActed)},
    **{bug.__name__: Parts(settler=bug) for bug in (GivesUpRecording, TakesNothingBack, WaitsForNoBarrier)},
    **{bug.__name__: Parts(acceptor=bug) for bug in (SaysNoWhenUnsure, SaysPostedWhenProvisional, AllowsEveryAccount)},
    **{
        bug.__name__: Parts(telling=bug)
        for bug in (CallsRefusedTold, NamesAccounts, CountsWhatNobodyWroteDown, ForgetsWhatStood)
    },
    ends_and_tells_nobody.__name__: Parts(closing=ends_and_tells_nobody),
    one_health_for_all.__name__: Parts(health=one_health_for_all),
    **{bug.__name__: Parts(health=bug) for bug in (HurriesOn, NeverEndsAWord, ForgetsWordsAtARestart)},
    StartsNumbersAnew.__name__: Parts(numbers=StartsNumbersAnew),
    **{
        bug.__name__: _billing(bug)
        for bug in (
            BelievesInDedupe,
            ResendsAtLevelC,
            BelievesNotFoundAtOnce,
            ForgetsThatKeysExpire,
            MakesANewKeyForEachAttempt,
            CallsSilenceUnsent,
            CallsSilenceANo,
            CallsSilenceAYes,
            CallsUnsentANo,
            CallsAnErrorANo,
        )
    },
}
"""Every planted bug by name."""
