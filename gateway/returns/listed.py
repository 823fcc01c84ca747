"""What a channel is shown where it asks for its returns: the same it is told of, each by its own key. See `owing.py`."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from adapters.amount import write_amount
from adapters.channel import Inbound, Reply
from adapters.channels.json_bodies import ReturnsView, ReturnView
from adapters.channels.json_returns import PAGE_RETURNS, NotAsked, read_place, write_place, write_returns
from adapters.channels.problem import Code, problem
from adapters.instant import instant
from gateway.clock import Clock
from gateway.returns.duty import stage_of
from gateway.returns.owing import Owing
from gateway.returns.settings import ReturnSettings
from spool.entry import Entry
from spool.errors import SpoolError
from spool.store import FIRST, Owed, Store

_LATER: Final = problem(Code.TRY_LATER)


class ListedReturns:
    """Pages of what is owed back by the channels of one spool."""

    def __init__(self, store: Store, clock: Clock, settings: ReturnSettings) -> None:
        """Show what is in `store`."""
        self._owing = Owing(store, clock, settings)
        self._clock = clock
        self._settings = settings
        #: A channel has one page looked up at a time, however often it asks: others ask too.
        self._turns = defaultdict[str, asyncio.Lock](asyncio.Lock)

    async def answer(self, channel: str, inbound: Inbound, within_s: float) -> Reply:
        """A page for a channel that has shown who it is, in so many seconds at most; what it shows is on disk as told."""
        try:
            place = read_place(inbound)
            async with asyncio.timeout(within_s), self._turns[channel]:
                page = await self._owing.page(channel, FIRST if place is None else Owed(*place), PAGE_RETURNS)
        except NotAsked as none:
            return none.reply
        except (SpoolError, TimeoutError):
            # What was written down as told meanwhile stays so.
            return _LATER
        return write_returns(self._view(page.entries, page.next))

    def _view(self, entries: Sequence[Entry], following: Owed | None) -> ReturnsView:
        return ReturnsView(
            returns=tuple(map(self._line, entries)), next=UNSET if following is None else write_place(*following)
        )

    def _line(self, entry: Entry) -> ReturnView:
        return ReturnView(
            id=str(entry.number),
            key=entry.key,
            amount=write_amount(entry.amount, entry.currency),
            currency=entry.currency,
            accepted_at=instant(entry.accepted_at_us).decode(),
            due_since=instant(entry.changed_at_us).decode(),
            stage=stage_of(entry.changed_at_us, self._clock.now_us(), self._settings).value,
        )
