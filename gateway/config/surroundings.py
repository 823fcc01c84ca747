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
from spool.errors import KeysUnfit
from spool.keys import read_key_file


def absences(parts: Parts) -> list[Finding]:
    """Everything that is referred to and isn't there."""
    return [*_spool(parts), *_absent(parts.config, ())]


def _spool(parts: Parts) -> Iterator[Finding]:
    """The key is needed whatever the engine; the database's folder by the durable one."""
    spool = parts.config.spool
    if ("spool",) in parts.broken:
        return
    if spool.engine == "sqlite" and (why := unusable(spool.path.absolute().parent)):
        yield _found(("spool", "path"), why, "name a folder this user may write to")
    if spool.engine == "sqlite" and spool.path.is_dir():
        yield _found(("spool", "path"), "a folder, not a file", "name a file in it")
    if not spool.key_file.exists():
        yield _found(
            ("spool", "key_file"), "no such file", "make it with `nightsafe init`, or restore it from its backup"
        )
        return
    try:
        read_key_file(spool.key_file)
    except KeysUnfit as error:
        yield _found(("spool", "key_file"), "unfit key file", str(error))


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
    elif isinstance(value, Path) and str(place[-1]).endswith("_file") and place[0] != "spool":
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
