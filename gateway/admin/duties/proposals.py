"""Maker and checker: proposals that wait for a second person, kept in the spool so that every node sees the same.

Each change is a compare-and-set on the proposal as it was read, so of two who decide at once one is told that the other
was first. What is confirmed is written down before it is done. Whoever dies between leaves it confirmed; confirming
again finishes it, as each room does its orders by compare-and-set too.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from gateway.admin.duties.proposal import Proposal, Stand, Undecidable, Verdict, decided, ended
from gateway.clock import Clock
from spool.store import Store

PREFIX: Final = "proposal/"
PAGE: Final = 200
OPEN_MAX: Final = 1_000
"""Proposals that wait at once; more are refused until some are decided."""

US: Final = 1_000_000


class NotDone(Exception):
    """A confirmed order can't be carried out any more; the message says why."""


class TooMany(Exception):
    """So many proposals wait already that no more is taken."""


Doer = Callable[[Proposal], Awaitable[str]]
"""Carries out a confirmed proposal: what came of it in one line, or `NotDone`. The same again does nothing more."""


class Proposals:
    """The proposals of one spool."""

    def __init__(self, store: Store, clock: Clock, *, expires_s: int, doers: Mapping[str, Doer]) -> None:
        """Keep them in `store`; have them carried out by `doers`, by act."""
        self._store = store
        self._clock = clock
        self._expires_s = expires_s
        self._doers = dict(doers)

    def add_doer(self, act: str, doer: Doer) -> None:
        """Have another room's orders carried out."""
        self._doers[act] = doer

    async def propose(self, act: str, subject: str, summary: str, order: bytes, *, maker: str, reason: str) -> Proposal:
        """Put a proposal down.

        Raises:
            TooMany: decide some first.
        """
        assert act in self._doers, "what nobody can do isn't proposed"
        now_us = self._clock.now_us()
        if len(await self.waiting()) >= OPEN_MAX:
            raise TooMany(f"{OPEN_MAX} proposals wait already: decide some of them first")
        number = now_us
        while True:
            made = Proposal(
                id=number,
                act=act,
                subject=subject,
                summary=summary,
                order=msgspec.Raw(order),
                maker=maker,
                reason=reason,
                made_at_us=now_us,
                ends_at_us=now_us + self._expires_s * US,
            )
            if await self._store.exchange(_name(number), None, _written(made), now_us):
                return made
            number += 1

    async def get(self, number: int) -> Proposal | None:
        """The proposal of this number."""
        kept = await self._store.recall(_name(number))
        return None if kept is None else _read(kept)

    async def waiting(self) -> list[Proposal]:
        """What can still be decided: open and not past its end, or confirmed and not known to be done. Oldest first."""
        now_us = self._clock.now_us()
        # Nothing older can be open; what is confirmed was so before its end.
        found = await self._since(now_us - 2 * self._expires_s * US)
        return [
            each
            for each in found
            if each.stand is Stand.CONFIRMED or (each.stand is Stand.OPEN and not each.has_expired(now_us))
        ]

    async def page(self, after: int, limit: int) -> list[Proposal]:
        """All of them, oldest first."""
        return [_read(kept) for _, kept in await self._store.recall_some(PREFIX, _name(after), limit)]

    async def _since(self, at_us: int) -> list[Proposal]:
        found, after = list[Proposal](), max(at_us, 0)
        while page := await self.page(after, PAGE):
            found += page
            after = page[-1].id
        return found

    async def decide(self, number: int, verdict: Verdict, *, person: str, word: str) -> Proposal | None:
        """Say something to a proposal, and carry it out when that was the confirmation; None when there is none.

        Raises:
            Undecidable: not this, or not by this person, or not any more.
        """
        kept = await self._store.recall(_name(number))
        if kept is None:
            return None
        now_us = self._clock.now_us()
        said = decided(_read(kept), verdict, person, word, now_us)
        written = _written(said)
        if written != kept and not await self._store.exchange(_name(number), kept, written, now_us):
            raise Undecidable("somebody else decided it at this moment: look again")
        return await self._carry_out(said, written) if said.stand is Stand.CONFIRMED else said

    async def _carry_out(self, proposal: Proposal, written: bytes) -> Proposal:
        try:
            outcome, done = await self._doers[proposal.act](proposal), True
        except NotDone as error:
            outcome, done = str(error), False
        after = ended(proposal, done=done, outcome=outcome)
        # Where somebody else finished it at the same moment his word stands, as only one of the two did anything.
        if await self._store.exchange(_name(proposal.id), written, _written(after), self._clock.now_us()):
            return after
        return await self.get(proposal.id) or after


def _name(number: int) -> str:
    return f"{PREFIX}{number:020}"


def _written(proposal: Proposal) -> bytes:
    return msgspec.json.encode(proposal)


def _read(kept: bytes) -> Proposal:
    return msgspec.json.decode(kept, type=Proposal)
