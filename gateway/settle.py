"""Recording what happened, whatever the disk does: an outcome that is known must not be forgotten."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from gateway.clock import Clock
from spool.entry import Entry
from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.lifecycle import NOT_SENT, State, Transition
from spool.spool import Spool
from spool.store import Move

T = TypeVar("T")

RETRY_S: Final = 0.25
"""Pause between two tries to record an outcome while the disk does not take it."""


_BARRIER: Final = "settled"


class Settler:
    """Makes moves until the spool has decided about them."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        """Record in `spool`, wait by `clock`."""
        self._spool = spool
        self._clock = clock
        self._later: set[asyncio.Task[Any]] = set()

    async def insist(self, move: Move) -> bool:
        """Make a move, trying for as long as nobody knows or nothing was stored; True when it is made.

        False means that the entry had changed: somebody else decided first.
        """
        (made,) = await self.insist_on_all([move])
        return made

    async def insist_on_all(self, moves: Sequence[Move]) -> list[bool]:
        """Make moves of several entries together, as `insist` does one."""
        return [move is not None for move in await self.insist_on_decided(lambda: moves)]

    async def insist_on_decided(self, decide: Callable[[], Sequence[Move]]) -> list[Move | None]:
        """As `insist`, deciding anew on each try, as others may have used up a limit meanwhile; the moves as made."""
        while True:
            moves = decide()
            try:
                made = await self._spool.move(moves)
                return [
                    move if yes or await self._was_made(move) else None for move, yes in zip(moves, made, strict=True)
                ]
            except (StorageFull, StorageUncertain, SpoolClosed):
                await self._clock.sleep(RETRY_S)

    async def _was_made(self, move: Move) -> bool:
        """A move that seemed to fail was made after all (an uncertain commit that did reach the disk)."""
        found = await self._spool.store.get(move.entry.number)
        return found is not None and _is_made(move, found)

    async def unclaim(
        self,
        number: int,
        epoch: int,
        transition: Transition = NOT_SENT,
        *,
        claimed_at_us: int | None = None,
        holds_lane: bool = False,
    ) -> Entry | None:
        """After an uncertain claim: if it was stored, take it back by `transition`, for nothing was sent.

        One of another time is another node's, which has the same epoch where ours was lost; None where nobody else can claim it.
        The entry as it was taken back; None when there was nothing to take back. An entry that nobody has in hand
        `holds_lane`: it is due at once, and nothing of its lane that was read meanwhile goes before it.
        """
        taking_back: Move | None = None
        while True:
            try:
                await self.pass_barrier()
                found = await self._spool.store.get(number)
                if found is None or (taking_back is not None and _is_made(taking_back, found)):
                    return found
                if found.state is not State.IN_FLIGHT or found.epoch != epoch:
                    return None
                if claimed_at_us not in {None, found.changed_at_us}:
                    return None
                now_us = self._clock.now_us()
                taking_back = Move(
                    entry=found,
                    transition=transition,
                    at_us=now_us,
                    due_at_us=now_us if holds_lane else 0,
                    reason="storage",
                )
                (made,) = await self._spool.move([taking_back])
                return taking_back.after() if made else None
            except (StorageFull, StorageUncertain, SpoolClosed):
                await self._clock.sleep(RETRY_S)

    async def pass_barrier(self) -> None:
        """Wait until the file tells the truth: a write that succeeds comes after every commit before it."""
        while True:
            try:
                await self._spool.store.remember(_BARRIER, b"")
            except (StorageFull, StorageUncertain, SpoolClosed):
                await self._clock.sleep(RETRY_S)
            else:
                return

    def later(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """See to something behind the answer's back."""
        task = asyncio.ensure_future(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)
        return task

    async def finish(self, grace_s: float) -> int:
        """Wait for what was put off, at most `grace_s`; how much of it was left undone (in doubt at the next start)."""
        if not self._later:
            return 0
        _, left = await asyncio.wait(self._later, timeout=grace_s)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        return len(left)


def _is_made(move: Move, found: Entry) -> bool:
    """An entry is as the move leaves it."""
    after = move.after()
    return (found.state, found.epoch, found.told, found.changed_at_us) == (
        after.state,
        after.epoch,
        after.told,
        after.changed_at_us,
    )
