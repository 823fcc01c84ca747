"""Requests as nearly all clients write them, read in one look.

What is taken here is beyond doubt: the whole request and nothing else, one line of visible ASCII for each of a few well
known headers, none of them twice, at most one length and exactly that body. Everything else (another spelling, another
header, a piece, a second request behind it) is nobody's here, and goes to llhttp, which reads what is taken here alike.
"""

import re
from typing import Final

from adapters.channel import HEADERS_KNOWN, Inbound

_HOST: Final = "Host"
_LENGTH: Final = "Content-Length"
_WANTED: Final = (*HEADERS_KNOWN, _HOST, _LENGTH)
_PASSED_OVER: Final = (
    "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Cache-Control", "Tracestate",
    "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-Ip",
)  # fmt: skip
_NAMES: Final = {spelt: name for name in _WANTED for spelt in (name, name.lower())} | {
    spelt: "" for name in _PASSED_OVER for spelt in (name, name.lower())
}
_STAYS: Final = ("Connection: keep-alive", "connection: keep-alive", "Connection: Keep-Alive")
"""What HTTP/1.1 means without it too."""
_VISIBLE: Final = bytes(range(0x20, 0x7F))
_LENGTH_DIGITS_MAX: Final = 9
# Nothing a query or a path of ours needs is left out, nor anything let in that two readers might take differently.
_asked: Final = re.compile(
    r"(GET|POST) (/[A-Za-z0-9/._~%:@!$&'()*+,;=-]*)\??([A-Za-z0-9/._~%:@!$&'()*+,;=?-]*) HTTP/1\.1"
).fullmatch


def plain_request(data: bytes, peer: str, body_bytes_max: int) -> Inbound | None:
    """The request that `data` is, if it is as plain as that."""
    head, _, body = data.partition(b"\r\n\r\n")
    marks = head.translate(None, _VISIBLE)
    if not marks.isascii():
        return None
    first, *lines = head.decode("ascii").split("\r\n")
    asked = _asked(first)
    # Besides what can be seen there is the end of each line but the last.
    if asked is None or marks != b"\r\n" * len(lines):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        spelt, _, value = line.partition(": ")
        name = _NAMES.get(spelt)
        if name:
            if name in headers:
                return None
            headers[name] = value.strip(" ")
        elif name is None and line not in _STAYS:
            return None
    length = headers.pop(_LENGTH, "0")
    if headers.pop(_HOST, None) is None or not length.isdigit() or len(length) > _LENGTH_DIGITS_MAX:
        return None
    if int(length) != len(body) or len(body) > body_bytes_max:
        return None
    method, path, query = asked.groups()
    return Inbound(method=method, path=path, query=query, headers=headers, body=body, peer=peer)
