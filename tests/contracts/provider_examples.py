"""The key providers to try, each with a place of its own."""

import asyncio
import base64
import contextlib
import importlib
import os
import subprocess
import threading
from collections.abc import AsyncGenerator, Callable
from itertools import count
from pathlib import Path
from typing import Any, Final, Protocol

import botocore.session  # type: ignore[import-untyped]  # botocore has no types

from gateway.custody.kms import KmsMaster
from gateway.custody.local import FileMaster, environment_master, systemd_master
from gateway.custody.settings import KmsMasterSettings, Pkcs11MasterSettings, VaultMasterSettings
from gateway.custody.token import TokenMaster
from gateway.custody.vault import VaultMaster
from spool.masters import add_master, make_key_file
from spool.wrapping import KeyProvider
from tests.contracts.vault_server import TOKEN, VaultServer

NOW_US: Final = 1_767_225_600_000_000
TOKEN_LABEL: Final = "nightsafe"
PIN: Final = "98765432"
REGION: Final = "eu-central-1"
MODULE: Final = Path("/usr/lib/softhsm/libsofthsm2.so")


class Place(Protocol):
    """Where a provider's masters are kept."""

    def provider(self) -> KeyProvider:
        """The provider as each new process would make it."""
        ...

    def stranger(self) -> KeyProvider:
        """A provider of the same kind with another master."""
        ...


class GrowingPlace(Place, Protocol):
    """One in which a master may get another beside it."""

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


class InVault:
    """A key of Vault's transit engine, served by a small server written from its documentation."""

    def __init__(self, server: VaultServer, folder: Path) -> None:
        self._server = server
        self._token = folder / "token"
        self._token.write_text(TOKEN, encoding="ascii")
        for name in ("nightsafe", "other"):
            server.make(name)

    def provider(self) -> KeyProvider:
        """Speaks of one key."""
        return self.speaking_of("nightsafe")

    def speaking_of(self, key: str) -> VaultMaster:
        """Speaks of a key."""
        settings = {"provider": "vault", "url": self._server.url, "key": key, "token": {"file": str(self._token)}}
        return VaultMaster(VaultMasterSettings.model_validate(settings, strict=False))

    def stranger(self) -> KeyProvider:
        """Speaks of another."""
        return self.speaking_of("other")

    def add(self) -> None:
        """As `vault write -f transit/keys/nightsafe/rotate` does."""
        self._server.make("nightsafe")

    def break_off(self) -> None:
        """Somebody sealed it."""
        self._server.sealed = True


class InToken:
    """A token of SoftHSM, with keys of a label of their own."""

    def __init__(self, label: str, folder: Path) -> None:
        self._label = label
        (folder / "pin").write_text(PIN, encoding="ascii")
        self._pin = folder / "pin"
        for each in (label, f"{label}-other"):
            asyncio.run(self._make(each))

    async def _make(self, label: str) -> None:
        master = self.speaking_of(label)
        await master.renew(NOW_US)
        await master.close()

    def speaking_of(self, key: str, token: str = TOKEN_LABEL) -> TokenMaster:
        """Speaks of a label."""
        settings = {
            "provider": "pkcs11",
            "module": str(MODULE),
            "token": token,
            "key": key,
            "pin": {"file": str(self._pin)},
        }
        return TokenMaster(Pkcs11MasterSettings.model_validate(settings, strict=False))

    def provider(self) -> KeyProvider:
        """Speaks of one label."""
        return self.speaking_of(self._label)

    def stranger(self) -> KeyProvider:
        """Speaks of another."""
        return self.speaking_of(f"{self._label}-other")

    def add(self) -> None:
        """Another key with the same label."""
        worker = threading.Thread(target=lambda: asyncio.run(self._make(self._label)))
        worker.start()
        worker.join()


class InKms:
    """A key of KMS, by moto's server."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys = [self._made(), self._made()]

    def _made(self) -> str:
        client: Any = botocore.session.get_session().create_client("kms", region_name=REGION, endpoint_url=self._url)
        made: str = client.create_key()["KeyMetadata"]["KeyId"]
        client.close()
        return made

    def speaking_of(self, key: str) -> KmsMaster:
        """Speaks of a key."""
        settings = {"provider": "kms", "key_id": key, "region": REGION, "endpoint_url": self._url, "timeout_s": 2.0}
        return KmsMaster(KmsMasterSettings.model_validate(settings))

    def provider(self) -> KeyProvider:
        """Speaks of one key."""
        return self.speaking_of(self._keys[0])

    def stranger(self) -> KeyProvider:
        """Speaks of another."""
        return self.speaking_of(self._keys[1])


PROVIDERS: Final = ("file", "environment", "systemd", "vault", "kms", "pkcs11")
"""Every provider."""

GROWING: Final = tuple(name for name in PROVIDERS if name != "kms")
"""Those of which a master may get another beside it under the same settings. KMS changes a key's material by itself."""


class Rooms:
    """What providers need that takes long to make: a token of SoftHSM and moto's server, once for a process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = count(1)
        self._moto: Any = None
        self._kms: InKms | None = None
        self._has_token = False

    def token(self, folder: Path) -> InToken:
        """A place in the token; SoftHSM reads where its tokens are when it is loaded, so there is one of them."""
        if not self._has_token:
            (self._folder / "tokens").mkdir()
            configuration = self._folder / "softhsm2.conf"
            configuration.write_text(f"directories.tokendir = {self._folder / 'tokens'}\nlog.level = ERROR\n")
            os.environ["SOFTHSM2_CONF"] = str(configuration)
            command = ["softhsm2-util", "--init-token", "--free", "--label", TOKEN_LABEL, "--so-pin", PIN, "--pin", PIN]
            subprocess.run(command, check=True, capture_output=True)
            self._has_token = True
        return InToken(f"master-{next(self._count)}", folder)

    def kms(self) -> InKms:
        """A place in moto's KMS."""
        if self._kms is None:
            os.environ.update(AWS_ACCESS_KEY_ID="example", AWS_SECRET_ACCESS_KEY="example")
            self._moto = moto_server().ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
            self._moto.start()
            host, port = self._moto.get_host_and_port()
            self._kms = InKms(f"http://{host}:{port}")
        return self._kms

    def close(self) -> None:
        """At the end of the process."""
        if self._moto is not None:
            self._moto.stop()


def moto_server() -> Any:
    """Takes seconds to import, so only who needs it does."""
    return importlib.import_module("moto.server")


@contextlib.asynccontextmanager
async def place_of(name: str, folder: Path, rooms: Rooms) -> AsyncGenerator[Place]:
    """The place of a provider, for a test."""
    match name:
        case "vault":
            server = await VaultServer().start()
            yield InVault(server, folder)
            await server.stop()
        case "kms":
            yield await asyncio.to_thread(rooms.kms)
        case "pkcs11":
            yield await asyncio.to_thread(rooms.token, folder)
        case _:
            makers: dict[str, Callable[[Path], Place]] = {
                "file": InFile,
                "environment": InEnvironment,
                "systemd": InCredential,
            }
            yield makers[name](folder)
