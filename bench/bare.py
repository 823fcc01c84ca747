"""B, the base of every ratio: what HTTP and JSON alone cost in this language, with nothing behind them.

A bare aiohttp `Application` handler on uvloop: msgspec decodes the same JSON into types, ready-made JSON bytes go back,
the access log is off. It authenticates nobody, checks nothing, keeps nothing.
"""

import argparse
import asyncio
import gc

import msgspec
import uvloop
from aiohttp import web


class Body(msgspec.Struct):
    """The JSON API's payment, with no rules but the fields' types."""

    account: str
    amount: str
    currency: str
    service: str = ""
    time: str = ""
    attributes: dict[str, str] | None = None


_decode = msgspec.json.Decoder(Body).decode
ANSWER = b'{"id":"%b","status":"accepted","amount":"%b","currency":"RUB"}'


async def take(request: web.Request) -> web.Response:
    """Say yes to a payment."""
    body = _decode(await request.read())
    said = ANSWER % (body.account.encode(), body.amount.encode())
    return web.Response(body=said, status=202, headers={"Content-Type": "application/json"})


async def serve(port: int) -> None:
    """Listen until killed."""
    application = web.Application()
    application.router.add_post("/v1/payments", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    gc.freeze()
    await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.bare", description="B: the bare server every ratio stands on."
    )
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
