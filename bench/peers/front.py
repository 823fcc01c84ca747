"""The front before every foreign store: B (`bench.bare`) with one thing more, it keeps the payment before it answers.

It authenticates nobody, checks nothing and encrypts nothing: what Nightsafe does beside keeping is spared the peers. Runs
in the peers' own environment.
"""

import argparse
import asyncio
import gc
import importlib

import msgspec
import uvloop
from aiohttp import web

from bench.bare import ANSWER, Body
from bench.peers.peer import Store

_decode = msgspec.json.Decoder(Body).decode


class Front:
    """Takes payments for a store."""

    def __init__(self, store: Store) -> None:
        """Before this one."""
        self._store = store

    async def take(self, request: web.Request) -> web.Response:
        """Keep a payment under its Idempotency-Key, then say yes."""
        raw = await request.read()
        body = _decode(raw)
        await self._store.put(request.headers["Idempotency-Key"], raw)
        said = ANSWER % (body.account.encode(), body.amount.encode())
        return web.Response(body=said, status=202, headers={"Content-Type": "application/json"})

    async def stored(self, _request: web.Request) -> web.Response:
        """How many are kept."""
        return web.Response(text=str(await self._store.count()))


async def serve(told: argparse.Namespace) -> None:
    """Listen until killed."""
    store: Store = await importlib.import_module(f"bench.peers.{told.store}").open_store(told.way, told.at)
    application, front = web.Application(), Front(store)
    application.router.add_post("/v1/payments", front.take)
    application.router.add_get("/stored", front.stored)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", told.port).start()
    gc.freeze()
    await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.front", description=__doc__)
    parser.add_argument("--store", required=True, help="a module of bench.peers")
    parser.add_argument("--way", required=True, help="which of its ways")
    parser.add_argument("--at", required=True, help="where the store is: a port, or an address of its own kind")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
