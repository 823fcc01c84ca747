"""The key store and its masters as one: keys out of it in clear, keys into it wrapped. Knows nothing of the spool."""

import asyncio
import base64
import hmac
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

import msgspec

from gateway.custody.local import FileMaster
from gateway.custody.token import TokenMaster
from gateway.log import log
from spool.errors import KeysUnfit, MasterUnreachable
from spool.keys import KEY_BYTES, KeyRing
from spool.keystore import (
    DataKey,
    IndexKey,
    KeptKeys,
    KeyPlace,
    KeyStore,
    rewrapped,
    text_of,
    with_data_key,
    with_index_key,
    with_replacement,
    wrapped_of,
)
from spool.masters import FormerKeys
from spool.wrapping import KeyProvider, Wrapped, context_of

AT_ONCE: Final = 8
"""Requests to a master at once, when many keys are opened or wrapped."""

MISSING_SHOWN_MAX: Final = 20
"""Keys named in a message; all are counted."""

T = TypeVar("T")
RandomBytes = Callable[[int], bytes]


class Opened(msgspec.Struct, frozen=True):
    """The keys in clear, and those that did not open."""

    data_keys: dict[int, bytes]
    index_keys: dict[int, bytes]
    #: By data key: why it did not open.
    closed: dict[int, str]

    def __repr__(self) -> str:
        return "Opened()"

    def ring(self, kept: KeptKeys) -> KeyRing:
        """What the spool works with."""
        former = {key_id: key for key_id, key in self.index_keys.items() if key_id != kept.hashing}
        return KeyRing(
            list(self.data_keys.items()),
            self.index_keys[kept.hashing],
            current_id=kept.sealing,
            index_id=kept.hashing,
            former_index_keys=former,
            index_ids={key.id: key.index_id for key in kept.data_keys},
            destroyed={key.id: key.destroyed_us for key in kept.data_keys if key.destroyed_us},
        )


