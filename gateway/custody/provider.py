"""From settings to a key provider. What a provider needs beyond the service's own packages is imported when it is used."""

from pathlib import Path

from gateway.config.model import Config
from gateway.custody.chest import Chest
from gateway.custody.local import FileMaster, environment_master, systemd_master
from gateway.custody.settings import (
    EnvironmentMasterSettings,
    FileMasterSettings,
    MasterSettings,
    SystemdMasterSettings,
)
from spool.keys import KeyRing
from spool.keystore import KeyStore
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


def open_chest(config: Config) -> Chest:
    """The key store that a configuration names, with its masters.

    Raises:
        KeysUnfit: a master can't be used; says how to mend it.
    """
    keys, key_file = config.keys, config.spool.key_file
    former = [open_provider(each, key_file) for each in keys.former]
    return Chest(KeyStore(store_path(config)), open_provider(keys.master, key_file), former)


def store_path(config: Config) -> Path:
    """Where the key store is."""
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
        if former is not None and not chest.file.exists():
            return KeyRing(former.data_keys, former.index_key)
        kept = await chest.read()
        return (await chest.open(kept)).ring(kept)
    finally:
        await chest.close()
