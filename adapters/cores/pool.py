"""The connections to one core: at most so many at once, kept while they are warm, given out in order.

Whoever asks holds a slot for as long. A slot is used with a kept connection, the one that was freed last (so that those
too many grow old and end), else with a new one; nothing is opened while a kept one is good. So there are never more
connections than slots. Everything here happens before a byte of a request is written: whatever fails is `NotSent`.
"""

import asyncio
from collections import deque
from typing import Final

from adapters.cores.dial import Dial
from adapters.cores.settings import HttpSettings
from adapters.cores.wire import Connection
from adapters.outcome import Cause, NotSent

CLOSED: Final = NotSent(cause=Cause.UNREACHABLE, detail="closed")
"""The adapter was closed."""

_NONE_IN_TIME: Final = NotSent(cause=Cause.CONNECT_TIMEOUT, detail="no connection in time, or none free")
_TURNED_AWAY: Final = NotSent(cause=Cause.UNREACHABLE, detail="the new connection was no good before it was used")


class Pool:
    """Connections to one core. Belongs to the event loop it was made in."""

    def __init__(self, settings: HttpSettings, dial: Dial) -> None:
        """Open them by `dial`."""
        self._settings = settings
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._slots_left = settings.connections_max
        #: Those who wait for a slot, in order.
        self._waiting: deque[asyncio.Future[None]] = deque()
        #: Connections nobody uses; the last was freed last.
        self._kept: list[Connection] = []
        self._standing: set[Connection] = set()
        self._is_closed = False
        self._none_stands = asyncio.Event()

    def kept(self) -> Connection | None:
        """A slot with a kept connection, if both are there this moment."""
        if not self._slots_left:
            return None
        connection = self._warm()
        if connection is not None:
            self._slots_left -= 1
        return connection

    async def taken(self, until_s: float) -> Connection | NotSent:
        """A slot with a connection, in its turn and not later than `until_s` of the loop's clock."""
        try:
            async with asyncio.timeout_at(until_s):
                await self._slot()
                return await self._connection()
        except TimeoutError as error:
            # One with a number is the system's own, of a host that doesn't answer.
            return _NONE_IN_TIME if error.errno is None else self._dial.failure_of(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, it was before the first byte
            return self._dial.failure_of(error)

    async def close(self) -> None:
        """Let all go: who waits gets `CLOSED`, what is asked ends as `Unknown`."""
        self._is_closed = True
        while self._waiting:
            self._give_on()
        for connection in tuple(self._standing):
            connection.drop()
        if self._standing:
            await self._none_stands.wait()

    # Slots

    async def _slot(self) -> None:
        if self._slots_left:
            self._slots_left -= 1
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It was this one's turn in the same moment.
                self._give_on()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def _give_on(self) -> None:
        """A slot is free: for the one who waited longest, else for the next to come."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._slots_left += 1

    # Connections

    async def _connection(self) -> Connection | NotSent:
        """A connection for a slot that was taken; where there is none the slot is given on."""
        try:
            found = CLOSED if self._is_closed else self._warm() or await self._opened()
        except BaseException:
            self._give_on()
            raise
        if isinstance(found, NotSent):
            self._give_on()
        return found

    async def _opened(self) -> Connection | NotSent:
        _, connection = await self._dial.opened(self._new)
        if self._is_closed:
            connection.drop()
            return CLOSED
        if not connection.is_open:
            # A core that spoke first, or hung up at once.
            return _TURNED_AWAY
        # Noted here and not as it is made: uvloop says nothing of the end of one whose opening was cancelled.
        self._standing.add(connection)
        return connection

    def _warm(self) -> Connection | None:
        now_s = self._loop.time()
        while self._kept:
            connection = self._kept.pop()
            if connection.is_fit(now_s):
                return connection
            connection.drop()
        return None

    def _new(self) -> Connection:
        settings = self._settings
        return Connection(
            self._loop, self, answer_bytes_max=settings.answer_bytes_max, idle_s=settings.connection_idle_s
        )

    def unused(self, connection: Connection) -> None:
        """Its slot was taken, and nothing was asked by it."""
        connection.drop()
        self._give_on()

    # As the keeper of its connections

    def freed(self, connection: Connection, *, stays: bool) -> None:
        """Its request has ended, and with it the use of its slot."""
        if stays and not self._is_closed:
            self._kept.append(connection)
        self._give_on()

    def gone(self, connection: Connection) -> None:
        """It is no more."""
        self._standing.discard(connection)
        if connection in self._kept:
            self._kept.remove(connection)
        if not self._standing:
            self._none_stands.set()
