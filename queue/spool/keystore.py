"""The key store: data keys and index keys, each wrapped by a master, in one file apart from the spool and its backups.

What a backup of the spool holds stays sealed for good once its day's key is gone from here; were keys kept in the
database, a deleted one would live on in its write-ahead log and in every backup. So this file has backups of its own,
of which old ones are thrown away.

A key is never used before it is on disk here. Every change names the generation it was made from; when somebody else was
faster nothing is written (`KeysChanged`), so of two rotations at once one wins and no key is lost.
"""

import base64
import binascii
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from spool.errors import KeysChanged, KeysUnfit
from spool.keys import KEY_ID_MAX
from spool.private_file import SYSTEM, Steps, locked, read_private, replace_private, write_private
from spool.wrapping import Wrapped

NAME: Final = "key store"
VERSION: Final = 1

KEYS_MAX: Final = 20_000
"""Most keys of one store: a new one each day for half a century."""

_ABSENT: Final = "put it back from where it is kept; for a new spool it is made at the first start"


class IndexKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key of keyed hashes, wrapped."""

    id: int
    made_us: int
    master: str
    #: In base64.
    wrapped: str

    def __repr__(self) -> str:
        return f"IndexKey({self.id})"


class DataKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key that seals, wrapped; where it was destroyed, what is left of it."""

    id: int
    made_us: int
    #: The index key that entries under it are hashed with.
    index_id: int
    #: No entry under it has a lower number ...
    first: int
    #: ... or a higher one; 0 while it seals.
    last: int = 0
    master: str
    #: In base64; empty once it is destroyed.
    wrapped: str
    destroyed_us: int = 0
    #: The key whose entries are sealed anew under it; 0 for a key of its own day.
    replaces: int = 0

    def __repr__(self) -> str:
        return f"DataKey({self.id})"


class KeptKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything in a key store, as of one generation."""

    version: int = VERSION
    generation: int
    #: The data key that seals, and the index key that new entries are hashed with.
    sealing: int
    hashing: int
    data_keys: tuple[DataKey, ...]
    index_keys: tuple[IndexKey, ...]

    def data_key(self, key_id: int) -> DataKey | None:
        """The data key with this id."""
        return next((key for key in self.data_keys if key.id == key_id), None)

    @property
    def serving(self) -> DataKey:
        """The data key that seals."""
        found = self.data_key(self.sealing)
        assert found is not None, "checked when it was read"
        return found

    @property
    def every(self) -> tuple[DataKey | IndexKey, ...]:
        """All keys of both uses."""
        return self.data_keys + self.index_keys

    @property
    def masters(self) -> dict[str, int]:
        """How many keys each master wraps."""
        found = dict[str, int]()
        for key in self.every:
            if key.wrapped:
                found[key.master] = found.get(key.master, 0) + 1
        return found


def wrapped_of(key: DataKey | IndexKey) -> Wrapped:
    """What a provider opens."""
    return Wrapped(key.master, base64.b64decode(key.wrapped))


def text_of(blob: bytes) -> str:
    """What a provider wrapped, as it is kept."""
    return base64.b64encode(blob).decode()


def with_data_key(kept: KeptKeys, key: DataKey, last: int) -> KeptKeys:
    """A new data key seals from now on; no number above `last` is sealed under the one before."""
    ended = tuple(replace(each, last=last) if each.id == kept.sealing else each for each in kept.data_keys)
    return replace(kept, data_keys=(*ended, key), sealing=key.id)


def with_replacement(kept: KeptKeys, key: DataKey) -> KeptKeys:
    """A new data key for the entries of an old one, to be sealed anew under it."""
    return replace(kept, data_keys=(*kept.data_keys, key))


def with_index_key(kept: KeptKeys, key: IndexKey) -> KeptKeys:
    """New entries are hashed with a new index key; make a data key too, as each knows its index key."""
    return replace(kept, index_keys=(*kept.index_keys, key), hashing=key.id)


def rewrapped(
    kept: KeptKeys, data_keys: dict[int, tuple[str, str]], index_keys: dict[int, tuple[str, str]]
) -> KeptKeys:
    """Keys under other masters: by id, the master's name and the wrapped key in base64."""

    def anew(key: DataKey, by: tuple[str, str] | None) -> DataKey:
        return key if by is None else replace(key, master=by[0], wrapped=by[1])

    def anew_index(key: IndexKey, by: tuple[str, str] | None) -> IndexKey:
        return key if by is None else replace(key, master=by[0], wrapped=by[1])

    return replace(
        kept,
        data_keys=tuple(anew(key, data_keys.get(key.id)) for key in kept.data_keys),
        index_keys=tuple(anew_index(key, index_keys.get(key.id)) for key in kept.index_keys),
    )


def destroyed(kept: KeptKeys, key_id: int, now_us: int) -> KeptKeys:
    """A data key is gone: what it was for stays written, the key itself doesn't."""
    assert key_id != kept.sealing, "the key that seals is not destroyed"
    return replace(
        kept,
        data_keys=tuple(
            replace(key, wrapped="", master="", destroyed_us=now_us) if key.id == key_id else key
            for key in kept.data_keys
        ),
    )


