"""Where payments come in: from an HTTP request to a channel's request, and from an answer back to HTTP."""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Final

from adapters.channel import Channel, Inbound, Rejected, Reply
from adapters.channels.json_v1 import JsonChannel, JsonDoor
from adapters.channels.openapi import document_bytes
from adapters.channels.problem import Code, problem
from adapters.payment import Answer, Check, Inquiry, Payment, Request, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.clock import Clock
from gateway.meter import Meter

OSMP: Final = "/osmp/"
JSON: Final = "/v1/"
OPENAPI: Final = "/v1/openapi.json"

_NO_SUCH_PATH: Final = problem(Code.NO_SUCH_PATH)
_NO_CHANNEL: Final = Reply(status=404, content_type="text/plain; charset=utf-8", body=b"no such channel\n")


class Doors:
    """All channels, by the path or the token they come with."""

    def __init__(self, channels: Iterable[Channel], acceptor: Acceptor, clock: Clock, meter: Meter) -> None:
        """Let `channels` in to `acceptor`."""
        known = list(channels)
        self._by_path: Mapping[str, Channel] = {
            OSMP + each.name: each for each in known if not isinstance(each, JsonChannel)
        }
        self._by_name: Mapping[str, Channel] = {each.name: each for each in known}
        self._json = JsonDoor(each for each in known if isinstance(each, JsonChannel))
        self._acceptor = acceptor
        self._clock = clock
        self._meter = meter

    async def handle(self, inbound: Inbound) -> Reply:
        """Answer one request of a channel."""
        if inbound.path == OPENAPI and inbound.method == "GET":
            return Reply(status=200, content_type="application/json", body=document_bytes())
        arrived = self._clock.monotonic()
        try:
            channel, asked, twin_wait_s = self._read(inbound)
            answer = await self._ask(channel, asked, arrived, twin_wait_s)
        except Rejected as rejected:
            return await self._rejected(rejected)
        self._meter.answered(channel.name, answer.kind, self._clock.monotonic() - arrived)
        return channel.write(asked, answer)

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

    def _ask(self, channel: Channel, asked: Request, arrived: float, twin_wait_s: float) -> Awaitable[Answer]:
        until = arrived + channel.deadline_s
        if isinstance(asked, Payment):
            return self._acceptor.pay(asked, until, arrived + twin_wait_s)
        if isinstance(asked, Reversal):
            return self._acceptor.reverse(asked, until, arrived + twin_wait_s)
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
        self._meter.rejected(rejected.channel, rejected.reason)
        return rejected.reply
