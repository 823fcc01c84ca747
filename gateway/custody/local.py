"""Masters at hand: in a key file, in an environment variable, in a credential of systemd."""

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from spool.errors import KeysUnfit
from spool.masters import FormerKeys, add_master, drop_master, key_of, read_key_file
from spool.private_file import SYSTEM, Steps
from spool.wrapping import LocalMasters, Wrapped

FOLDER_VARIABLE: Final = "CREDENTIALS_DIRECTORY"


class FileMaster:
    """A `KeyProvider` over a key file; read again when a master is asked for that wasn't in it."""

    renewable: bool = True

    def __init__(self, path: Path, steps: Steps = SYSTEM) -> None:
        """Read the file; it is written by these steps.

        Raises:
            KeysUnfit: it can't be used; says how to mend it.
        """
        self.path: Final = path
        self.place: Final = f"the key file {path}"
        self._steps = steps
        self._masters, self.former_keys = _read(path)

    def __repr__(self) -> str:
        return f"FileMaster({self.path})"

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Wrap a key under the file's last master."""
        return self._masters.wrap(key, context)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """The key again. Errors: see `KeyProvider.unwrap`."""
        if not self._masters.knows(wrapped.master):
            await self._read_again()
        return self._masters.unwrap(wrapped, context)

    def knows(self, master: str) -> bool:
        """Was it in the file when that was last read?"""
        return self._masters.knows(master)

    def is_newest(self, master: str) -> bool:
        """Was it the last one?"""
        return self._masters.newest == master

    async def renew(self, now_us: int) -> None:
        """Add a master to the file."""
        await asyncio.to_thread(partial(add_master, self.path, now_us, steps=self._steps))
        await self._read_again()

    async def look(self) -> None:
        """Read the file again."""
        await self._read_again()

    async def drop(self, master: str) -> None:
        """Take a former master out of the file for good.

        Raises:
            KeysUnfit: it isn't there, or it is the newest.
        """
        await asyncio.to_thread(partial(drop_master, self.path, master, steps=self._steps))
        await self._read_again()

    async def close(self) -> None:
        """Nothing is open."""

    async def _read_again(self) -> None:
        self._masters, self.former_keys = await asyncio.to_thread(partial(_read, self.path))


def _read(path: Path) -> tuple[LocalMasters, FormerKeys | None]:
    found = read_key_file(path)
    return LocalMasters(found.keys), found.former


class TextMaster:
    """A `KeyProvider` over a text: 32 bytes in base64; several parted by white space, the newest last."""

    renewable: bool = False

    def __init__(self, place: str, read: Callable[[], str]) -> None:
        """Read the text.

        Raises:
            KeysUnfit: it isn't there, or is no key.
        """
        self.place: Final = place
        self._masters = LocalMasters(_keys_in(read(), place))

    def __repr__(self) -> str:
        return f"TextMaster({self.place})"

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Wrap a key under the last master."""
        return self._masters.wrap(key, context)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """The key again. Errors: see `KeyProvider.unwrap`."""
        return self._masters.unwrap(wrapped, context)

    def knows(self, master: str) -> bool:
        """Is it one of them?"""
        return self._masters.knows(master)

    def is_newest(self, master: str) -> bool:
        """Is it the last one?"""
        return self._masters.newest == master

    async def look(self) -> None:
        """A text that a process was started with stays as it is."""

    async def renew(self, now_us: int) -> None:
        """Not from here: whoever wrote the text writes another."""
        raise KeysUnfit(f"{self.place} can't renew itself (at {now_us}); add a key to it and start again")

    async def close(self) -> None:
        """Nothing is open."""


def environment_master(variable: str, environment: Mapping[str, str] = os.environ) -> TextMaster:
    """The master in an environment variable.

    Raises:
        KeysUnfit: it isn't set, or holds no key.
    """

    def read() -> str:
        if not environment.get(variable):
            raise KeysUnfit(
                f"the environment variable {variable} is empty or not set; it holds 32 bytes in base64: openssl rand"
                " -base64 32"
            )
        return environment[variable]

    return TextMaster(f"the environment variable {variable}", read)


def systemd_master(credential: str, environment: Mapping[str, str] = os.environ) -> TextMaster:
    """The master in a credential that systemd handed over.

    Raises:
        KeysUnfit: systemd handed nothing over, or no key.
    """

    def read() -> str:
        folder = environment.get(FOLDER_VARIABLE)
        if not folder:
            raise KeysUnfit(
                f"systemd handed no credentials over ({FOLDER_VARIABLE} is not set); write LoadCredentialEncrypted="
                f"{credential}:/etc/nightsafe/{credential}.cred into the unit"
            )
        try:
            return (Path(folder) / credential).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise KeysUnfit(f"the credential {credential} can't be read from {folder}: {why}") from error

    return TextMaster(f"the credential {credential} of systemd", read)


def _keys_in(text: str, place: str) -> list[bytes]:
    keys = [key_of(word) for word in text.split()]
    if not keys or not all(keys) or len(set(keys)) != len(keys):
        raise KeysUnfit(f"{place} needs 32 bytes in base64, or several different ones, the newest last")
    return keys
