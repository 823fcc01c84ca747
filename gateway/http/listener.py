"""The payments' listener: a port, its connections, and rounds that end what takes too long.

A stranger can hold nothing for long: an unfinished head, an unfinished body, an idle connection and a client that
doesn't take its answers each have their time. Nor can he keep others out: when all places are taken, whoever has been
idle longest makes room for who comes, and one address never gets more than its share.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from gateway.clock import Clock
from gateway.http.answers import Answers
from gateway.http.buffers import bound_buffers
from gateway.http.connection import Asked, Connection, Handler
from gateway.http.reading import Phase
from gateway.http.settings import ChannelListenerSettings
from gateway.http.tls import TlsDoor, server_context
from gateway.log import log
from gateway.turn import Turn

BACKLOG: Final = 1_024
ROUND_S: Final = 0.5
"""Time between two rounds, and how late they may be with each limit."""

PARTING_S: Final = 2.0
"""What a refused client gets to read why, while it may still be sending."""

TURNED_AWAY_MAX: Final = 64
"""Clients without a place who are still reading that there is none; one more ends the oldest."""

NEIGHBOURS: Final = 64
"""Bits of an IPv6 address that its neighbours share: whoever has one has them all."""


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
            handle: answers whole requests (see `Handler`).
            clock: for time limits and the date.
            on_unfit: told why, in a bounded word, whenever something came that isn't HTTP as we take it.
            grace_s: what requests in hand get to end when we stop.
        """
        self._settings = settings
        #: Has a connection read what came.
        self.came: Final = Turn[Connection](_read_up).add
        #: Has a request answered.
        self.ask: Final = Turn[Asked](handle).add
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
        #: In order of arrival.
        self._turned_away: dict[Connection, None] = {}
        #: Done when the last connection is gone, while somebody waits for that.
        self._empty: asyncio.Future[None] | None = None
        #: Who makes room next, the longest idle last; found at most once a round, for it takes a look at everybody.
        self._idle: list[tuple[float, Connection]] | None = None
        self._by_peer: Counter[str] = Counter()
        self._per_peer_max = settings.connections_per_address_max or settings.connections_max
        self._server: asyncio.Server | None = None
        self._tls: TlsDoor | None = None
        self._rounds: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: it can't.
        """
        settings = self._settings
        self.stopping = False
        context = server_context(settings.tls)
        if context is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                self._connection, settings.host, settings.port, backlog=BACKLOG, reuse_address=True
            )
            for end in self._server.sockets:
                bound_buffers(end)
            self.port = int(self._server.sockets[0].getsockname()[1])
        else:
            self._tls = TlsDoor(context, self._connection, self._clock)
            await self._tls.open(settings.host, settings.port, BACKLOG)
            self.port = self._tls.port
        self._go_round()

    async def stop(self) -> None:
        """Listen no more, and let what is in hand end."""
        if self._rounds is None:
            return
        self.stopping = True
        self._rounds.cancel()
        self._rounds = None
        if self._server is not None:
            self._server.close()
        if self._tls is not None:
            await self._tls.close()
        for connection in tuple(self._connections):
            connection.close()
        in_hand = {ended: each for each in self._connections if (ended := each.ended()) is not None}
        if in_hand:
            _, late = await asyncio.wait(in_hand, timeout=self._grace_s)
            if late:
                log.warning("requests_cut_off", count=len(late))
                await self._cut_off([in_hand[each] for each in late])
        await self._end_all()
        self._server = self._tls = None

    @staticmethod
    async def _cut_off(late: list[Connection]) -> None:
        """Run no more for their answers."""
        running = [each.serving for each in late if each.serving is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _end_all(self) -> None:
        """Let go of every connection, and see it gone."""
        for connection in self._all():
            connection.abort()
        if self._all():
            self._empty = asyncio.get_running_loop().create_future()
            await self._empty
            self._empty = None

    def _connection(self) -> Connection:
        return Connection(self)

    # The connections' side

    def opened(self, connection: Connection) -> int:
        """Count a connection in; a status to turn it away with, 0 to serve it."""
        if self.stopping:
            connection.abort()
            return 503
        share = _share(connection.peer)
        if self._by_peer[share] < self._per_peer_max and self._has_room():
            self._connections.add(connection)
            self._by_peer[share] += 1
            return 0
        if len(self._turned_away) >= TURNED_AWAY_MAX:
            oldest = next(iter(self._turned_away))
            oldest.abort()
            self.closed(oldest)
        self._turned_away[connection] = None
        return 503

    def closed(self, connection: Connection) -> None:
        """Count it out, once."""
        self._turned_away.pop(connection, None)
        if connection in self._connections:
            self._connections.discard(connection)
            share = _share(connection.peer)
            self._by_peer[share] -= 1
            if not self._by_peer[share]:
                del self._by_peer[share]
        if self._empty is not None and not self._empty.done() and not self._all():
            self._empty.set_result(None)

    def _has_room(self) -> bool:
        """Whether there is a place; if need be, of who has been without a whole request for longest."""
        if len(self._connections) < self._settings.connections_max:
            return True
        if self._idle is None:
            self._idle = sorted(((each.since_s, each) for each in self._connections), key=_since, reverse=True)
        while self._idle:
            since_s, oldest = self._idle.pop()
            if oldest in self._connections and oldest.since_s == since_s and oldest.phase is not Phase.ANSWER:
                oldest.abort()
                self.closed(oldest)
                return True
        return False

    def _all(self) -> list[Connection]:
        return [*self._connections, *self._turned_away]

    # The rounds

    def _go_round(self) -> None:
        self.make_round()
        self._rounds = asyncio.get_running_loop().call_later(ROUND_S, self._go_round)

    def make_round(self) -> None:
        """End what takes too long, and look at the clock."""
        self.now_s = self._clock.monotonic()
        self.answers.tell_date(self._clock.now_us() // 1_000_000)
        self._idle = None
        for connection in self._all():
            self._look_at(connection)

    def _look_at(self, connection: Connection) -> None:
        settings, took_s = self._settings, self.now_s - connection.since_s
        match connection.phase:
            case _ if connection.is_stuck(self.now_s, settings.body_timeout_s):
                connection.abort()
            case Phase.HEAD if took_s > settings.head_timeout_s:
                connection.end_with(408, "head_time")
            case Phase.BODY if took_s > settings.body_timeout_s:
                connection.end_with(408, "body_time")
            case Phase.IDLE if took_s > settings.keepalive_s:
                connection.close()
            case Phase.PARTING if took_s > PARTING_S:
                connection.abort()
            case _:
                pass


def _read_up(connections: Sequence[Connection]) -> None:
    """Have each read what came; a bug that one of them meets ends that one alone."""
    for connection in connections:
        try:
            connection.read_up()
        except Exception as error:  # noqa: BLE001 - see above
            log.error("request_failed", error=type(error).__name__, exc_info=error)
            connection.abort()


def _since(idle: tuple[float, Connection]) -> float:
    return idle[0]


def _share(peer: str) -> str:
    """Whose share of connections an address uses."""
    if ":" not in peer:
        return peer
    whole = int(ipaddress.IPv6Address(peer.partition("%")[0]))
    return str(ipaddress.IPv6Address(whole >> NEIGHBOURS << NEIGHBOURS))
