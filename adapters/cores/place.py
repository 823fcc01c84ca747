"""Where a core is, read once from its address: for DNS, for TLS and for the head of each request."""

from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """One core's address, cut."""

    #: Name or IP address in ASCII, without brackets.
    host: str
    port: int
    #: What every target begins with; empty, or beginning with a slash.
    path: str
    #: As the head of a request names it.
    authority: str

    @property
    def tls_name(self) -> str:
        """The name a certificate must be for."""
        return self.host.rstrip(".")


def place_of(url: str) -> Place:
    """The place of an http or https address that the settings took.

    Raises:
        ValueError: a host that DNS could never know, or a port that can't be.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    usual = _PORTS[parts.scheme]
    port = usual if parts.port is None else parts.port
    shown = f"[{host}]" if ":" in host else host.rstrip(".")
    return Place(host, port, parts.path, shown if port == usual else f"{shown}:{port}")