class Chest:
    """One key store, the master that wraps, and those that wrapped before."""

    def __init__(
        self,
        file: KeyPlace,
        master: KeyProvider,
        former: Sequence[KeyProvider] = (),
        random_bytes: RandomBytes = os.urandom,
        *,
        copy: KeyStore | None = None,
    ) -> None:
        """Keep keys in `file`, and in `copy` what was there last, for a start while `file` can't be asked.

        New ones are drawn from `random_bytes` (a number of bytes -> unpredictable bytes).
        """
        self.file: Final = file
        self._copy = copy
        self._copied: KeptKeys | None = None
        self.master: Final = master
        self._former = tuple(former)
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"Chest({self.file.place})"

    @property
    def former_keys(self) -> FormerKeys | None:
        """The keys of a key file of version 1, where there is one at hand."""
        files = (each for each in (self.master, *self._former) if isinstance(each, FileMaster))
        return next((file.former_keys for file in files if file.former_keys is not None), None)

    async def exists(self) -> bool:
        """Is there a key store? Errors: see `KeyPlace`."""
        return await asyncio.to_thread(self.file.exists)

    async def read(self) -> KeptKeys:
        """What is in the file. Errors: see `KeyStore.read`."""
        return await self._mirrored(await asyncio.to_thread(self.file.read))

    async def read_copy(self) -> KeptKeys:
        """What was in it last, while it can't be asked; where it is a file at hand, what is in it. Errors: as read."""
        return await asyncio.to_thread((self._copy or self.file).read)

    async def _mirrored(self, kept: KeptKeys) -> KeptKeys:
        """The same, once the copy has it; where it can't be written nothing else is held up."""
        if self._copy is not None and kept != self._copied:
            try:
                await asyncio.to_thread(self._copy.mirror, kept)
                self._copied = kept
            except KeysUnfit as error:
                log.error("keys_not_copied", error=type(error).__name__)
        return kept

    async def change(self, before: KeptKeys, after: KeptKeys) -> KeptKeys:
        """Write it, if nobody else was faster. Errors: see `KeyStore.change`."""
        return await self._mirrored(await asyncio.to_thread(self.file.change, before, after))

    # A first store

    async def make_master(self, now_us: int) -> None:
        """Where a token can make itself a master and has none, have it make one."""
        if isinstance(self.master, TokenMaster) and not await self.master.exists():
            await self.master.renew(now_us)

    async def make(self, now_us: int) -> KeptKeys:
        """A new store with one data key and one index key.

        Raises:
            MasterUnreachable, KeysUnfit: nothing was made.
        """
        index = await self._wrapped("index", 1, self._random_bytes(KEY_BYTES))
        data = await self._wrapped("data", 1, self._random_bytes(KEY_BYTES))
        return await self._make(
            KeptKeys(
                generation=1,
                sealing=1,
                hashing=1,
                index_keys=(IndexKey(id=1, made_us=now_us, master=index.master, wrapped=text_of(index.blob)),),
                data_keys=(_data_key(1, data, now_us, index_id=1, first=1),),
            )
        )

    async def take_over(self, former: FormerKeys, now_us: int) -> KeptKeys:
        """A store with the keys of a key file of version 1, so that what they sealed is opened as before. Errors: as make."""
        index = await self._wrapped("index", 1, former.index_key)
        data = [
            _data_key(key_id, await self._wrapped("data", key_id, key), now_us, index_id=1, first=1)
            for key_id, key in sorted(former.data_keys)
        ]
        return await self._make(
            KeptKeys(
                generation=1,
                sealing=data[-1].id,
                hashing=1,
                index_keys=(IndexKey(id=1, made_us=now_us, master=index.master, wrapped=text_of(index.blob)),),
                data_keys=tuple(data),
            )
        )

    async def _make(self, kept: KeptKeys) -> KeptKeys:
        await asyncio.to_thread(self.file.make, kept)
        return await self._mirrored(kept)

    # Keys out of it

    async def open(self, kept: KeptKeys) -> Opened:
        """All keys in clear.

        Raises:
            MasterUnreachable: a master can't be asked now.
            KeysUnfit: an index key, or the data key that seals, does not open; without others one may do.
        """
        every = [key for key in kept.every if key.wrapped]
        for provider in (self.master, *self._former):
            if not all(self._who_knows(key.master) for key in every):
                await provider.look()
        found = await _few_at_once(self._opened(key) for key in every)
        data_keys, index_keys, closed = dict[int, bytes](), dict[int, bytes](), dict[int, str]()
        for key, outcome in zip(every, found, strict=True):
            if isinstance(key, IndexKey):
                if isinstance(outcome, KeysUnfit):
                    raise KeysUnfit(f"index key {key.id}: {outcome}") from outcome
                index_keys[key.id] = outcome
            elif isinstance(outcome, KeysUnfit):
                closed[key.id] = str(outcome)
            else:
                data_keys[key.id] = outcome
        if kept.sealing in closed:
            raise KeysUnfit(words_of_closed(closed, {}))
        return Opened(data_keys, index_keys, closed)

    async def _opened(self, key: DataKey | IndexKey) -> bytes | KeysUnfit:
        try:
            return await self._unwrap(wrapped_of(key), _context(key))
        except MasterUnreachable:
            raise
        except KeysUnfit as unfit:
            return unfit

    async def _unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Ask whoever knows the master; the one that wraps now last, as it may know it only by looking again."""
        provider = self._who_knows(wrapped.master) or self.master
        key = await provider.unwrap(wrapped, context)
        if len(key) != KEY_BYTES:
            raise KeysUnfit(f"{provider.place} opened something that is no key")
        return key

    def _who_knows(self, master: str) -> KeyProvider | None:
        return next((each for each in (self.master, *self._former) if each.knows(master)), None)

    async def prove(self, kept: KeptKeys) -> None:
        """The key that seals can be opened now: a start would go well. Errors: see `KeyProvider.unwrap`."""
        await self._unwrap(wrapped_of(kept.serving), _context(kept.serving))

    # Keys into it

    async def with_new_key(
        self, kept: KeptKeys, key_id: int, now_us: int, *, first: int, last: int, anew_index: bool = False
    ) -> tuple[KeptKeys, dict[int, bytes], dict[int, bytes]]:
        """What the store becomes with a new data key (and index key), and these keys in clear. Nothing is written.

        Raises:
            MasterUnreachable, KeysUnfit: they can't be wrapped.
        """
        index_keys = dict[int, bytes]()
        if anew_index:
            index_id = 1 + max(key.id for key in kept.index_keys)
            index_keys[index_id] = self._random_bytes(KEY_BYTES)
            index = await self._wrapped("index", index_id, index_keys[index_id])
            kept = with_index_key(
                kept, IndexKey(id=index_id, made_us=now_us, master=index.master, wrapped=text_of(index.blob))
            )
        drawn = self._random_bytes(KEY_BYTES)
        wrapped = await self._wrapped("data", key_id, drawn)
        key = _data_key(key_id, wrapped, now_us, index_id=kept.hashing, first=first)
        return with_data_key(kept, key, last), {key_id: drawn}, index_keys

    async def with_replacement(
        self, kept: KeptKeys, old: DataKey, key_id: int, now_us: int
    ) -> tuple[KeptKeys, dict[int, bytes]]:
        """What the store becomes with a key under which an old one's entries are sealed anew. Errors: as above."""
        drawn = self._random_bytes(KEY_BYTES)
        wrapped = await self._wrapped("data", key_id, drawn)
        key = _data_key(key_id, wrapped, now_us, index_id=old.index_id, first=old.first)
        return with_replacement(kept, msgspec.structs.replace(key, last=old.last, replaces=old.id)), {key_id: drawn}

    def outdated(self, kept: KeptKeys) -> int:
        """How many keys another master wraps than the one that would wrap now."""
        return sum(bool(key.wrapped) and not self.master.is_newest(key.master) for key in kept.every)

    async def with_newest_master(self, kept: KeptKeys, ring: KeyRing, *, everything: bool) -> KeptKeys:
        """What the store becomes when keys are wrapped by the newest master: all, or those another one wraps.

        Raises:
            MasterUnreachable, KeysUnfit: they can't be wrapped.
        """
        data = {
            key.id: clear
            for key in kept.data_keys
            if key.wrapped
            and (everything or not self.master.is_newest(key.master))
            and (clear := ring.get(key.id)) is not None
        }
        index = {
            key.id: ring.index_key_of(key.id)
            for key in kept.index_keys
            if everything or not self.master.is_newest(key.master)
        }
        wrapped_data = await _few_at_once(self._wrapped("data", key_id, key) for key_id, key in data.items())
        wrapped_index = await _few_at_once(self._wrapped("index", key_id, key) for key_id, key in index.items())
        return rewrapped(kept, _by_id(data, wrapped_data), _by_id(index, wrapped_index))

    async def _wrapped(self, use: str, key_id: int, key: bytes) -> Wrapped:
        """Wrapped, and opened again to see: a master that wraps what it may not open would lock us out at the next start."""
        context = context_of(use, key_id)
        wrapped = await self.master.wrap(key, context)
        again = await self.master.unwrap(wrapped, context)
        if not hmac.compare_digest(again, key):
            raise KeysUnfit(f"{self.master.place} opens another key than it wrapped")
        return wrapped

    async def close(self) -> None:
        """Let go of masters."""
        for provider in (self.master, *self._former):
            await provider.close()


