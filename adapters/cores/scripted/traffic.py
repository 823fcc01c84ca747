"""Who is in hand: how many orders, and on which accounts, so that a judge can see two at once on one account."""

import asyncio
import select
import socket
from typing import NamedTuple

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Beside(NamedTuple):
    """Unanswered attempts on the same account."""

    #: Their senders wait for the answer.
    waiting: int
    #: Their senders hung up.
    abandoned: int


ALONE = Beside(0, 0)


class Mark:
    """A count that only grows, and can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def add(self, more: int = 1) -> None:
        """So many more; wakes those who waited for it."""
        self.count += more
        if self._waiting:
            for count, reached in self._waiting:
                if count <= self.count and not reached.done():
                    reached.set_result(None)
            self._waiting = [(count, reached) for count, reached in self._waiting if not reached.done()]

    async def reach(self, count: int) -> None:
        """Wait until there are so many."""
        if self.count < count:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((count, reached))
            await reached


class Traffic:
    """Everything in hand at one core."""

    def __init__(self) -> None:
        #: Orders in hand.
        self.load = 0
        #: Orders that ever arrived.
        self.arrived = Mark()
        self._by_account: dict[str, list[asyncio.Transport | None]] = {}

    def enter(self, account: str, transport: asyncio.Transport | None) -> Beside:
        """An attempt to move money on this account came by this connection; who else is at it?"""
        others = self._by_account.setdefault(account, [])
        beside = ALONE
        if others:
            waiting = sum(not hung_up(other) for other in others)
            beside = Beside(waiting, len(others) - waiting)
        others.append(transport)
        return beside

    def leave(self, account: str, transport: asyncio.Transport | None) -> None:
        """The attempt was answered, or will never be."""
        others = self._by_account[account]
        others.remove(transport)
        if not others:
            del self._by_account[account]


def hung_up(transport: asyncio.Transport | None) -> bool:
    """Did the peer close the connection, as far as the system knows? Sooner than the event loop hears of it."""
    if transport is None or transport.is_closing():
        return True
    known: socket.socket | None = transport.get_extra_info("socket")
    if known is None or known.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(known.fileno(), _GONE)
    return bool(poll.poll(0))
