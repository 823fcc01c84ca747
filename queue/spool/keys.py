"""The keys in memory: data keys that seal contents, and index keys for keyed hashes. Where they are kept: `spool.keystore`."""

import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from spool.errors import KeysUnfit

KEY_BYTES: Final = 32
"""256 bits, for sealing as for hashing."""

KEY_ID_MAX: Final = 2**32 - 1
"""A key id fits the four bytes a sealed record has for it."""

_CHECK_LABEL: Final = b"nightsafe key check v1"
_FINGERPRINT_LABEL: Final = b"nightsafe key fingerprint v1"


class KeyRing:
    """Keys that belong together, as of one moment: a ring never changes, another one takes its place. Shows no key."""

    def __init__(
        self,
        data_keys: Sequence[tuple[int, bytes]],
        index_key: bytes,
        *,
        current_id: int = 0,
        index_id: int = 1,
        former_index_keys: Mapping[int, bytes] | None = None,
        index_ids: Mapping[int, int] | None = None,
        destroyed: Mapping[int, int] | None = None,
    ) -> None:
        """Hold these keys of 32 bytes each.

        Args:
            data_keys: (id, key) pairs, at least one.
            index_key: what new entries are hashed with.
            current_id: the data key that seals new records; else the one with the highest id.
            index_id: the index key's id.
            former_index_keys: what older entries were hashed with, by id.
            index_ids: by data key, also by destroyed ones, the index key its entries are hashed with; else `index_id`.
            destroyed: data keys that were destroyed on purpose, with the time (microseconds since 1970 in UTC).
        """
        self._data_keys = dict(data_keys)
        self._index_keys = {**(former_index_keys or {}), index_id: index_key}
        assert self._data_keys, "a ring has a key"
        every = (*self._data_keys.values(), *self._index_keys.values())
        assert all(len(key) == KEY_BYTES for key in every), "keys are of 256 bits"
        assert all(0 < key_id <= KEY_ID_MAX for key_id in self._data_keys), "key ids fit their field"
        self._index_ids = dict(index_ids or {})
        #: The data key that seals new records.
        self.current_id: Final = current_id or max(self._data_keys)
        #: The index key that new entries are hashed with.
        self.index_id: Final = index_id
        #: Data keys that were destroyed on purpose, and when.
        self.destroyed: Final[Mapping[int, int]] = dict(destroyed or {})
        assert self.current_id in self._data_keys, "the key that seals is here"
        assert self._data_keys.keys().isdisjoint(self.destroyed), "what was destroyed is not here"
        assert set(self._index_ids.values()) <= set(self._index_keys), "each entry's index key is here"

    def __repr__(self) -> str:
        return "KeyRing()"

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of all data keys, ascending."""
        return tuple(sorted(self._data_keys))

    @property
    def index_key(self) -> bytes:
        """The key of new keyed hashes (see `spool.hashing`)."""
        return self._index_keys[self.index_id]

    @property
    def former_index_ids(self) -> tuple[int, ...]:
        """Ids of the index keys of older entries, newest first."""
        return tuple(sorted(self._index_keys.keys() - {self.index_id}, reverse=True))

    def index_key_of(self, index_id: int) -> bytes:
        """The index key with this id."""
        return self._index_keys[index_id]

    def index_id_of(self, key_id: int) -> int:
        """The index key that entries under a data key are hashed with."""
        return self._index_ids.get(key_id, self.index_id)

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
        index_part = hmac.digest(self.index_key_of(self.index_id_of(key_id)), label, "sha256")
        return hmac.digest(key, label + key_id.to_bytes(4, "big") + index_part, "sha256")
