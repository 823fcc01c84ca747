"""What a browser loads besides the pages: read once from the package, each under an address that changes with its content."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Kinds that are served; licences lie beside them for who reads the package."""

PREFIX: Final = "/page/static/"


class Served(msgspec.Struct, frozen=True):
    """One file."""

    body: bytes
    content_type: str


def served() -> tuple[Mapping[str, Served], Mapping[str, str]]:
    """All files by their address, and the addresses by the files' names."""
    by_address: dict[str, Served] = {}
    addresses: dict[str, str] = {}
    for file in (files("gateway.page") / "static").iterdir():
        stem, dot, suffix = file.name.rpartition(".")
        content_type = TYPES.get(dot + suffix)
        if content_type is None:
            continue
        body = file.read_bytes()
        address = f"{PREFIX}{stem}.{hashlib.sha256(body).hexdigest()[:12]}{dot}{suffix}"
        by_address[address] = Served(body, content_type)
        addresses[file.name] = address
    return by_address, addresses
