"""Opening a connection to a core: its name, its addresses one after the other, TLS; and what it means when none opens."""

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final, TypeVar

from adapters.cores.certificate import presented
from adapters.cores.names import Names
from adapters.cores.place import Place
from adapters.cores.settings import HttpSettings
from adapters.outcome import Cause, NotSent

STAGGER_S: Final = 0.25
"""How long an address may take before the next is tried beside it (RFC 8305, 5)."""

_FORGET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, on, for no time: a connection that ends takes back what its peer has not got.

Else the kernel goes on sending it for minutes. A request that was given up while the network was cut would arrive when
the cut is over, after the core has been asked about it and has said that it isn't there; it would be booked twice.
"""

_UNREACHABLE_ERRNOS: Final = {
    errno.ECONNREFUSED: Cause.REFUSED_CONNECTION,
    errno.ETIMEDOUT: Cause.CONNECT_TIMEOUT,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
}

Wire = TypeVar("Wire", bound=asyncio.Protocol)


class CertificateRefused(ConnectionError):
    """The server's certificate isn't trusted; says why, and which it is."""


class Dial:
    """Opens connections to one core. Belongs to the event loop of its first one."""

    def __init__(self, settings: HttpSettings, place: Place, tls: ssl.SSLContext | None) -> None:
        """To `place`; with TLS its certificate is checked for the name that was configured."""
        self._place = place
        self._tls = tls
        fixed = tuple(str(each) for each in settings.addresses)
        self._names = Names(place.host, place.port, fixed, cache_s=settings.dns_cache_s)

    async def opened(self, make: Callable[[], Wire]) -> tuple[asyncio.Transport, Wire]:
        """A new connection, its TLS handshake done, to the first address that takes it.

        Raises:
            Exception: none does; why the last one didn't, as `failure_of` reads it.
        """
        addresses = await self._names.addresses()
        if len(addresses) == 1:
            return await self._to(addresses[0], make)
        tasks = list[asyncio.Task[tuple[asyncio.Transport, Wire]]]()
        try:
            won = await self._first_of(addresses, make, tasks)
            tasks.remove(won)
            return won.result()
        finally:
            for each in tasks:
                each.cancel()
                each.add_done_callback(_hang_up)

    async def _first_of(
        self,
        addresses: tuple[str, ...],
        make: Callable[[], Wire],
        tasks: list[asyncio.Task[tuple[asyncio.Transport, Wire]]],
    ) -> asyncio.Task[tuple[asyncio.Transport, Wire]]:
        """The first of `tasks` that has a connection; all that were started are in there."""
        left = list(reversed(addresses))
        while True:
            if left:
                tasks.append(asyncio.create_task(self._to(left.pop(), make)))
            under_way = [each for each in tasks if not each.done()]
            if under_way:
                within_s = STAGGER_S if left else None
                await asyncio.wait(under_way, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
            for each in tasks:
                if each.done() and each.exception() is None:
                    return each
            if not left and all(each.done() for each in tasks):
                return tasks[-1]

    async def _to(self, address: str, make: Callable[[], Wire]) -> tuple[asyncio.Transport, Wire]:
        name = self._place.tls_name if self._tls is not None else None
        try:
            transport, wire = await asyncio.get_running_loop().create_connection(
                make, address, self._place.port, ssl=self._tls, server_hostname=name
            )
        except ssl.SSLCertVerificationError as error:
            # As one attempt more at a server that takes none: what it showed is what has to be mended.
            shown = await presented(address, self._place.port, name)
            raise CertificateRefused(f"{error.verify_message}{shown and f' ({shown})'}") from error
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET)
        return transport, wire

    def close(self) -> None:
        """Ask for names no more."""
        self._names.close()

    def failure_of(self, error: Exception) -> NotSent:
        """Why there is no connection. Whatever it was, it was before the first byte of a request."""
        if isinstance(error, CertificateRefused):
            return NotSent(cause=Cause.TLS, detail=f"certificate: {error}")
        if isinstance(error, ssl.SSLError):
            return NotSent(cause=Cause.TLS, detail=error.reason or "handshake failed")
        if isinstance(error, socket.gaierror):
            return NotSent(cause=Cause.DNS, detail=f"{self._place.host}: {error.strerror}")
        number = error.errno if isinstance(error, OSError) else None
        detail = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
        # Past the TCP handshake only the TLS handshake is left to fail: the connection isn't handed over before it.
        default = Cause.TLS if self._tls is not None and isinstance(error, ConnectionError) else Cause.UNREACHABLE
        return NotSent(cause=_UNREACHABLE_ERRNOS.get(number or 0, default), detail=detail)


def _hang_up(task: asyncio.Task[tuple[asyncio.Transport, Wire]]) -> None:
    """Another address was quicker, or nobody waits any more."""
    if not task.cancelled() and task.exception() is None:
        task.result()[0].abort()
