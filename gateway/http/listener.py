"""The payments' listener: a port, its connections, and rounds that end what takes too long.

A stranger can hold nothing for long: an unfinished head, an unfinished body, an idle connection and a client that
doesn't take its answers each have their time. Nor can he keep others out: when all places are taken, whoever has been
idle longest makes room for who comes, and one address never gets more than its share.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from adapters.channel import Inbound, Reply
from gateway.clock import Clock
from gateway.config.model import ChannelListenerSettings
from gateway.http.answers import Answers
from gateway.http.connection import Connection, Phase
from gateway.http.tls import server_context
from gateway.log import log

Handler = Callable[[Inbound], Awaitable[Reply]]

BACKLOG: Final = 1_024
ROUND_S: Final = 0.5
"""Time between two rounds, and how late they may be with each limit."""

PARTING_S: Final = 2.0
"""What a refused client gets to read why, while it may still be sending."""

_HANDSHAKE_S: Final = 10.0


class Listener:
    """One listening port."""

    def __init__(
        self,
        settings: ChannelListenerSettings,
        handle: Handler,
        *,
        clock: Clock,
        on_unfit: Callable[[str], None],
        grace_s: float,
    ) -> None:
        """Serve `handle`.

        Args:
            settings: where, and every limit.
            handle: answers one whole request; what it raises is a bug of ours.
            clock: for time limits and the date.
            on_unfit: told why, in a bounded word, whenever something came that isn't HTTP as we take it.
            grace_s: what requests in hand get to end when we stop.
        """
        self._settings = settings
        self.handle = handle
        self._clock = clock
        self.unfit = on_unfit
        self._grace_s = grace_s
        self.body_bytes_max = settings.body_bytes_max
        self.answers = Answers()
        #: Monotonic seconds at the last round.
        self.now_s = clock.monotonic()
        self.stopping = False
        #: The port it listens on, once it does.
        self.port = 0
        self._connections: set[Connection] = set()
        self._by_peer: Counter[str] = Counter()
        self._per_peer_max = settings.connections_per_address_max or settings.connections_max
        self._server: asyncio.Server | None = None
        self._rounds: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: it can't.
        """
        settings, loop = self._settings, asyncio.get_running_loop()
        self.stopping = False
        context = server_context(settings.tls)
        self._server = await loop.create_server(
            lambda: Connection(self),
            settings.host,
            settings.port,
            backlog=BACKLOG,
            reuse_address=True,
            ssl=context,
            ssl_handshake_timeout=None if context is None else _HANDSHAKE_S,
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._make_rounds()

    async def stop(self) -> None:
        """Listen no more, and let what is in hand end."""
        if self._server is None:
            return
        self.stopping = True
        self._server.close()
        if self._rounds is not None:
            self._rounds.cancel()
        serving = [each.serving for each in self._connections if each.serving is not None]
        for connection in tuple(self._connections):
            connection.close()
        if serving:
            _, late = await asyncio.wait(serving, timeout=self._grace_s)
            for task in late:
                task.cancel()
            if late:
                log.warning("requests_cut_off", count=len(late))
                await asyncio.wait(late)
        for connection in tuple(self._connections):
            connection.abort()
        self._server = None

    # The connections' side

    def opened(self, connection: Connection) -> int:
        """Count a connection in; a status to turn it away with, 0 to serve it."""
        self._connections.add(connection)
        self._by_peer[connection.peer] += 1
        if self.stopping or self._by_peer[connection.peer] > self._per_peer_max:
            return 503
        if len(self._connections) > self._settings.connections_max and not self._make_room(connection):
            return 503
        return 0

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        self._connections.discard(connection)
        self._by_peer[connection.peer] -= 1
        if not self._by_peer[connection.peer]:
            del self._by_peer[connection.peer]

    def _make_room(self, newest: Connection) -> bool:
        """Close the connection that has been without a whole request for longest; False when all are being answered."""
        idle = (each for each in self._connections if each is not newest and each.phase is not Phase.ANSWER)
        oldest = min(idle, key=lambda each: each.since_s, default=None)
        if oldest is None:
            return False
        oldest.abort()
        return True

    # The rounds

    def _make_rounds(self) -> None:
        """End what takes too long, and look at the clock."""
        self.now_s = self._clock.monotonic()
        self.answers.tell_date(self._clock.now_us() // 1_000_000)
        for connection in tuple(self._connections):
            self._look_at(connection)
        self._rounds = asyncio.get_running_loop().call_later(ROUND_S, self._make_rounds)

    def _look_at(self, connection: Connection) -> None:
        settings, took_s = self._settings, self.now_s - connection.since_s
        match connection.phase:
            case Phase.HEAD if took_s > settings.head_timeout_s:
                connection.end_with(408, "head_time")
            case Phase.BODY if took_s > settings.body_timeout_s:
                connection.end_with(408, "body_time")
            case Phase.IDLE if took_s > settings.keepalive_s:
                connection.close()
            case Phase.PARTING if took_s > PARTING_S:
                connection.abort()
            case _ if connection.is_stuck(self.now_s, settings.body_timeout_s):
                connection.abort()
            case _:
                pass
