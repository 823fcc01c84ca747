"""Is what a configuration refers to there? Secrets, certificates, the key, folders: looked at, never changed."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from adapters.secret import SecretMissing, SecretRef
from gateway.config.agreement import Parts
from gateway.config.fault import Finding
from gateway.config.lines import Place
from gateway.config.tree import items
from gateway.custody.provider import open_provider, store_path
from gateway.custody.settings import FileMasterSettings, MasterSettings
from spool.errors import KeysUnfit
from spool.keystore import KeyStore


def absences(parts: Parts) -> list[Finding]:
    """Everything that is referred to and isn't there."""
    return [*_spool(parts), *_keys(parts), *_absent(parts.config, ())]


def absent_for_access(parts: Parts) -> list[Finding]:
    """The same of what says who may use the admin side."""
    return [*_absent(parts.config.admin, ("admin",))]


def _spool(parts: Parts) -> Iterator[Finding]:
    """The durable engine needs its folder."""
    spool = parts.config.spool
    if ("spool",) in parts.broken:
        return
    if spool.engine != "memory" and (why := unusable(spool.path.absolute().parent)):
        yield _found(("spool", "path"), why, "name a folder this user may write to")
    alone = spool.postgres.alone if spool.postgres is not None else None
    if alone is not None and (why := unusable(alone.path.absolute().parent)):
        yield _found(("spool", "postgres", "alone", "path"), why, "name a folder this user may write to")
    if spool.engine == "sqlite" and spool.path.is_dir():
        yield _found(("spool", "path"), "a folder, not a file", "name a file in it")


def _keys(parts: Parts) -> Iterator[Finding]:
    """Masters at hand can be used, and the key store can be changed. Whether a service answers is found at start."""
    if not parts.broken.isdisjoint({("spool",), ("keys",)}):
        return
    config = parts.config
    yield from _master(config.keys.master, ("keys", "master"), config.spool.key_file)
    for at, settings in enumerate(config.keys.former):
        yield from _master(settings, ("keys", "former", at), config.spool.key_file)
    if config.keys.store_url is not None or (config.spool.engine == "postgres" and config.keys.store_file is None):
        return
    path = store_path(config)
    place: Place = ("keys", "store_file") if config.keys.store_file else ("spool", "key_file")
    if why := unusable(path.absolute().parent):
        yield _found(place, f"the key store {path} can't be kept there: {why}", "name a folder this user may write to")
    elif path.exists():
        try:
            KeyStore(path).read()
        except KeysUnfit as error:
            yield _found(place, "unfit key store", str(error))


def _master(settings: MasterSettings, place: Place, key_file: Path) -> Iterator[Finding]:
    if isinstance(settings, FileMasterSettings):
        path = settings.file or key_file
        place = (*place, "file") if settings.file else ("spool", "key_file")
        if not path.exists():
            yield _found(place, "no such file", "make it with `nightsafe init`, or restore it from its backup")
            return
    try:
        open_provider(settings, key_file)
    except KeysUnfit as error:
        yield _found(place, "unfit key file" if place[-1] in {"file", "key_file"} else "unfit master key", str(error))


def unusable(folder: Path) -> str:
    """Why a folder can neither be used nor made; empty when it can."""
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"{folder} is no folder"
    return "" if os.access(folder, os.W_OK | os.X_OK) else f"no right to write in {folder}"


def _absent(value: object, place: Place) -> Iterator[Finding]:
    """Walk all settings for secrets and for files that must be readable (their keys end in `_file`)."""
    if isinstance(value, SecretRef):
        yield from _secret(value, place)
    elif isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from _absent(getattr(value, key), (*place, key))
    elif isinstance(value, Path) and str(place[-1]).endswith("_file") and place[0] not in {"spool", "keys"}:
        yield from _file(value, place)
    else:
        for step, below in items(value) or ():
            yield from _absent(below, (*place, step))


def _secret(reference: SecretRef, place: Place) -> Iterator[Finding]:
    try:
        reference.read()
    except SecretMissing as error:
        yield _found(place, "absent secret", f"{error}: put it there, or name the right place")
    except UnicodeDecodeError:
        yield _found(place, "unreadable secret", "the file is no UTF-8 text")


def _file(path: Path, place: Place) -> Iterator[Finding]:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        yield _found(place, "unreadable file", f"{path}: {error.strerror}: put it there, or name the right place")


def _found(place: Place, found_kind: str, what_to_write: str) -> Finding:
    return Finding(place=place, found_kind=found_kind, what_to_write=what_to_write)
