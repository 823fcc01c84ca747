"""Where payments come in: from an HTTP request to a channel's request, and from an answer back to HTTP."""

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Final

from adapters.channel import Channel, Inbound, Rejected, Reply
from adapters.channels.json_returns import PATH as RETURNS
from adapters.channels.json_status import PATH as STATUS
from adapters.channels.json_status import write_status
from adapters.channels.json_v1 import JsonChannel, JsonDoor
from adapters.channels.openapi import document_bytes
from adapters.channels.problem import Code, problem
from adapters.payment import Answer, Check, Inquiry, Payment, Request, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.accept.closed import Closed
from gateway.clock import Clock
from gateway.http.connection import Asked
from gateway.log import log
from gateway.meter import Meter
from gateway.returns.listed import ListedReturns
from gateway.turn import Turn
from gateway.windows.board import Board

OSMP: Final = "/osmp/"
JSON: Final = "/v1/"
OPENAPI: Final = "/v1/openapi.json"
ON_ITS_WAY_S: Final = 0.1
"""Of a channel's deadline, what is kept for the answer's own way, in seconds; of a short one `ON_ITS_WAY_SHARE` at most."""
ON_ITS_WAY_SHARE: Final = 0.05

Read = tuple[Channel, Request, float]
"""Who asks, what, and for how many seconds he would wait for a twin of it that is in hand."""

_NO_SUCH_PATH: Final = problem(Code.NO_SUCH_PATH)
_NOT_NOW: Final = problem(Code.TRY_LATER)
_NO_CHANNEL: Final = Reply(status=404, content_type="text/plain; charset=utf-8", body=b"no such channel\n")


