"""One POST to somebody's server, and what its answer means for a letter."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import aiohttp

from gateway.telling.sink import NotTold, Undeliverable

_LATER: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)
RETRY_AFTER_MAX_S: Final = 3600.0


class Caller:
    """Posts over connections it keeps."""

    def __init__(self, timeout_s: float) -> None:
        """Give each request so long."""
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, gives_up: bool) -> None:
        """Have a body taken.

        Args:
            url: where.
            body: what.
            headers: with these.
            gives_up: a no of the server's is one for good, and not a fault of its configuration.

        Raises:
            NotTold: it wasn't, or nobody knows.
            Undeliverable: it was refused for good.
        """
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s))
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                status, told = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError:
            raise NotTold("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Their words may hold the address.
            raise NotTold(f"can't be reached ({type(error).__name__})") from None
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if gives_up and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LATER:
            if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise NotTold(f"answered {status}")
            raise Undeliverable(f"answered {status}")
        raise NotTold(f"answered {status}", min(RETRY_AFTER_MAX_S, float(told)) if told.isdecimal() else 0.0)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
