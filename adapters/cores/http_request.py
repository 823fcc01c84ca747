"""The bytes of requests to one core; what all of them have in common is written once."""

import re
from collections.abc import Mapping
from typing import Final

from adapters.cores.place import Place

_WITHOUT_LENGTH: Final = frozenset({"GET", "HEAD"})
"""Methods whose missing body needs no words (RFC 9110, 8.6)."""

FRAMING: Final = frozenset(
    {"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
"""Headers, in lower case, that say where a request goes and ends: written here, and by nobody else."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


class Unsendable(ValueError):
    """A request that would not be one request: a target with a space, a header with a line break, a second length."""


class Requests:
    """Writes requests to one core."""

    def __init__(self, place: Place, headers: Mapping[str, str]) -> None:
        """Send `headers` with each, but for those that a request has of its own."""
        self._path = place.path
        self._host = f" HTTP/1.1\r\nHost: {place.authority}\r\n".encode("ascii")
        self._headers = dict(headers)
        #: The common headers without those of a request, by the names of the request's.
        self._common: dict[tuple[str, ...], bytes] = {}

    def written(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        """One whole request; `target` follows the core's own path.

        Raises:
            Unsendable: it would not be one.
        """
        target = self._path + target
        if not (target.startswith("/") and target.isascii() and target.isprintable() and " " not in target):
            raise Unsendable("the target isn't visible ASCII")
        names = tuple(headers)
        common = self._common.get(names)
        if common is None:
            common = self._common[names] = self._without(names)
        own = _lines(headers) if headers else b""
        if body is None and method in _WITHOUT_LENGTH:
            return b"".join((f"{method} {target}".encode(), self._host, common, own, b"\r\n"))
        body = body or b""
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        return b"".join((f"{method} {target}".encode(), self._host, common, own, length, body))

    def _without(self, names: tuple[str, ...]) -> bytes:
        lowered = {name.lower() for name in names}
        for name in (*self._headers, *names):
            if name.lower() in FRAMING or not _TOKEN.fullmatch(name):
                raise Unsendable("a header that isn't the settings' to write")
        return _lines({name: text for name, text in self._headers.items() if name.lower() not in lowered})


def _lines(headers: Mapping[str, str]) -> bytes:
    text = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    count = len(headers)
    if text.count("\r") != count or text.count("\n") != count or "\0" in text:
        raise Unsendable("a header with a line break")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise Unsendable("a header that is no text") from error
