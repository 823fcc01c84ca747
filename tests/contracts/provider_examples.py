"""The key providers to try, each with a place of its own."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from gateway.custody.local import FileMaster, environment_master, systemd_master
from spool.masters import add_master, make_key_file
from spool.wrapping import KeyProvider

NOW_US: Final = 1_767_225_600_000_000


class Place(Protocol):
    """Where a provider's masters are kept."""

    def provider(self) -> KeyProvider:
        """The provider as each new process would make it."""
        ...

    def stranger(self) -> KeyProvider:
        """A provider of the same kind with another master."""
        ...

    def add(self) -> None:
        """A newer master comes beside the first, made by a person."""
        ...


class InFile:
    """A key file."""

    def __init__(self, folder: Path) -> None:
        self._path, self._other = folder / "master.key", folder / "other.key"
        for path in (self._path, self._other):
            make_key_file(path, NOW_US)

    def provider(self) -> KeyProvider:
        """Reads the file."""
        return FileMaster(self._path)

    def stranger(self) -> KeyProvider:
        """Reads another."""
        return FileMaster(self._other)

    def add(self) -> None:
        """At its end."""
        add_master(self._path, NOW_US)


def text(*fills: int) -> str:
    """Masters as a variable or a credential holds them."""
    return "\n".join(base64.b64encode(bytes([fill]) * 32).decode() for fill in fills)


class InEnvironment:
    """An environment variable."""

    def __init__(self, folder: Path) -> None:
        assert folder.is_dir()
        self._environment = {"MASTER": text(1), "OTHER": text(2)}

    def provider(self) -> KeyProvider:
        """Reads the variable."""
        return environment_master("MASTER", self._environment)

    def stranger(self) -> KeyProvider:
        """Reads another."""
        return environment_master("OTHER", self._environment)

    def add(self) -> None:
        """Behind the first."""
        self._environment["MASTER"] = text(1, 3)


class InCredential:
    """A credential of systemd."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "master").write_text(text(1), encoding="ascii")
        (folder / "other").write_text(text(2), encoding="ascii")

    def provider(self) -> KeyProvider:
        """Reads what systemd put there."""
        return systemd_master("master", {"CREDENTIALS_DIRECTORY": str(self._folder)})

    def stranger(self) -> KeyProvider:
        """Reads another."""
        return systemd_master("other", {"CREDENTIALS_DIRECTORY": str(self._folder)})

    def add(self) -> None:
        """In the next line."""
        (self._folder / "master").write_text(text(1, 3), encoding="ascii")


PROVIDERS: Final[dict[str, Callable[[Path], Place]]] = {
    "file": InFile,
    "environment": InEnvironment,
    "systemd": InCredential,
}
"""Every provider, as a maker of its place in a folder of its own."""