class Doors:
    """All channels, by the path or the token they come with."""

    def __init__(
        self,
        channels: Iterable[Channel],
        acceptor: Acceptor | Closed,
        clock: Clock,
        meter: Meter,
        board: Board,
        *,
        returns: ListedReturns | None,
    ) -> None:
        """Let `channels` in to `acceptor`, and look at the `board` and at their `returns`, where that can be."""
        self._board = board
        self._returns = returns
        known = list(channels)
        self._by_path: Mapping[str, Channel] = {
            OSMP + each.name: each for each in known if not isinstance(each, JsonChannel)
        }
        self._by_name: Mapping[str, Channel] = {each.name: each for each in known}
        self._json = JsonDoor(each for each in known if isinstance(each, JsonChannel))
        self._acceptor = acceptor
        self._clock = clock
        self._meter = meter
        #: Has an answer said.
        self.say: Final = Turn[tuple[Visit, Answer]](self._say).add

    def handle(self, asked: Sequence[Asked]) -> None:
        """Answer requests of channels: each step for all of them before the next (see `gateway.turn`)."""
        for visit in [visit for each in asked if (visit := self._understood(each)) is not None]:
            self._see(visit)

    def _understood(self, asked: Asked) -> "Visit | None":
        """A request that has to do with payments; every other is answered."""
        inbound = asked.inbound
        arrived = self._clock.monotonic()
        try:
            if inbound.path == OPENAPI and inbound.method == "GET":
                asked.tell(Reply(status=200, content_type="application/json", body=document_bytes()))
                return None
            if inbound.path == STATUS:
                asked.tell(self._status(inbound))
                return None
            if inbound.path == RETURNS:
                asked.run(self._owed(self._json.channel(inbound), inbound))
                return None
            return Visit(self, asked, arrived, self._read(inbound))
        except Rejected as rejected:
            asked.run(self._rejected(rejected))
        except Exception as error:  # noqa: BLE001 - see `Asked.fail`
            asked.fail(error)
        return None

    def _status(self, inbound: Inbound) -> Reply:
        """How it stands with billing, for a channel that has a token.

        Raises:
            Rejected: who asks has none.
        """
        channel = self._json.channel(inbound)
        if inbound.method != "GET":
            return problem(Code.METHOD, headers={"Allow": "GET"})
        if inbound.query:
            return problem(Code.INVALID, "there are no query parameters here")
        return write_status(self._board.status(channel.name), inbound.headers.get("If-None-Match", ""))

    async def _owed(self, channel: JsonChannel, inbound: Inbound) -> Reply:
        """What a channel that has a token is to give back."""
        return (
            _NOT_NOW if self._returns is None else await self._returns.answer(channel.name, inbound, channel.deadline_s)
        )

    def _read(self, inbound: Inbound) -> Read:
        path = inbound.path
        if path.startswith(JSON):
            bank, asked = self._json.read(inbound)
            return bank, asked, bank.wait_s(inbound)
        channel = self._by_path.get(path)
        if channel is None:
            raise Rejected("path", _NO_CHANNEL if path.startswith(OSMP) else _NO_SUCH_PATH)
        return channel, channel.read(inbound), channel.deadline_s

    def _see(self, visit: "Visit") -> None:
        """Have it answered: by `Visit.tell`, now or later, or by what is to be run for the answer."""
        try:
            more = self._ask(visit)
        except Exception as error:  # noqa: BLE001 - see `Asked.fail`
            visit.asked.fail(error)
            return
        if more is not None:
            visit.asked.run(visit.see(more))

    def _ask(self, visit: "Visit") -> Awaitable[Answer] | None:
        asked, until = visit.request, visit.until
        if isinstance(asked, Payment):
            return self._acceptor.pay(asked, until, visit.twin_until, visit.tell)
        if isinstance(asked, Reversal):
            return self._acceptor.reverse(asked, until, visit.twin_until)
        if isinstance(asked, Check):
            return self._acceptor.check(asked, until)
        assert isinstance(asked, Inquiry)
        return self._acceptor.inquire(asked)

    def _say(self, told: "Sequence[tuple[Visit, Answer]]") -> None:
        """Say answers in their channels' words: each step for all of them, and what breaks one of them breaks no other."""
        for visit, reply in [(visit, self._in_words(visit, answer)) for visit, answer in told]:
            try:
                if reply is not None:
                    visit.asked.tell(reply)
            except Exception as error:  # noqa: BLE001 - as below
                log.error("request_failed", error=type(error).__name__, exc_info=error)

    def _in_words(self, visit: "Visit", answer: Answer) -> Reply | None:
        try:
            return self.reply(visit, answer)
        except Exception as error:  # noqa: BLE001 - see `Asked.fail`
            visit.asked.fail(error)
            return None

    def reply(self, visit: "Visit", answer: Answer) -> Reply:
        """An answer in its channel's words, and counted."""
        self._meter.answered(visit.channel.name, answer.kind, self._clock.monotonic() - visit.arrived)
        return visit.channel.write(visit.request, answer)

    async def _rejected(self, rejected: Rejected) -> Reply:
        """A request only the channel's own rules are against may have been taken before they were made."""
        asked = rejected.request
        if isinstance(asked, Payment | Reversal):
            answer = await self._acceptor.known(asked)
            channel = self._by_name.get(rejected.channel)
            if answer is not None and channel is not None:
                return channel.write(asked, answer)
        self._meter.rejected(rejected.channel, rejected.reason)
        return rejected.reply


class Visit:
    """A request that was understood, until it is answered."""

    __slots__ = ("_doors", "arrived", "asked", "channel", "request", "twin_until", "until")

    def __init__(self, doors: Doors, asked: Asked, arrived: float, read: Read) -> None:
        """A request that came at this monotonic time."""
        self._doors = doors
        self.asked, self.arrived = asked, arrived
        self.channel, self.request, twin_wait_s = read
        #: Monotonic times by which an answer must be found, and by which a twin's must.
        self.until = arrived + self.channel.deadline_s - min(ON_ITS_WAY_S, self.channel.deadline_s * ON_ITS_WAY_SHARE)
        self.twin_until = arrived + twin_wait_s

    def tell(self, answer: Answer) -> None:
        """Have it said in the channel's words."""
        self._doors.say((self, answer))

    async def see(self, answering: Awaitable[Answer]) -> Reply:
        """Wait for the answer, for the channel's words."""
        return self._doors.reply(self, await answering)
