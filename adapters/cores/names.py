"""Where a core is: its name to IP addresses, as configured or by the system's resolver in a thread of its own."""

import asyncio
import concurrent.futures
import functools
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Final

Ask = Callable[[str, int], tuple[str, ...]]
"""Host and port to IP addresses; may take long, and raises `OSError` when there are none."""


def ask_system(host: str, port: int) -> tuple[str, ...]:
    """What the system's resolver says.

    Raises:
        socket.gaierror: it says nothing, or the name is none that could be asked for.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "no name that DNS could know") from error
    return tuple(str(address[0]) for _, _, _, _, address in found)


class Names:
    """The addresses of one core. Belongs to one event loop, and holds a thread from the first question on."""

    def __init__(
        self, host: str, port: int, fixed: Sequence[str] = (), *, cache_s: float, ask: Ask = ask_system
    ) -> None:
        """Ask for `host`, unless `fixed` says where it is or it is an address itself; believe an answer `cache_s`."""
        self._ask: Final = ask
        self._host = host
        self._port = port
        self._fixed = (host,) if _is_address(host) else tuple(fixed)
        self._cache_s = cache_s
        self._found: tuple[str, ...] = ()
        self._found_until_s = 0.0
        self._asking: asyncio.Future[tuple[str, ...]] | None = None
        self._turn = 0
        # One: a resolver that hangs isn't asked a second thing meanwhile, and nothing else waits for this thread.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="core-dns")

    async def addresses(self) -> tuple[str, ...]:
        """Its IP addresses; each time another is the first.

        Raises:
            OSError: there are none (`socket.gaierror`), or the resolver can't be asked.
        """
        found = self._fixed or await self._known()
        self._turn = (self._turn + 1) % len(found)
        return found[self._turn :] + found[: self._turn]

    async def _known(self) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        if loop.time() < self._found_until_s:
            return self._found
        if self._asking is None:
            ask = functools.partial(self._ask, self._host, self._port)
            self._asking = loop.run_in_executor(self._thread, ask)
            self._asking.add_done_callback(self._told)
        # Who stops waiting takes the answer from nobody else.
        return await asyncio.shield(self._asking)

    def _told(self, answer: asyncio.Future[tuple[str, ...]]) -> None:
        self._asking = None
        if not answer.cancelled() and answer.exception() is None:
            self._found = answer.result()
            self._found_until_s = answer.get_loop().time() + self._cache_s

    def close(self) -> None:
        """Ask no more. A question that hangs ends by itself; it holds up nobody here."""
        self._thread.shutdown(wait=False)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
