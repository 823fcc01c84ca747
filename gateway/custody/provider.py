"""From settings to a key provider. What a provider needs beyond the service's own packages is imported when it is used."""

from pathlib import Path

from gateway.config.model import Config
from gateway.custody.chest import Chest
from gateway.custody.kms import KmsMaster
from gateway.custody.local import FileMaster, environment_master, systemd_master
from gateway.custody.settings import (
    EnvironmentMasterSettings,
    FileMasterSettings,
    KmsMasterSettings,
    MasterSettings,
    Pkcs11MasterSettings,
    SystemdMasterSettings,
    VaultMasterSettings,
)
from gateway.custody.token import TokenMaster
from gateway.custody.vault import VaultMaster
from gateway.engines.opening import database_url
from spool.errors import KeysUnfit
from spool.keys import KeyRing
from spool.keystore import KeyPlace, KeyStore
from spool.masters import make_key_file
from spool.postgres.keystore import PostgresKeyStore
from spool.wrapping import KeyProvider


def open_provider(settings: MasterSettings, key_file: Path) -> KeyProvider:
    """The provider that `settings` describe; `key_file` is the one that [spool] names.

    Raises:
        KeysUnfit: it can't be used; says how to mend it. Whether a service can be reached is found when it is asked.
    """
    match settings:
        case FileMasterSettings():
            return FileMaster(settings.file or key_file)
        case EnvironmentMasterSettings():
            return environment_master(settings.variable)
        case SystemdMasterSettings():
            return systemd_master(settings.credential)
        case VaultMasterSettings():
            return VaultMaster(settings)
        case KmsMasterSettings():
            return KmsMaster(settings)
        case Pkcs11MasterSettings():
            return TokenMaster(settings)


def open_chest(config: Config) -> Chest:
    """The key store that a configuration names, with its masters.

    Raises:
        KeysUnfit: a master can't be used; says how to mend it.
    """
    keys, key_file = config.keys, config.spool.key_file
    former = [open_provider(each, key_file) for each in keys.former]
    return Chest(key_place(config), open_provider(keys.master, key_file), former, copy=_copy_place(config))


def _copy_place(config: Config) -> KeyStore | None:
    """Where a node that may go on alone keeps what was last in a key store it shares: beside its file."""
    said = config.spool.postgres
    is_shared = config.keys.store_url is not None or config.keys.store_file is None
    if config.spool.engine != "postgres" or said is None or said.alone is None or not is_shared:
        return None
    return KeyStore(said.alone.path.with_name(said.alone.path.name + ".keys"))


def key_place(config: Config) -> KeyPlace:
    """Where a configuration keeps its keys: in a file, or in a database that nodes share.

    Raises:
        SecretMissing: the database's URL isn't where the configuration says.
    """
    keys = config.keys
    if keys.store_url is not None:
        return PostgresKeyStore(keys.store_url.read().get_secret_value())
    if config.spool.engine == "postgres" and keys.store_file is None:
        return PostgresKeyStore(database_url(config))
    return KeyStore(store_path(config))


def store_path(config: Config) -> Path:
    """Where the key store is, if it is a file."""
    key_file = config.spool.key_file
    return config.keys.store_file or key_file.with_name(key_file.name + ".store")


async def ring_of(config: Config) -> KeyRing:
    """The keys that a configuration leads to, for who only looks. Keys that do not open are left out.

    Raises:
        MasterUnreachable, KeysUnfit: they can't be had; says why.
    """
    chest = open_chest(config)
    try:
        former = chest.former_keys
        if former is not None and not await chest.exists():
            return KeyRing(former.data_keys, former.index_key)
        kept = await chest.read()
        return (await chest.open(kept)).ring(kept)
    finally:
        await chest.close()


async def make_keys(config: Config, now_us: int) -> list[str]:
    """Make the key file, where there is to be one, and the key store; what was made, as nothing is written over.

    Raises:
        MasterUnreachable, KeysUnfit: the master can't be used, or a file not be written.
    """
    made = list[str]()
    master = config.keys.master
    if isinstance(master, FileMasterSettings):
        path = master.file or config.spool.key_file
        if not path.exists():
            _make_folder(path.parent)
            make_key_file(path, now_us)
            made.append(str(path))
    chest = open_chest(config)
    try:
        await chest.make_master(now_us)
        if not await chest.exists():
            if isinstance(chest.file, KeyStore):
                _make_folder(chest.file.path.parent)
            await (chest.make(now_us) if chest.former_keys is None else chest.take_over(chest.former_keys, now_us))
            made.append(chest.file.place)
    finally:
        await chest.close()
    return made


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise KeysUnfit(f"the folder {folder} can't be made: {error.strerror}") from error
