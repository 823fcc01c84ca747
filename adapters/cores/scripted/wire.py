"""Between the web server's requests and answers and ours."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from adapters.channel import Inbound, Reply
from adapters.cores.scripted.door import reset

BODY_BYTES_MAX: Final = 64 * 1024
"""A larger request is answered 413."""

Handler = Callable[[web.BaseRequest], Coroutine[Any, Any, web.StreamResponse]]


async def truncate(request: web.BaseRequest, right: Reply) -> web.StreamResponse:
    """Promise the whole answer, send half of it, hang up."""
    half = web.StreamResponse(status=right.status, headers={"Content-Type": right.content_type})
    half.content_length = len(right.body)
    with contextlib.suppress(ConnectionError):
        await half.prepare(request)
        await half.write(right.body[: len(right.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Reset the connection instead of answering."""
    if request.transport is not None:
        reset(request.transport)
    return web.Response()


def response(said: Reply) -> web.Response:
    """The answer in the words of the web server."""
    headers = (
        {"Content-Type": said.content_type, **said.headers} if said.headers else {"Content-Type": said.content_type}
    )
    return web.Response(status=said.status, body=said.body, headers=headers)


async def inbound_of(request: web.BaseRequest) -> Inbound:
    """The request as received.

    Raises:
        web.HTTPRequestEntityTooLarge: the web server answers it by itself.
    """
    path, _, query = request.raw_path.partition("?")
    body = await request.read() if request.can_read_body else b""
    return Inbound(method=request.method, path=path, query=query, headers=request.headers, body=body, peer="")


def web_server(handler: Handler) -> web.Server:
    """The protocol factory of one port."""

    def make_request(
        message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)

    return web.Server(handler, request_factory=make_request, access_log=None, keepalive_timeout=75.0)
