"""The walks of a route's entries: claim, send, outcome, record. Claims and outcomes go to disk together, many at once.

One claim and one recording of a route are on their way to disk at a time; what comes meanwhile gathers for the next.
Where a crash costs no person's work (levels A and B), entries are claimed ahead of the core, as many again as may be at
it, so that the core never waits for a disk. Nobody is sent without leave of the route's health, asked for right before
the first byte: a claim that finds the route open by then is taken back, for nothing was sent.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Protocol

import msgspec

from adapters.core import Level
from gateway import content
from gateway.clock import Clock
from gateway.conclude import Step, cannot_tell, cannot_undo, leave_ended, may_inquire
from gateway.content import Content
from gateway.deliver import Original, original_of
from gateway.forward.courier import Courier
from gateway.log import log
from gateway.route.breaker import Permit
from gateway.route.pace import Slot, Who
from gateway.route.route import Route
from gateway.route.zone import Operation, Zone
from gateway.settle import Settler
from spool import lifecycle
from spool.entry import Entry
from spool.errors import RecordDamaged, SpoolError, StorageUncertain
from spool.lifecycle import FINAL, Kind, State
from spool.nodes import Held
from spool.spool import Spool
from spool.store import Move


class Line(Protocol):
    """Where entries come from and go back to: the forwarder."""

    def unsent(self, entry: Entry) -> None:
        """Nothing was claimed, and the entry is as it was."""
        ...

    async def overtaken(self, entry: Entry) -> None:
        """Somebody else changed it."""
        ...

    async def moved(self, moves: Sequence[Move]) -> None:
        """These moves are on disk."""
        ...

    def pause(self) -> None:
        """The disk takes nothing: wait before anything more is begun."""
        ...

    def go_on(self) -> None:
        """There may be room for more."""
        ...

    def may_resend(self, entry: Entry) -> bool:
        """An attempt that begins now reaches a core that still knows the key."""
        ...


class Errand(msgspec.Struct, kw_only=True, gc=False):
    """An entry on its way, opened."""

    #: As it was, until it is claimed.
    entry: Entry
    kept: Content
    original: Original | None
    #: The leave it was begun with, on a route in trial; elsewhere leave is asked for when it is sent.
    permit: Permit | None
    #: An earlier attempt may have been booked.
    repeated: bool
    #: Once it is claimed: is it this node's still?
    held: Held


class Walks:
    """What is in hand on one route."""

    def __init__(
        self, *, route: Route, spool: Spool, clock: Clock, settler: Settler, courier: Courier, line: Line
    ) -> None:
        """Nothing is in hand yet."""
        self._route = route
        self._spool = spool
        self._clock = clock
        self._settler = settler
        self._courier = courier
        self._pace = route.health.pace
        self._line = line
        #: Rounds of the pace in hand: one at the core, and one claimed ahead of it. Not at level C: a crash leaves what is
        #: claimed in doubt, and there that is a person's work.
        self._rounds = 1 if route.core.capabilities.level is Level.C else 2
        #: Numbers of all entries that were begun and are not recorded.
        self.in_hand: set[int] = set()
        #: Numbers of those the core has yet to answer: what is bounded by the pace.
        self._unanswered: set[int] = set()
        self._picked: list[tuple[Entry, Permit | None]] = []
        self._claiming = False
        self._claimed: deque[Errand] = deque()
        #: Entries in doubt that wait for a place to be asked about.
        self._questions: deque[Entry] = deque()
        self._outcomes: list[Move] = []
        self._recording = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def waiting(self) -> int:
        """How many wait for a place at the core: claimed, or to be asked about."""
        return len(self._claimed) + len(self._questions)

    @property
    def room(self) -> int:
        """How many more may be begun; 0 or less when none."""
        limit = self._pace.backlog_limit * self._rounds
        return 0 if self._stopping else limit - len(self._unanswered)

    def send(self, entry: Entry, permit: Permit | None) -> None:
        """Begin to send an entry; on a route in trial with the trial's leave."""
        self._take_in_hand(entry)
        self._picked.append((entry, permit))
        if not self._claiming:
            self._claiming = True
            self._begin(self._claim_all())

    def ask(self, entry: Entry) -> None:
        """Ask about an entry in doubt, as soon as there is a place for that."""
        self._take_in_hand(entry)
        self._questions.append(entry)
        self._ask_in_turn()

    async def stop(self, grace_s: float) -> int:
        """Claim and send nothing more, let attempts end within `grace_s`; how many entries were left as they are."""
        self._stopping = True
        self.send_claimed()
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_s
        left: set[asyncio.Task[None]] = set()
        while self._tasks and not left:
            done, left = await asyncio.wait(self._tasks, timeout=max(0.0, end - loop.time()))
            self._tasks -= done
        count = len(self.in_hand)
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            done, _ = await asyncio.wait(self._tasks)
            self._tasks -= done
        return count

    def _take_in_hand(self, entry: Entry) -> None:
        self.in_hand.add(entry.number)
        self._unanswered.add(entry.number)

    def _let_go(self, entry: Entry) -> None:
        self.in_hand.discard(entry.number)
        self._unanswered.discard(entry.number)

    def _begin(self, walk: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(walk)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        log.error("forwarding_failed", route=self._route.name, error=type(error).__name__)

    def _withdraw(self, permit: Permit | None) -> None:
        if permit is not None:
            self._route.health.withdraw(permit)

    # Claim

    async def _claim_all(self) -> None:
        try:
            while self._picked:
                picked, self._picked = self._picked, []
                await self._claim([each for each in [await self._opened(*one) for one in picked] if each is not None])
                self.send_claimed()
                self._line.go_on()
        finally:
            self._claiming = False

    async def _opened(self, entry: Entry, permit: Permit | None) -> Errand | None:
        """An entry with what is sealed in it; None when it needn't or can't be sent."""
        try:
            kept, original = await self._contents(entry)
            instead = self._instead_of_sending(entry, original)
        except (RecordDamaged, ValueError):
            self._withdraw(permit)
            self._told(entry, self._damaged(entry))
            return None
        except SpoolError:
            self._line.pause()
            self._withdraw(permit)
            self._unsent(entry)
            return None
        except Exception as error:  # noqa: BLE001 - a bug that one record wakes; those beside it go on
            self._give_up(entry, permit, error)
            return None
        if instead is not None:
            self._withdraw(permit)
            self._told(entry, instead)
            return None
        repeated, held = entry.state is State.IN_DOUBT, Held(self._spool.store.nodes)
        return Errand(entry=entry, kept=kept, original=original, permit=permit, repeated=repeated, held=held)

    def _damaged(self, entry: Entry) -> Step:
        log.error("record_damaged", route=self._route.name, number=entry.number)
        return Step(transition=lifecycle.QUARANTINE, reason="damaged")

    async def _contents(self, entry: Entry) -> tuple[Content, Original | None]:
        kept = content.read(await self._spool.opened(entry))
        return kept, None if entry.kind is Kind.PAYMENT else await original_of(self._spool, entry)

    def _instead_of_sending(self, entry: Entry, original: Original | None) -> Step | None:
        """What becomes of a reversal that can't be sent: there is nothing to undo, or the core can't undo."""
        if original is None:
            return None
        if entry.state is State.READY and original.entry.state in FINAL - {State.POSTED}:
            return Step(transition=lifecycle.CANCEL, reason="nothing_to_reverse")
        return None if self._route.core.capabilities.reversal else cannot_undo()

    async def _claim(self, errands: list[Errand]) -> None:
        """On disk before the first byte leaves; those that somebody else was faster with, or nobody knows of, not sent."""
        now_us = self._clock.now_us()
        moves = [_claim_of(each, now_us) for each in errands]
        try:
            made = await self._spool.move(moves)
        except StorageUncertain:
            for errand, move in zip(errands, moves, strict=True):
                self._withdraw(errand.permit)
                self._unanswered.discard(errand.entry.number)
                self._settler.later(self._unclaim(move))
            return
        except SpoolError:
            # The disk takes nothing: trying at once, for ever, would only keep the processor busy.
            self._line.pause()
            for errand in errands:
                self._withdraw(errand.permit)
                self._unsent(errand.entry)
            return
        except Exception as error:  # noqa: BLE001 - a bug that one of them wakes; the others go on
            await self._claim_each(errands, error)
            return
        for errand, move, was_made in zip(errands, moves, made, strict=True):
            if was_made:
                errand.entry = move.after()
                # A trial has its place at the core already: behind one that waits for a place it would keep it for ever.
                (self._claimed.append if errand.permit is None else self._claimed.appendleft)(errand)
            else:
                self._withdraw(errand.permit)
                self._let_go(errand.entry)
                await self._line.overtaken(errand.entry)

    async def _claim_each(self, errands: list[Errand], error: Exception) -> None:
        if len(errands) == 1:
            self._give_up(errands[0].entry, errands[0].permit, error)
            return
        for errand in errands:
            await self._claim([errand])

    def _give_up(self, entry: Entry, permit: Permit | None, error: Exception) -> None:
        """Our bug: its lane stands until the next start, nothing else."""
        self._withdraw(permit)
        self._let_go(entry)
        self._failed(error)

    async def _unclaim(self, claim: Move) -> None:
        """Nobody knows whether it was claimed: find out, and put it back as it was; what was in doubt still is."""
        claimed = claim.after()
        back = lifecycle.NOT_SENT if claim.transition is lifecycle.CLAIM else lifecycle.DOUBT
        returned = await self._settler.unclaim(claimed.number, claimed.epoch, back, claimed_at_us=claim.at_us)
        self._unsent(returned or claim.entry)
        self._line.go_on()

    def _unsent(self, entry: Entry) -> None:
        self._let_go(entry)
        self._line.unsent(entry)

    # Send

    def send_claimed(self) -> None:
        """Send what is claimed, as many as the pace allows; take it back where the route opened, or we are stopping."""
        # Questions come first: what falls due is at most half of all, and what is claimed ahead never ends.
        self._ask_in_turn()
        while self._claimed and not (self._may_wait and not self._may_go(self._claimed[0])):
            errand = self._claimed.popleft()
            permit = self._leave(errand)
            if permit is None:
                self._told(errand.entry, leave_ended(repeated=errand.repeated))
            else:
                self._begin(self._carry(errand, permit))

    @property
    def _may_wait(self) -> bool:
        """For a place: neither are we stopping, nor is the route open."""
        return not self._stopping and self._route.health.zone is not Zone.OPEN

    def _ask_in_turn(self) -> None:
        """Ask as many as the pace allows; where the route opened, or we are stopping, they are due again later."""
        while self._questions and not self._may_wait:
            self._unsent(self._questions.popleft())
        while self._questions and self._pace.lets_backlog():
            place = Slot()
            self._pace.begin(place, Who.BACKLOG)
            self._begin(self._ask(self._questions.popleft(), place))

    def _may_go(self, errand: Errand) -> bool:
        """A trial has its place already."""
        return errand.permit is not None or self._pace.lets_backlog()

    def _leave(self, errand: Errand) -> Permit | None:
        health, permit = self._route.health, errand.permit
        if not self._may_leave(errand):
            self._withdraw(permit)
            return None
        if permit is None:
            return None if self._stopping else health.trial(operation_of(errand.entry))
        if health.holds(permit) and not self._stopping:
            return permit
        health.withdraw(permit)
        return None

    def _may_leave(self, errand: Errand) -> bool:
        """Neither may other nodes have put it in doubt, to ask about it or send it, nor may the core have forgotten it.

        It has waited since it was claimed, and waits once more until there is a connection: asked after both.
        """
        return errand.held() and (not errand.repeated or self._line.may_resend(errand.entry))

    async def _carry(self, errand: Errand, permit: Permit) -> None:
        entry, leave = errand.entry, partial(self._may_leave, errand)
        try:
            step = await self._courier.send(
                entry, errand.kept, errand.original, permit, repeated=errand.repeated, held=errand.held, leave=leave
            )
        finally:
            self._unanswered.discard(entry.number)
        self._told(entry, step)
        self.send_claimed()
        self._line.go_on()

    async def _ask(self, entry: Entry, place: Slot) -> None:
        """Ask the core about an entry in doubt; a person where it can't be asked."""
        try:
            step = await self._asked(entry)
        finally:
            self._pace.end(place)
            self._unanswered.discard(entry.number)
        if step is None:
            self._unsent(entry)
        else:
            self._told(entry, step)
        self.send_claimed()
        self._line.go_on()

    async def _asked(self, entry: Entry) -> Step | None:
        if not may_inquire(self._route.core.capabilities):
            return cannot_tell()
        try:
            kept, original = await self._contents(entry)
        except (RecordDamaged, ValueError):
            return self._damaged(entry)
        except SpoolError:
            return None
        return await self._courier.ask(entry, kept, original)

    # Record

    def _told(self, entry: Entry, step: Step) -> None:
        """What is known now goes to disk with everything else that is."""
        self._unanswered.discard(entry.number)
        self._outcomes.append(_move_of(entry, step, self._clock.now_us()))
        if not self._recording:
            self._recording = True
            self._begin(self._record_all())

    async def _record_all(self) -> None:
        try:
            while self._outcomes:
                moves, self._outcomes = self._outcomes, []
                await self._record(moves)
                self._line.go_on()
        finally:
            self._recording = False

    async def _record(self, moves: list[Move]) -> None:
        """Insist until the disk has taken them; then let their lanes go on."""
        try:
            made = await self._settler.insist_on_all(moves)
        except Exception as error:  # noqa: BLE001 - a bug that one of them wakes; the others go on
            await self._record_each(moves, error)
            return
        self.in_hand.difference_update(move.entry.number for move in moves)
        for move, was_made in zip(moves, made, strict=True):
            if not was_made:
                await self._line.overtaken(move.entry)
        await self._line.moved([move for move, was_made in zip(moves, made, strict=True) if was_made])

    async def _record_each(self, moves: list[Move], error: Exception) -> None:
        if len(moves) == 1:
            self._give_up(moves[0].entry, None, error)
            return
        for move in moves:
            await self._record([move])


def operation_of(entry: Entry) -> Operation:
    """What the core is asked to do with it."""
    return Operation.POST if entry.kind is Kind.PAYMENT else Operation.REVERSAL


def _claim_of(errand: Errand, now_us: int) -> Move:
    transition = lifecycle.RESEND if errand.repeated else lifecycle.CLAIM
    return Move(entry=errand.entry, transition=transition, at_us=now_us, in_turn=True)


def _move_of(entry: Entry, step: Step, now_us: int) -> Move:
    timed = step.wait_s > 0 or step.transition.target is State.IN_DOUBT
    return Move(
        entry=entry,
        transition=step.transition,
        at_us=now_us,
        due_at_us=now_us + round(step.wait_s * 1_000_000) if timed else 0,
        reason=step.reason,
        core_id=step.core_id,
    )
