"""Where payments come in: from an HTTP request to a channel's request, and from an answer back to HTTP."""

from collections.abc import Awaitable, Coroutine, Iterable, Mapping
from typing import Any, Final

from adapters.channel import Channel, Inbound, Rejected, Reply
from adapters.channels.json_status import PATH as STATUS
from adapters.channels.json_status import write_status
from adapters.channels.json_v1 import JsonChannel, JsonDoor
from adapters.channels.openapi import document_bytes
from adapters.channels.problem import Code, problem
from adapters.payment import Answer, Check, Inquiry, Payment, Request, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.clock import Clock
from gateway.http.connection import Told
from gateway.meter import Meter
from gateway.windows.board import Board

OSMP: Final = "/osmp/"
JSON: Final = "/v1/"
OPENAPI: Final = "/v1/openapi.json"

_NO_SUCH_PATH: Final = problem(Code.NO_SUCH_PATH)
_NO_CHANNEL: Final = Reply(status=404, content_type="text/plain; charset=utf-8", body=b"no such channel\n")


class Doors:
    """All channels, by the path or the token they come with."""

    def __init__(
        self, channels: Iterable[Channel], acceptor: Acceptor, clock: Clock, meter: Meter, board: Board
    ) -> None:
        """Let `channels` in to `acceptor`, and look at the `board`."""
        self._board = board
        known = list(channels)
        self._by_path: Mapping[str, Channel] = {
            OSMP + each.name: each for each in known if not isinstance(each, JsonChannel)
        }
        self._by_name: Mapping[str, Channel] = {each.name: each for each in known}
        self._json = JsonDoor(each for each in known if isinstance(each, JsonChannel))
        self._acceptor = acceptor
        self.clock = clock
        self.meter = meter

    def handle(self, inbound: Inbound, tell: Told) -> Coroutine[Any, Any, Reply] | None:
        """Answer one request of a channel: by `tell`, now or later, or by what is returned, to be run for the answer."""
        if inbound.path == OPENAPI and inbound.method == "GET":
            tell(Reply(status=200, content_type="application/json", body=document_bytes()))
            return None
        if inbound.path == STATUS:
            return self._status(inbound, tell)
        arrived = self.clock.monotonic()
        try:
            channel, asked, twin_wait_s = self._read(inbound)
        except Rejected as rejected:
            return self._rejected(rejected)
        visit = Visit(self, channel, asked, arrived, tell)
        more = self._ask(visit, arrived + channel.deadline_s, arrived + twin_wait_s)
        return None if more is None else visit.see(more)

    def _status(self, inbound: Inbound, tell: Told) -> Coroutine[Any, Any, Reply] | None:
        """How it stands with billing, for a channel that has a token."""
        try:
            channel = self._json.channel(inbound)
        except Rejected as rejected:
            return self._rejected(rejected)
        if inbound.method != "GET":
            tell(problem(Code.METHOD, headers={"Allow": "GET"}))
        elif inbound.query:
            tell(problem(Code.INVALID, "there are no query parameters here"))
        else:
            tell(write_status(self._board.status(channel.name), inbound.headers.get("If-None-Match", "")))
        return None

    def _read(self, inbound: Inbound) -> tuple[Channel, Request, float]:
        """Who asks, what, and for how many seconds he would wait for a twin of it that is in hand."""
        path = inbound.path
        if path.startswith(JSON):
            bank, asked = self._json.read(inbound)
            return bank, asked, bank.wait_s(inbound)
        channel = self._by_path.get(path)
        if channel is None:
            raise Rejected("path", _NO_CHANNEL if path.startswith(OSMP) else _NO_SUCH_PATH)
        return channel, channel.read(inbound), channel.deadline_s

    def _ask(self, visit: "Visit", until: float, twin_until: float) -> Awaitable[Answer] | None:
        asked = visit.asked
        if isinstance(asked, Payment):
            return self._acceptor.pay(asked, until, twin_until, visit.tell)
        if isinstance(asked, Reversal):
            return self._acceptor.reverse(asked, until, twin_until)
        if isinstance(asked, Check):
            return self._acceptor.check(asked, until)
        assert isinstance(asked, Inquiry)
        return self._acceptor.inquire(asked)

    async def _rejected(self, rejected: Rejected) -> Reply:
        """A request only the channel's own rules are against may have been taken before they were made."""
        asked = rejected.request
        if isinstance(asked, Payment | Reversal):
            answer = await self._acceptor.known(asked)
            channel = self._by_name.get(rejected.channel)
            if answer is not None and channel is not None:
                return channel.write(asked, answer)
        self.meter.rejected(rejected.channel, rejected.reason)
        return rejected.reply


class Visit:
    """A request that was understood, until it is answered."""

    __slots__ = ("_arrived", "_channel", "_doors", "_tell", "asked")

    def __init__(self, doors: Doors, channel: Channel, asked: Request, arrived: float, tell: Told) -> None:
        """What `channel` asked, at this monotonic time."""
        self._doors = doors
        self._channel, self.asked = channel, asked
        self._arrived = arrived
        self._tell = tell

    def tell(self, answer: Answer) -> None:
        """Say it in the channel's words."""
        self._tell(self._said(answer))

    async def see(self, answering: Awaitable[Answer]) -> Reply:
        """Wait for the answer, and say it in the channel's words."""
        return self._said(await answering)

    def _said(self, answer: Answer) -> Reply:
        doors = self._doors
        doors.meter.answered(self._channel.name, answer.kind, doors.clock.monotonic() - self._arrived)
        return self._channel.write(self.asked, answer)
