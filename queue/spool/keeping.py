"""What a spool keeps besides entries (small values, acts of persons, accounts and what they were promised), and forgetting."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from spool.account import AccountNote, Spending
from spool.entry import Act
from spool.forgetting import Forgotten, Past
from spool.work import Acting, Exchange, Forgetting, Memo, Notes, Spend, Work


class Keeping:
    """The part of the engine that writes these; see `spool.store.Store` for what each promises."""

    @abstractmethod
    def _submit(self, work: Work) -> "asyncio.Future[Any]":
        """Have a work done with the next commit."""

    async def remember(self, name: str, value: bytes) -> None:
        """Keep a small named value. See `Store.remember`."""
        await self._submit(Memo(name, value))

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """Keep a value if what is kept is still `known`. See `Store.exchange`."""
        done: bool = await self._submit(Exchange(name, known, value, at_us))
        return done

    async def act(self, act: Act) -> Act:
        """Keep what a person did that moves no entry. See `Store.act`."""
        kept: Act = await self._submit(Acting(act))
        return kept

    async def forget(self, past: Past, after: int, limit: int, at_us: int) -> Forgotten:
        """Forget entries that are over. See `Store.forget`."""
        done: Forgotten = await self._submit(Forgetting(past, after, limit, at_us))
        return done

    async def spend(self, spending: Spending) -> bool:
        """Count a promise to an account if it fits. See `Store.spend`."""
        fits: bool = await self._submit(Spend(spending))
        return fits

    async def refund(self, spending: Spending) -> None:
        """Take a promise back. See `Store.refund`."""
        await self._submit(Spend(spending, refunded=True))

    async def note_accounts(self, notes: Sequence[AccountNote]) -> None:
        """Keep what was heard of accounts. See `Store.note_accounts`."""
        await self._submit(Notes(notes))
