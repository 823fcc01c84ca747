"""A peer: what somebody might build the same thing with, durable on disk before the answer.

Its module starts it and stops it, says what it does and what is true when it answers. Modules have two halves: the outer
one runs with the bench; the inner one (`open_store`) runs inside `bench.peers.front`, in the environment made by
`install.sh`, and imports the peer's own client by name, since the house's environment doesn't have it.
"""

import contextlib
import shutil
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import msgspec

from bench.case import Setting
from bench.rig import OUT, SERVER_CORE, Server, Trouble, free_port, server

PLACE: Final = OUT / "peers"
"""Where `install.sh` puts what is no Debian package."""

PYTHON: Final = PLACE / "venv/bin/python"

CONNECTIONS_MAX: Final = 128
"""Of a front to its store, where each payment needs one for itself: twice what is sent at once, as some are still busy after a warm-up."""


class Missing(Trouble):
    """A peer that isn't installed, and what is to be done about it."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One way to do the job."""

    name: str
    #: What it does with a payment.
    does: str
    #: What is true when it answers.
    keeps: str
    #: How often more we want to take of what it takes; nothing where there is no comparison.
    wanted: float | None = 2.0
    #: Asks the installed software.
    version: Callable[[], str]
    #: Starts it in a scratch folder.
    setting: Callable[[Path], AbstractContextManager[Setting]]
    #: Where it takes payments.
    path: str = "/v1/payments"


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """What a front keeps payments in."""

    #: Keeps a payment under its key, once; back when it is on disk.
    put: Callable[[str, bytes], Awaitable[None]]
    #: Payments it keeps.
    count: Callable[[], Awaitable[int]]


def program(name: str, package: str, *places: str) -> str:
    """The path of an installed program.

    Raises:
        Missing: it isn't there.
    """
    path = ":".join(("/usr/local/bin", "/usr/bin", "/usr/sbin", *places))
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"{name} is not here: make bench-peers (or apt-get install {package})")
    return found


def said_by(*command: str) -> str:
    """The first line of what a program prints, on either stream.

    Raises:
        Missing: it isn't there, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{Path(command[0]).name} does not run: make bench-peers ({type(error).__name__})") from error
    return (done.stdout + done.stderr).strip().partition("\n")[0]


def library(name: str) -> str:
    """The version of a library in the peers' environment.

    Raises:
        Missing: the environment, or the library in it.
    """
    return said_by(str(PYTHON), "-c", f"from importlib.metadata import version; print(version({name!r}))")


@contextlib.contextmanager
def front(folder: Path, store: str, way: str, at: str) -> Generator[Server]:
    """An aiohttp server that answers once `store` (a module here) has kept the payment; `at` is where the store is."""
    port = free_port()
    command = [str(PYTHON), "-m", "bench.peers.front", "--store", store, "--way", way, "--at", at, "--port", str(port)]
    with server(command, port, SERVER_CORE, folder / "front.log") as process:
        yield process


def asked(port: int) -> int:
    """What a front says of how many payments its store keeps.

    Raises:
        Trouble: it does not say.
    """
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/stored", timeout=120) as answer:
            return int(answer.read())
    except (OSError, ValueError) as error:
        raise Trouble(f"the store does not say what it keeps: {error}") from error
