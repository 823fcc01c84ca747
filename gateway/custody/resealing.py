"""Sealing the records of one data key anew under another, in the background: what is left to do after a key has leaked.

It goes through the key's entries by number, a few at a time and no faster than it may, then through what cores said of
accounts; each commit is told in the evidence. How far it is, is kept by and by, and is only a help: what is still under the
old key is known to the spool, so after a kill at any moment the next process goes on, and nothing is done twice. A record
that doesn't open stays as it is.
"""

import asyncio
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.custody.keeper import Keeper
from gateway.log import log
from spool.errors import SpoolError
from spool.keystore import DataKey
from spool.spool import Spool
from spool.store import Filter, Store

BATCH: Final = 100
"""Records of one commit."""

KEPT_EVERY: Final = 20
"""Batches after which it is kept how far it is."""

_REACHED: Final = "resealed-{}"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a key's records are sealed anew."""

    key: int
    #: The key they are sealed under from now on.
    under: int
    #: Records under each of the two.
    left: int
    done: int
    #: Everything was gone through; what is left does not open.
    ended: bool


class Resealer:
    """Seals anew whatever the key store has a replacement for."""

    def __init__(
        self, *, keeper: Keeper, spool: Spool, shelf: Store, clock: Clock, per_s: int, kept_every: int = KEPT_EVERY
    ) -> None:
        """Look on `shelf` for what is to be done, and do it in `spool`, so many records a second at most."""
        self._kept_every = kept_every
        self._keeper = keeper
        self._spool = spool
        self._shelf = shelf
        self._clock = clock
        self._per_s = per_s
        self._asked = asyncio.Event()
        #: How far each old key's entries were gone through, by number.
        self._reached: dict[int, int] = {}
        #: Old keys whose entries this process went through from the first on.
        self._whole: set[int] = set()
        #: Old keys whose entries and accounts were all gone through by this process.
        self._ended: set[int] = set()
        self._batches = 0

    def soon(self) -> None:
        """There may be something to do."""
        self._asked.set()

    async def run(self) -> None:
        """Do what there is, then wait to be asked; until cancelled."""
        while True:
            self._asked.clear()
            pause_s = await self.run_once()
            if pause_s is None:
                await self._asked.wait()
            else:
                await self._clock.sleep(pause_s)

    async def run_once(self) -> float | None:
        """One batch: seconds to wait before the next, None when there is nothing more to do."""
        try:
            return await self._one_batch()
        except SpoolError as error:
            log.warning("resealing_waits", error=type(error).__name__)
            return self._keeper.check_s
        except Exception as error:  # noqa: BLE001 - our own bug: it is told loudly, and tried again like anything else
            log.error("resealing_failed", error=type(error).__name__, exc_info=True)
            return self._keeper.check_s

    async def progress(self) -> list[Progress]:
        """How far it is, for each key that is, or was, replaced and not destroyed yet."""
        uses = await self._shelf.key_uses()
        return [
            Progress(
                key=key.replaces,
                under=key.id,
                left=uses[key.replaces].records if key.replaces in uses else 0,
                done=uses[key.id].records if key.id in uses else 0,
                ended=key.replaces in self._ended,
            )
            for key in self._replacements()
        ]

    def _replacements(self) -> list[DataKey]:
        """Keys that are to take the place of others, as long as those are there."""
        kept, opened = self._keeper.kept, self._spool.keys.ids
        return [
            key
            for key in kept.data_keys
            if key.replaces and not key.destroyed_us and {key.id, key.replaces} <= {*opened}
        ]

    async def _one_batch(self) -> float | None:
        for key in self._replacements():
            if key.replaces not in self._ended:
                return (await self._some_of(key)) / self._per_s
        return None

    async def _some_of(self, key: DataKey) -> int:
        """Some records of the key that this one replaces; how many."""
        old = key.replaces
        if old not in self._reached:
            kept = await self._spool.store.recall(_REACHED.format(old))
            self._reached[old] = int(kept or b"0")
            self._whole |= {old} if kept is None else set()
        page = await self._shelf.page(Filter(after=self._reached[old], before=key.last + 1 if key.last else 0), BATCH)
        if not page:
            return await self._some_notes_of(key)
        sealed = await self._spool.seal_anew([entry for entry in page if entry.key_id == old], key.id)
        self._reached[old] = page[-1].number
        self._batches += 1
        if self._batches % self._kept_every == 0:
            await self._spool.store.remember(_REACHED.format(old), str(self._reached[old]).encode())
        return sealed

    async def _some_notes_of(self, key: DataKey) -> int:
        """When no entry is left: some of what cores said of accounts; at the end, say so."""
        old = key.replaces
        sealed = await self._spool.seal_anew(await self._shelf.notes_under(old, BATCH), key.id)
        if sealed:
            return sealed
        if old not in self._whole and (await self._keeper.use_of(old)).entries:
            # Taken up in the middle, and something is left: once more from the first on, before it is called damaged.
            self._reached[old] = 0
            self._whole.add(old)
            return 0
        await self._keeper.tell_resealed(key)
        self._ended.add(old)
        return 0
