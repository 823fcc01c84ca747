"""The key file: master keys, readable by its owner alone, kept apart from the spool, the key store and their backups.

```json
{
  "version": 2,
  "masters": [{"key": "<32 bytes, base64>", "created": "2026-01-01T00:00:00Z"}]
}
```

The last master wraps; all of them open. Files of version 1 held the keys that seal and hash themselves. They go on
working: a master is derived from theirs, and the key store takes their keys over, wrapped under it.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from spool.errors import KeysUnfit
from spool.keys import KEY_BYTES, KEY_ID_MAX
from spool.private_file import SYSTEM, Steps, locked, read_private, replace_private, write_private
from spool.wrapping import name_of

NAME: Final = "key file"
VERSION: Final = 2

MASTERS_MAX: Final = 100
"""Most masters in one file: they are changed once a year, or after a fright."""

DATA_KEYS_MAX: Final = 10_000
"""Most data keys in a file of version 1."""

_ABSENT: Final = "put it back from where keys are kept, or, for a new spool, make one with: nightsafe keys init"
_DERIVE_LABEL: Final = b"nightsafe master of a key file v1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Master(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One master as it stands in the file."""

    key: str
    created: str

    def __repr__(self) -> str:
        return "_Master()"


class _MasterFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of version 2."""

    version: int
    masters: list[_Master]

    def __repr__(self) -> str:
        return "_MasterFile()"


class _DataKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data key as it stands in a file of version 1."""

    id: int
    key: str
    created: str

    def __repr__(self) -> str:
        return f"_DataKey({self.id})"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of version 1."""

    version: int
    index_key: str
    data_keys: list[_DataKey]

    def __repr__(self) -> str:
        return "_KeyFile()"


class _Version(msgspec.Struct, frozen=True):
    """What every version has."""

    version: int


class FormerKeys(msgspec.Struct, frozen=True):
    """The keys of a file of version 1, to be taken over by the key store."""

    data_keys: tuple[tuple[int, bytes], ...]
    index_key: bytes

    def __repr__(self) -> str:
        return "FormerKeys()"


class Masters(msgspec.Struct, frozen=True):
    """What a key file holds."""

    #: The newest last.
    keys: tuple[bytes, ...]
    #: Set where the file is of version 1.
    former: FormerKeys | None = None

    def __repr__(self) -> str:
        return "Masters()"


def make_key_file(path: Path, now_us: int, random_bytes: Callable[[int], bytes] = os.urandom) -> Masters:
    """Write a new key file with one master, durably, readable by its owner alone.

    Raises:
        KeysUnfit: there is something at `path` already, or it can't be written.
    """
    master = random_bytes(KEY_BYTES)
    write_private(path, _written([_kept(master, now_us)]), NAME)
    return Masters((master,))


def read_key_file(path: Path) -> Masters:
    """The masters in a file.

    Raises:
        KeysUnfit: the file is missing, a link, another user's, open to others, or not a key file; the message says which
            and how to mend it.
    """
    return _masters_of(_decoded(path), path)


def add_master(
    path: Path, now_us: int, random_bytes: Callable[[int], bytes] = os.urandom, steps: Steps = SYSTEM
) -> Masters:
    """Add a master, which is the newest from then on. A file of version 1 becomes one of version 2: its own keys go.

    Raises:
        KeysUnfit: the file can't be read or written, or is full.
    """
    with locked(path):
        found = _decoded(path)
        now = _masters_of(found, path)
        masters = list(found.masters) if isinstance(found, _MasterFile) else [_kept(now.keys[0], now_us)]
        if len(masters) == MASTERS_MAX:
            raise KeysUnfit(f"the key file {path} is full: drop masters that nothing is wrapped by any more")
        added = random_bytes(KEY_BYTES)
        replace_private(path, _written([*masters, _kept(added, now_us)]), NAME, steps)
    return Masters((*now.keys, added))


def drop_master(path: Path, name: str, steps: Steps = SYSTEM) -> None:
    """Take a master out of the file for good: what it wrapped can't be opened any more.

    Raises:
        KeysUnfit: it isn't there or is the newest, or the file can't be read or written.
    """
    with locked(path):
        found = _decoded(path)
        now = _masters_of(found, path)
        names = [name_of(key) for key in now.keys]
        if name not in names[:-1]:
            raise KeysUnfit(f"the key file {path} has no former master {name}; its former ones are: {names[:-1]}")
        assert isinstance(found, _MasterFile), "a file of version 1 has one master"
        left = [kept for kept, own in zip(found.masters, names, strict=True) if own != name]
        replace_private(path, _written(left), NAME, steps)


def _decoded(path: Path) -> _MasterFile | _KeyFile:
    text = read_private(path, NAME, _ABSENT)
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version == 1:
            return msgspec.json.decode(text, type=_KeyFile)
        if version == VERSION:
            return msgspec.json.decode(text, type=_MasterFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's own words name fields and positions, never values.
        raise KeysUnfit(f"the key file {path} is damaged ({error}); restore it from where keys are kept") from None
    raise KeysUnfit(f"the key file {path} is of version {version}, this program knows {VERSION}: use a newer one")


def _masters_of(found: _MasterFile | _KeyFile, path: Path) -> Masters:
    if isinstance(found, _KeyFile):
        former = _former(found, path)
        newest = max(former.data_keys)[1]
        return Masters((hmac.digest(newest, _DERIVE_LABEL, "sha256"),), former)
    keys = tuple(_key_of(each.key, path, f"master {at}") for at, each in enumerate(found.masters, start=1))
    if not 0 < len(keys) <= MASTERS_MAX or len(set(keys)) != len(keys):
        raise KeysUnfit(f"the key file {path} needs 1 to {MASTERS_MAX} masters, each another one; restore the file")
    return Masters(keys)


def _former(kept: _KeyFile, path: Path) -> FormerKeys:
    ids = [entry.id for entry in kept.data_keys]
    if not ids or len(ids) > DATA_KEYS_MAX or len(set(ids)) != len(ids) or not all(0 < i <= KEY_ID_MAX for i in ids):
        raise KeysUnfit(
            f"the key file {path} needs 1 to {DATA_KEYS_MAX} data keys, each with an id of its own from 1 to {KEY_ID_MAX}"
        )
    data_keys = tuple((entry.id, _key_of(entry.key, path, f"data key {entry.id}")) for entry in kept.data_keys)
    index_key = _key_of(kept.index_key, path, "the index key")
    if len({index_key, *(key for _, key in data_keys)}) != len(data_keys) + 1:
        raise KeysUnfit(f"the key file {path} holds the same key twice; each data key and the index key must differ")
    return FormerKeys(data_keys, index_key)


def key_of(text: str) -> bytes:
    """A key written in base64; empty when it is none."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return key if len(key) == KEY_BYTES else b""


def _key_of(text: str, path: Path, name: str) -> bytes:
    key = key_of(text)
    if not key:
        raise KeysUnfit(f"{name} in the key file {path} is not {KEY_BYTES} bytes in base64; restore the file")
    return key


def _kept(key: bytes, now_us: int) -> _Master:
    created = (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _Master(key=base64.b64encode(key).decode(), created=created)


def _written(masters: list[_Master]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_MasterFile(version=VERSION, masters=masters)), indent=2) + b"\n"
