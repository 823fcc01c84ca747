"""The first screen kept fresh: parts of it rendered once for all who look on in a language, sent where they changed.

Server-sent events. Each is named for the part it replaces; a `beat` comes at least every few seconds, so that a page that
hears nothing can say that what it shows is old.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from aiohttp import ClientConnectionResetError, web

from gateway.admin.http.share import aside
from gateway.clock import Clock
from gateway.log import log
from gateway.page.words import Language

TICK_S: Final = 1.0
STREAMS_MAX: Final = 32
"""Who looks on at once; further ones are told to ask by themselves."""

Parts = Mapping[str, str]
Render = Callable[[Language], Awaitable[Parts]]


class _Seen(msgspec.Struct, frozen=True):
    """What was rendered at a moment."""

    at: float
    parts: Parts


class Live:
    """All streams of one service."""

    def __init__(self, render: Render, clock: Clock) -> None:
        """Send what `render` makes."""
        self._render = render
        self._clock = clock
        self._seen: dict[Language, _Seen] = {}
        self._streams = set[asyncio.Task[None]]()
        self._turn = asyncio.Lock()
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Do as many look on as may? None may any more, once it is closed."""
        return self._is_closed or len(self._streams) >= STREAMS_MAX

    async def follow(
        self, request: web.BaseRequest, headers: Mapping[str, str], language: Language, counts: Callable[[], bool]
    ) -> web.StreamResponse:
        """Send to one who looks on, until he leaves, his session counts no more, or the service stops."""
        response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        stream = asyncio.create_task(self._send(response, language, counts), name="page stream")
        self._streams.add(stream)
        try:
            async with aside():
                await asyncio.wait([stream])
        finally:
            stream.cancel()
            self._streams.discard(stream)
        if not stream.cancelled() and (error := stream.exception()) is not None:
            log.error("page_stream_failed", error=type(error).__name__)
        return response

    async def _send(self, response: web.StreamResponse, language: Language, counts: Callable[[], bool]) -> None:
        sent: dict[str, str] = {}
        try:
            while counts():
                parts = await self._parts(language)
                changed = {name: html for name, html in parts.items() if sent.get(name) != html}
                sent |= changed
                await response.write(b"".join(event(name, html) for name, html in changed.items()) or event("beat", ""))
                await self._clock.sleep(TICK_S)
            await response.write(event("over", ""))
        except (ClientConnectionResetError, ConnectionError):
            return

    async def _parts(self, language: Language) -> Parts:
        """What there is to show, made at most once a tick for each language."""
        async with self._turn:
            seen, now = self._seen.get(language), self._clock.monotonic()
            if seen is None or now - seen.at >= TICK_S / 2:
                seen = self._seen[language] = _Seen(now, await self._render(language))
            return seen.parts

    async def close(self) -> None:
        """End all streams, and begin none; those who look on ask again elsewhere, or later."""
        self._is_closed = True
        for stream in self._streams:
            stream.cancel()
        if self._streams:
            await asyncio.wait(self._streams)


def event(name: str, html: str) -> bytes:
    """One event as it is written: its name, then its lines."""
    lines = "".join(f"data: {line}\n" for line in html.splitlines() or [""])
    return f"event: {name}\n{lines}\n".encode()
