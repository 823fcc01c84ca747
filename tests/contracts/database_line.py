"""A way to a PostgreSQL server that a test cuts, stops or slows: a Unix socket in front of the server's own."""

import asyncio
import contextlib
import shutil
from types import TracebackType
from typing import Final, Self

from tests.contracts.postgres_server import new_folder

_SOCKET: Final = ".s.PGSQL.5432"
_CHUNK: Final = 1 << 16


class DatabaseLine:
    """Carries bytes both ways between whoever connects and the server whose socket is in a folder."""

    def __init__(self, dsn: str) -> None:
        """Before the server that a URL leads to by its Unix socket."""
        self._host = dsn.partition("host=")[2].partition("&")[0]
        self._folder = new_folder()
        #: The same URL, over this line.
        self.dsn = dsn.replace(f"host={self._host}", f"host={self._folder}")
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._refuses = False
        #: Seconds each piece takes on its way.
        self.delay_s = 0.0
        self._carried: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._meet, self._folder / _SOCKET)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.mend()
        assert self._server is not None, "it was entered"
        self._server.close()
        self._hang_up()
        if self._carried:
            await asyncio.wait(self._carried)
        shutil.rmtree(self._folder)

    def cut(self) -> None:
        """Every connection is broken, and none is made any more."""
        self._refuses = True
        self._hang_up()

    def stop(self) -> None:
        """Nothing comes through, either way, and nobody is told so."""
        self._open.clear()

    def mend(self) -> None:
        """It is whole; what was stopped on its way arrives now."""
        self._refuses, self.delay_s = False, 0.0
        self._open.set()

    def break_off(self) -> None:
        """Every connection is broken; new ones may be made."""
        self._hang_up()

    def _hang_up(self) -> None:
        for end in self._ends:
            end.transport.abort()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            writer.transport.abort()
            return
        there, back = await asyncio.open_unix_connection(f"{self._host}/{_SOCKET}")
        self._ends |= {writer, back}
        carried = {asyncio.create_task(self._carry(reader, back)), asyncio.create_task(self._carry(there, writer))}
        self._carried |= carried
        await asyncio.wait(carried)
        self._carried -= carried
        self._ends -= {writer, back}

    async def _on_its_way(self) -> None:
        arrived = asyncio.Event()
        asyncio.get_running_loop().call_later(self.delay_s, arrived.set)
        await arrived.wait()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                await self._open.wait()
                await self._on_its_way()
                sink.write(data)
                await sink.drain()
        sink.close()
