"""The key file: data keys that seal contents, and one index key for keyed hashes.

The file is JSON, readable by its owner alone, and kept apart from the spool and its backups:

```json
{
  "version": 1,
  "index_key": "<32 bytes, base64>",
  "data_keys": [
    {"id": 1, "key": "<32 bytes, base64>", "created": "2026-01-01T00:00:00Z"}
  ]
}
```

The data key with the highest id seals; all of them open. Ids are never used again, so a new key gets the next id.
"""

import base64
import binascii
import hashlib
import hmac
import os
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from spool.errors import KeysUnfit

KEY_BYTES: Final = 32
"""256 bits, for sealing as for hashing."""

KEY_ID_MAX: Final = 2**32 - 1
"""A key id fits the four bytes a sealed record has for it."""

DATA_KEYS_MAX: Final = 10_000
"""Most data keys in one file: a new one each day for 27 years."""

FILE_BYTES_MAX: Final = 2 * 2**20
"""Larger files are no key files."""

VERSION: Final = 1
_CHECK_LABEL: Final = b"nightsafe key check v1"
_FINGERPRINT_LABEL: Final = b"nightsafe key fingerprint v1"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _DataKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data key as it stands in the file."""

    id: int
    key: str
    created: str

    def __repr__(self) -> str:
        return f"_DataKey({self.id})"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is read and written."""

    version: int
    index_key: str
    data_keys: list[_DataKey]

    def __repr__(self) -> str:
        return "_KeyFile()"


class KeyRing:
    """The keys of one file. Shows none of them."""

    def __init__(self, data_keys: Sequence[tuple[int, bytes]], index_key: bytes) -> None:
        """Hold these (id, key) pairs, at least one, and the index key; each key is 32 bytes."""
        self._data_keys = dict(data_keys)
        assert self._data_keys, "a ring has a key"
        assert all(len(key) == KEY_BYTES for key in (*self._data_keys.values(), index_key)), "keys are of 256 bits"
        assert all(0 < key_id <= KEY_ID_MAX for key_id in self._data_keys), "key ids fit their field"
        self._index_key = index_key
        #: The data key that seals new records.
        self.current_id: Final = max(self._data_keys)

    def __repr__(self) -> str:
        return "KeyRing()"

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all data keys, ascending."""
        return tuple(sorted(self._data_keys))

    @property
    def index_key(self) -> bytes:
        """The key of keyed hashes (see `spool.hashing`)."""
        return self._index_key

    def get(self, key_id: int) -> bytes | None:
        """The data key with this id."""
        return self._data_keys.get(key_id)

    def fingerprint(self, key_id: int) -> str:
        """Eight hex digits of a key, safe to print: they tell keys apart and say nothing of them.

        Raises:
            KeysUnfit: there is no such key.
        """
        return self._keyed(key_id, _FINGERPRINT_LABEL)[:4].hex()

    def check_value(self, key_id: int) -> bytes:
        """Sixteen bytes to be stored with the spool, by which a wrong key under the right id is found at start.

        Raises:
            KeysUnfit: there is no such key.
        """
        return self._keyed(key_id, _CHECK_LABEL)[:16]

    def matches(self, key_id: int, check_value: bytes) -> bool:
        """The key with this id is here and is the one the check value was made with."""
        return key_id in self._data_keys and hmac.compare_digest(self.check_value(key_id), check_value)

    def _keyed(self, key_id: int, label: bytes) -> bytes:
        """A keyed constant, bound to the key's id and to the index key that goes with it."""
        key = self._data_keys.get(key_id)
        if key is None:
            raise KeysUnfit(f"there is no data key {key_id}; present are: {', '.join(map(str, self.ids))}")
        index_part = hmac.digest(self._index_key, label, "sha256")
        return hmac.digest(key, label + key_id.to_bytes(4, "big") + index_part, "sha256")