def words_of_closed(closed: dict[int, str], needed: dict[int, str]) -> str:
    """Which data keys did not open, what needs each, and why; in words for the operator."""
    lines = [
        f"key {key_id}{needed.get(key_id, '')}: {why}" for key_id, why in sorted(closed.items())[:MISSING_SHOWN_MAX]
    ]
    more = f"; and {len(closed) - len(lines)} more" if len(closed) > len(lines) else ""
    return f"{len(closed)} data keys can't be opened: {'; '.join(lines)}{more}"


def _data_key(key_id: int, wrapped: Wrapped, now_us: int, *, index_id: int, first: int) -> DataKey:
    blob = base64.b64encode(wrapped.blob).decode()
    return DataKey(id=key_id, made_us=now_us, index_id=index_id, first=first, master=wrapped.master, wrapped=blob)


def _context(key: DataKey | IndexKey) -> bytes:
    return context_of("data" if isinstance(key, DataKey) else "index", key.id)


def _by_id(keys: dict[int, bytes], wrapped: Sequence[Wrapped]) -> dict[int, tuple[str, str]]:
    return {key_id: (each.master, text_of(each.blob)) for key_id, each in zip(keys, wrapped, strict=True)}


async def _few_at_once(works: Iterable[Awaitable[T]]) -> list[T]:
    """All results in order; the first error ends it."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[T]) -> T:
        async with gate:
            return await work

    return list(await asyncio.gather(*map(one, works)))
