"""Group commit by hand, as a competent user writes it around a store: whoever waits goes into the next batch."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec


class Waiting(msgspec.Struct, frozen=True):
    """A payment not yet kept."""

    key: str
    body: bytes
    kept: "asyncio.Future[None]"


class Batches:
    """Keeps payments many at a time; while one batch is written the next one gathers."""

    def __init__(self, write: Callable[[Sequence[Waiting]], Awaitable[None]]) -> None:
        """`write` keeps a batch, or raises."""
        self._write = write
        self._waiting: list[Waiting] = []
        self._some = asyncio.Event()
        self._writer = asyncio.create_task(self._run())

    async def put(self, key: str, body: bytes) -> None:
        """Keep one; back when its batch is on disk."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(key, body, kept))
        self._some.set()
        await kept

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            batch, self._waiting = self._waiting, []
            await self._keep(batch)

    async def _keep(self, batch: list[Waiting]) -> None:
        try:
            await self._write(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, each of the batch must hear it
            for each in batch:
                each.kept.set_exception(error)
        else:
            for each in batch:
                each.kept.set_result(None)
