"""The spool as the gateway uses it: an engine, and the seal around everything that goes into it."""

from collections.abc import Awaitable, Sequence
from typing import Final

from spool.entry import Draft, Entry
from spool.errors import KeysUnfit
from spool.hashing import Hashes
from spool.keys import KeyRing
from spool.seal import Sealer
from spool.store import Inserted, Known, Move, NotReversible, Store

_CHECK: Final = "key-check-{}"
"""Name under which the check value of a key is remembered."""


class Spool:
    """Entries, durable and sealed."""

    def __init__(self, store: Store, keys: KeyRing, sealer: Sealer | None = None) -> None:
        """Join an engine and its keys; neither is opened yet."""
        self.store = store
        self.keys = keys
        self._sealer = sealer or Sealer(keys)
        hashes = Hashes(keys.index_key)
        #: Keyed hashes: (route, account) to a lane, a request's canonical bytes to its fingerprint.
        self.lane_of = hashes.lane_of
        self.fingerprint = hashes.fingerprint

    async def open(self, now_us: int) -> None:
        """Open the engine and prove that the keys are the ones its records are sealed under.

        Raises:
            KeysUnfit: a key is missing or another one; says which.
            SpoolHeld, SpoolUnfit: see `Store.open`.
        """
        await self.store.open(now_us)
        try:
            await self._prove_keys()
        except BaseException:
            await self.store.close()
            raise

    async def _prove_keys(self) -> None:
        listed = (await self.store.recall("key-ids") or b"").decode().split()
        for key_id in map(int, listed):
            kept = await self.store.recall(_CHECK.format(key_id))
            if key_id not in self.keys.ids:
                raise KeysUnfit(f"the spool has records under key {key_id}, and the key file has no such key")
            if kept is not None and not self.keys.matches(key_id, kept):
                raise KeysUnfit(
                    f"key {key_id} of the key file (fingerprint {self.keys.fingerprint(key_id)}) is not the key {key_id}"
                    " this spool was sealed under; give the spool its own key file back"
                )
        for key_id in self.keys.ids:
            if str(key_id) not in listed:
                listed.append(str(key_id))
                await self.store.remember(_CHECK.format(key_id), self.keys.check_value(key_id))
                await self.store.remember("key-ids", " ".join(listed).encode())

    async def close(self) -> None:
        """Commit what was submitted, then let go."""
        await self.store.close()

    # Plain functions that hand on what is to be awaited: a coroutine for each payment less.

    def record(self, draft: Draft) -> Awaitable[Inserted | Known]:
        """Seal a payment and record it. Errors: see `Store.insert`."""
        key_id, sealed = self._sealer.seal(draft)
        return self.store.insert(draft, key_id, sealed)

    def record_reversal(self, draft: Draft) -> Awaitable[Inserted | Known | NotReversible]:
        """Seal a reversal and record it. Errors: see `Store.reverse`."""
        key_id, sealed = self._sealer.seal(draft)
        return self.store.reverse(draft, key_id, sealed)

    def move(self, moves: Sequence[Move]) -> Awaitable[list[bool]]:
        """Make moves. Errors: see `Store.move`."""
        return self.store.move(moves)

    def content(self, entry: Entry) -> bytes:
        """The content of an entry, opened.

        Raises:
            RecordDamaged: it does not open in its place.
        """
        return self._sealer.open(entry)