class KeyPlace(Protocol):
    """Where a key store is kept: a file, or what nodes share. Called from threads other than the event loop's."""

    @property
    def place(self) -> str:
        """Where it is, in words."""
        ...

    def exists(self) -> bool:
        """Is there one?"""
        ...

    def read(self) -> KeptKeys:
        """What is in it.

        Raises:
            KeysUnfit: it is missing or damaged, or can't be read.
        """
        ...

    def make(self, kept: KeptKeys) -> None:
        """Write a new one; never over another.

        Raises:
            KeysChanged: somebody else was faster.
            KeysUnfit: there is something already, or it can't be written.
        """
        ...

    def change(self, before: KeptKeys, after: KeptKeys) -> KeptKeys:
        """Write what `before` became, if it is what is there still; says what is there now.

        Raises:
            KeysChanged: somebody else was faster; nothing was written.
            KeysUnfit: it can't be written; mostly nothing was.
        """
        ...


class KeyStore:
    """The file."""

    def __init__(self, path: Path, steps: Steps = SYSTEM) -> None:
        """Keep keys at `path`, written by these steps."""
        self.path = path
        self._steps = steps

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return str(self.path)

    def exists(self) -> bool:
        """Is there a file?"""
        return self.path.exists()

    def read(self) -> KeptKeys:
        """What is in it.

        Raises:
            KeysUnfit: it is missing, open to others, or damaged; the message says which and how to mend it.
        """
        return read_kept(read_private(self.path, NAME, _ABSENT), self.place)

    def make(self, kept: KeptKeys) -> None:
        """Write a new one; never over another.

        Raises:
            KeysUnfit: there is something already, or it can't be written.
        """
        write_private(self.path, written(kept), NAME, self._steps)

    def change(self, before: KeptKeys, after: KeptKeys) -> KeptKeys:
        """Write what `before` became, if it is what is there still; says what is there now.

        Raises:
            KeysChanged: somebody else was faster; nothing was written.
            KeysUnfit: it can't be written; mostly nothing was.
        """
        with locked(self.path):
            if self.read() != before:
                raise KeysChanged(f"the key store {self.path} was changed by somebody else meanwhile; look again")
            new = raised(before, after, self.place)
            replace_private(self.path, written(new), NAME, self._steps)
        return new

    def mirror(self, kept: KeptKeys) -> None:
        """Be a copy of another key store, whatever was here before; what isn't in that one any more is gone here too.

        Raises:
            KeysUnfit: it can't be written.
        """
        replace_private(self.path, written(kept), NAME, self._steps)


def read_kept(text: bytes | str, place: str) -> KeptKeys:
    """What is written in a key store, which is at this place.

    Raises:
        KeysUnfit: it is damaged, or of another version.
    """
    try:
        kept = msgspec.json.decode(text, type=KeptKeys)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeysUnfit(f"the key store {place} is damaged ({error}); restore it") from None
    if kept.version != VERSION:
        raise KeysUnfit(
            f"the key store {place} is of version {kept.version}, this program knows {VERSION}: use a newer one"
        )
    why = _unsound(kept)
    if why:
        raise KeysUnfit(f"the key store {place} is damaged: {why}; restore it from where it is kept")
    return kept


def raised(before: KeptKeys, after: KeptKeys, place: str) -> KeptKeys:
    """What is to be written after a change, as the next generation.

    Raises:
        KeysUnfit: there are too many keys.
    """
    new = replace(after, generation=before.generation + 1)
    assert not _unsound(new), "what is written can be read"
    if len(new.data_keys) + len(new.index_keys) > KEYS_MAX:
        raise KeysUnfit(f"the key store {place} is full ({KEYS_MAX} keys)")
    return new


def written(kept: KeptKeys) -> bytes:
    """A key store as it is written: the same keys are the same bytes."""
    return msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n"


def _unsound(kept: KeptKeys) -> str:
    """What is wrong with a store's content; empty when nothing is. Whether keys open is found by opening them."""
    ids = [key.id for key in kept.data_keys]
    index_ids = [key.id for key in kept.index_keys]
    if len(set(ids)) != len(ids) or len(set(index_ids)) != len(index_ids):
        return "an id is there twice"
    if not all(0 < each <= KEY_ID_MAX for each in (*ids, *index_ids)):
        return f"ids are from 1 to {KEY_ID_MAX}"
    serving = kept.data_key(kept.sealing)
    if serving is None or not serving.wrapped or kept.hashing not in index_ids:
        return "the key that seals, or the one that hashes, is not there"
    if not all(key.index_id in index_ids for key in kept.data_keys):
        return "a data key has no index key"
    if not all(_is_base64(key.wrapped) for key in kept.every):
        return "a wrapped key is no base64"
    if not all(bool(key.wrapped) != bool(key.destroyed_us) for key in kept.data_keys):
        return "a key is neither there nor destroyed"
    return ""


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