def make_key_file(path: Path, now_us: int, random_bytes: Callable[[int], bytes] = os.urandom) -> KeyRing:
    """Write a new key file with data key 1 and an index key, durably, readable by its owner alone.

    Raises:
        KeysUnfit: there is something at `path` already, or it can't be written.
    """
    data_key, index_key = random_bytes(KEY_BYTES), random_bytes(KEY_BYTES)
    ring = KeyRing([(1, data_key)], index_key)
    created = (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y-%m-%dT%H:%M:%SZ")
    entry = _DataKey(id=1, key=_text_of(data_key), created=created)
    kept = _KeyFile(version=VERSION, index_key=_text_of(index_key), data_keys=[entry])
    try:
        _write_new(path, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")
    except FileExistsError as error:
        raise KeysUnfit(
            f"{path} exists already and is not overwritten: what is sealed under its keys could never be opened again"
        ) from error
    except OSError as error:
        raise KeysUnfit(f"the key file {path} can't be written: {error.strerror}") from error
    return ring


def read_key_file(path: Path) -> KeyRing:
    """The keys in a file.

    Raises:
        KeysUnfit: the file is missing, a link, another user's, open to others, or not a key file; the message says which
            and how to mend it.
    """
    text = _read_guarded(path)
    try:
        kept = msgspec.json.decode(text, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The decoder's own words name fields and positions, never values.
        raise KeysUnfit(f"the key file {path} is damaged ({error}); restore it from where keys are kept") from None
    if kept.version != VERSION:
        raise KeysUnfit(
            f"the key file {path} is of version {kept.version}, this program knows {VERSION}: use a newer one"
        )
    ids = [entry.id for entry in kept.data_keys]
    if not ids or len(ids) > DATA_KEYS_MAX or len(set(ids)) != len(ids) or not all(0 < i <= KEY_ID_MAX for i in ids):
        raise KeysUnfit(
            f"the key file {path} needs 1 to {DATA_KEYS_MAX} data keys, each with an id of its own from 1 to {KEY_ID_MAX}"
        )
    data_keys = [(entry.id, _key_of(entry.key, path, f"data key {entry.id}")) for entry in kept.data_keys]
    index_key = _key_of(kept.index_key, path, "the index key")
    if len({index_key, *(key for _, key in data_keys)}) != len(data_keys) + 1:
        raise KeysUnfit(f"the key file {path} holds the same key twice; each data key and the index key must differ")
    return KeyRing(data_keys, index_key)


def _read_guarded(path: Path) -> bytes:
    """The file's bytes, if it is ours alone; what is checked is the very file that is read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeysUnfit(
            f"there is no key file {path}; put it back from where keys are kept, or, for a new spool, "
            "make one with: nightsafe init"
        ) from None
    except OSError as error:
        if path.is_symlink():
            raise KeysUnfit(f"the key file {path} is a link; name the file itself") from error
        raise KeysUnfit(f"the key file {path} can't be read: {error.strerror}") from error
    try:
        _check_custody(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(FILE_BYTES_MAX)
    finally:
        os.close(handle)


def _check_custody(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KeysUnfit(f"the key file {path} is not a plain file")
    if found.st_uid not in {os.geteuid(), 0}:
        raise KeysUnfit(f"the key file {path} belongs to another user; mend it with: chown {os.geteuid()} {path}")
    if found.st_mode & _OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise KeysUnfit(f"the key file {path} is open to others (mode {mode:04o}); mend it with: chmod 600 {path}")
    if found.st_size > FILE_BYTES_MAX:
        raise KeysUnfit(f"the key file {path} is too large to be one ({found.st_size} bytes)")


def _key_of(text: str, path: Path, name: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise KeysUnfit(f"{name} in the key file {path} is not {KEY_BYTES} bytes in base64; restore the file")
    return key


def _text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _write_new(path: Path, content: bytes) -> None:
    """Write a file that is there whole and durably, or not at all; never over another.

    Raises:
        FileExistsError: there is something at `path`.
    """
    draft = path.with_name(f".{path.name}.{hashlib.sha256(content).hexdigest()[:16]}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, stat.S_IRUSR | stat.S_IWUSR)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, never replaces what is there.
        os.link(draft, path)
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
