"""Witnesses: who keeps a signed head of the log where whoever has the spool can't reach it."""

import asyncio
import os
from http import HTTPStatus
from pathlib import Path
from ssl import create_default_context
from typing import Final, Protocol

import aiohttp

from adapters.secret import SecretMissing
from gateway.evidence.settings import WebhookSettings
from gateway.log import log
from spool.evidence.checkpoint import NOTE_BYTES_MAX, NoteUnfit, read_text


class WitnessFailed(Exception):
    """A witness did not keep a checkpoint; says why, in bounded words."""


class Witness(Protocol):
    """Keeps checkpoints."""

    @property
    def name(self) -> str:
        """What it is called in logs, metrics and status."""
        ...

    async def keep(self, note: str) -> None:
        """Keep a checkpoint in the place of the one before it.

        Raises:
            WitnessFailed: it wasn't kept.
        """
        ...

    async def newest(self) -> str:
        """The newest that was kept; empty where none was, or where it can't be asked.

        Raises:
            WitnessFailed: it can't be read now.
        """
        ...


class FileWitness:
    """A file with the newest checkpoint, replaced whole. It takes none that goes back."""

    def __init__(self, path: Path) -> None:
        """Keep it at `path`."""
        self.name: Final = f"file {path.name}"
        self._path = path

    async def keep(self, note: str) -> None:
        """See `Witness`."""
        await asyncio.to_thread(self._keep, note)

    async def newest(self) -> str:
        """See `Witness`."""
        return await asyncio.to_thread(self._newest)

    def _keep(self, note: str) -> None:
        if goes_back(self._newest(), note):
            raise WitnessFailed("it has one that goes further: the log was put back, or another one writes here")
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            with draft.open("w", encoding="utf-8") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            raise WitnessFailed(f"can't be written: {error.strerror}") from error

    def _newest(self) -> str:
        try:
            with self._path.open("rb") as file:
                return file.read(NOTE_BYTES_MAX + 1).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise WitnessFailed(f"can't be read: {error.strerror}") from error


class LogWitness:
    """The service's own log, where it is taken away to another machine."""

    def __init__(self) -> None:
        """Nothing to open."""
        self.name: Final = "log"

    async def keep(self, note: str) -> None:
        """See `Witness`."""
        log.info("checkpoint", note=note)

    async def newest(self) -> str:
        """It can't be asked."""
        return ""


class WebhookWitness:
    """A server that is sent each checkpoint: another Nightsafe, or whatever keeps a text."""

    def __init__(self, name: str, settings: WebhookSettings, timeout_s: float) -> None:
        """Call it so; when it is asked it has so many seconds."""
        self.name: Final = f"webhook {name}"
        self._settings = settings
        self._timeout_s = timeout_s

    async def keep(self, note: str) -> None:
        """See `Witness`."""
        await self._ask("POST", note.encode())

    async def newest(self) -> str:
        """See `Witness`."""
        if not self._settings.asked:
            return ""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask("GET", None)
        except TimeoutError:
            raise WitnessFailed("took too long") from None

    async def _ask(self, method: str, body: bytes | None) -> str:
        headers = {} if body is None else {"Content-Type": "text/plain; charset=utf-8"}
        try:
            if self._settings.token is not None:
                headers["Authorization"] = f"Bearer {self._settings.token.read().get_secret_value()}"
            ssl = (
                None
                if self._settings.tls_ca_file is None
                else create_default_context(cafile=self._settings.tls_ca_file)
            )
            async with (
                aiohttp.ClientSession() as session,
                session.request(
                    method, self._settings.url, data=body, headers=headers, allow_redirects=False, ssl=ssl or True
                ) as answer,
            ):
                status, said = answer.status, await answer.content.read(NOTE_BYTES_MAX + 1)
        except (aiohttp.ClientError, OSError, SecretMissing) as error:
            raise WitnessFailed(f"can't be reached: {type(error).__name__}") from error
        _require_yes(status)
        return said.decode("utf-8", "replace")


def goes_back(kept: str, note: str) -> bool:
    """Does a checkpoint say less than the one that is kept, or another thing of the same length, or of another log?

    A log goes on under the same origin; one that was restored goes on under the next epoch.
    """
    if not kept:
        return False
    try:
        old, new = read_text(kept.partition("\n\n")[0] + "\n"), read_text(note.partition("\n\n")[0] + "\n")
    except NoteUnfit:
        return True
    (old_name, old_epoch), (new_name, new_epoch) = split_origin(old.origin), split_origin(new.origin)
    if old_name != new_name:
        return True
    if old_epoch != new_epoch:
        return new_epoch < old_epoch
    return new.size < old.size or (new.size == old.size and new.root != old.root)


def split_origin(origin: str) -> tuple[str, int]:
    """A log's name, and the epoch of its spool; 0 where there is none."""
    name, _, epoch = origin.rpartition("/")
    return (name, int(epoch)) if epoch.isdecimal() else (origin, 0)


def _require_yes(status: int) -> None:
    """What a webhook's status says of a checkpoint that it was to keep."""
    if status == HTTPStatus.CONFLICT:
        raise WitnessFailed("it has one that goes further: the log was put back, or another one writes there")
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise WitnessFailed(f"answered {status}")
