"""Looks after the keys of a running service: makes each day's, keeps them wrapped by the newest master, destroys old ones.

A new key is on disk in the key store, then remembered in the spool, and only then does it seal. If anything fails in
between, the key before it goes on and the next look takes it up where it was left. The master is asked when keys are
made or wrapped, and once at each look, to see whether a start would go well; payments never wait for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from gateway.aging import Aging
from gateway.clock import Clock
from gateway.custody.chest import Chest, Opened, words_of_closed
from gateway.custody.local import FileMaster
from gateway.custody.settings import KeysSettings
from gateway.custody.trouble import Trouble
from gateway.log import log
from spool.entry import Act
from spool.errors import KeysChanged, KeysUnfit, SpoolError
from spool.keys import KeyRing
from spool.keystore import DataKey, KeptKeys, destroyed
from spool.nodes import SEATS_MAX
from spool.number import COUNTER_BITS, EPOCH_MS, Numbers
from spool.spool import Spool
from spool.store import Store
from spool.uses import NO_USE, KeyUse

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
SLACK: Final = 3_600_000 << COUNTER_BITS
"""An hour of numbers: a payment may get its number a while before it is sealed."""

_DESTROYING: Final = "destroying"
_SEALED: Final = "sealed-{}"
"""Name under which the spool remembers how many records were sealed under a key."""


class Refused(Exception):
    """What was asked for would lose something; says what and why."""


class By(msgspec.Struct, frozen=True):
    """Who asked for it, and why; empty for the machine."""

    actor: str = ""
    note: str = ""


ITSELF: Final = By()


class Custody(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands with the keys."""

    #: Where the master is, in words.
    master: str
    #: Why it could not be asked, or a key not be made; empty while all is well.
    trouble: str
    #: Since when that is so, microseconds since 1970 in UTC; 0 while all is well.
    troubled_since_us: int
    kept: KeptKeys
    #: Keys that another master wraps than the one that would wrap now.
    outdated: int
    #: Records sealed under the key that seals, about.
    sealed_count: int


class Keeper:
    """The keys of one service."""

    def __init__(
        self, *, chest: Chest, spool: Spool, shelf: Store, numbers: Numbers, clock: Clock, settings: KeysSettings
    ) -> None:
        """Keep the keys in `chest` for `spool`; count what needs them on `shelf`, out of the way of payments."""
        self._chest = chest
        self._spool = spool
        self._shelf = shelf
        self._numbers = numbers
        self._clock = clock
        self._settings = settings
        self._kept: KeptKeys | None = None
        #: Keys in clear, by id; also those the spool has not adopted yet.
        self._opened = Opened({}, {}, {})
        self._one_at_a_time = asyncio.Lock()
        self._trouble = Trouble(clock)
        #: When a key that was still needed is looked at again, as that means to count its entries.
        self._not_before_us: dict[int, int] = {}
        self._aging = Aging(spool.store, clock, "keys")
        #: Records sealed under the key that seals before this process adopted it.
        self._sealed_before = 0
        #: Records sealed under it at other nodes, as of the last look.
        self._sealed_elsewhere = 0

    # At start

    async def unlock(self, listed: tuple[int, ...], *, by_copy: bool = False) -> KeyRing:
        """The keys of the key store, or of its copy while it can't be asked, for a spool that remembers these ids.

        Raises:
            KeysUnfit: keys are missing, or the store is; says which and how many entries need each.
            MasterUnreachable: the master can't be asked.
        """
        self._kept = kept = await (self._chest.read_copy() if by_copy else self._found(listed))
        self._opened = await self._chest.open(kept)
        await self._require_unneeded(self._opened.closed)
        self._sealed_before = int(await self._spool.store.recall(self._sealed_name(kept.sealing)) or b"0")
        return self._opened.ring(kept)

    async def _found(self, listed: tuple[int, ...]) -> KeptKeys:
        if await self._chest.exists():
            return await self._chest.read()
        former = self._chest.former_keys
        if former is not None:
            kept = await self._chest.take_over(former, self._clock.now_us())
            log.warning("keys_taken_over", store=self._chest.file.place, keys=len(kept.data_keys))
            return kept
        if listed:
            raise KeysUnfit(
                f"there is no key store {self._chest.file.place}, and this spool has records sealed under its keys "
                f"({', '.join(map(str, listed))}); put the key store back from where it is kept"
            )
        try:
            kept = await self._chest.make(self._clock.now_us())
        except KeysChanged:
            # Another node's first start was faster.
            return await self._chest.read()
        log.info("key_store_made", store=self._chest.file.place)
        return kept

    async def _require_unneeded(self, closed: dict[int, str]) -> None:
        if not closed:
            return
        uses = await self._spool.store.key_uses()
        needed = {key_id: f" ({uses[key_id].words})" for key_id in closed if key_id in uses}
        if needed:
            raise KeysUnfit(words_of_closed({key_id: closed[key_id] for key_id in needed}, needed))

    # While it runs

    async def run(self) -> None:
        """Look, wait, look again; until cancelled."""
        while True:
            try:
                await self.run_once()
            except Exception as error:  # noqa: BLE001 - our own bug: keys are looked after all the same, and we are told loudly
                log.error("keys_look_failed", error=type(error).__name__, exc_info=True)
            await self._clock.sleep(self._settings.check_s)

    async def run_once(self) -> None:
        """One look: take up what was left, make what is due, ask the master whether a start would go well."""
        async with self._one_at_a_time:
            try:
                await self._look()
            except KeysChanged:
                await self._take_up_what_is_there()
            except (SpoolError, OSError) as error:
                self._trouble.meet(error)
            else:
                self._trouble.is_over()

    async def _look(self) -> None:
        if self._shared and await self._chest.read() != self.kept:
            raise KeysChanged("another node changed the key store")
        await self._count_sealed()
        if self._spool.keys.current_id != self.kept.sealing or self._spool.keys.index_id != self.kept.hashing:
            await self._adopt()
        await self._chest.master.look()
        if self._is_due():
            await self._new_data_key()
        elif self._outdated():
            await self._rewrap(everything=False)
        else:
            await self._chest.prove(self.kept)
        await self._destroy_what_is_past()

    async def _count_sealed(self) -> None:
        """Keep how many records were sealed here, and see how many were at other nodes: their sum is what counts."""
        store, key_id = self._spool.store, self.kept.sealing
        await store.remember(self._sealed_name(key_id), str(self._sealed_here).encode())
        found = await store.recall_some(_SEALED.format(key_id) + "/", "", SEATS_MAX) if self._shared else []
        self._sealed_elsewhere = sum(int(value) for name, value in found if name != self._sealed_name(key_id))

    def _sealed_name(self, key_id: int) -> str:
        """A node has its own, under its seat."""
        return f"{_SEALED.format(key_id)}/{self._spool.store.nodes.seat[0]}" if self._shared else _SEALED.format(key_id)

    @property
    def _shared(self) -> bool:
        """Other nodes may make keys too."""
        return self._spool.store.nodes.shared

    def _outdated(self) -> int:
        """Keys that another master wraps than the one that would wrap now, and that can be wrapped by it."""
        return self._chest.outdated(self.kept) - len(self._opened.closed)

    def _is_due(self) -> bool:
        """A new day has begun, or the key has sealed its share."""
        made, now_us = self.kept.serving.made_us, self._clock.now_us()
        return now_us // DAY_US > made // DAY_US or self.sealed_count >= self._settings.data_key_records_max

    async def _take_up_what_is_there(self) -> None:
        """Somebody else changed the store: their keys are ours."""
        try:
            await self._take_up()
        except (SpoolError, OSError) as error:
            self._trouble.meet(error)

    async def _take_up(self) -> None:
        kept = await self._chest.read()
        opened = await self._chest.open(kept)
        self._kept, self._opened = kept, opened
        await self._adopt()

    async def take_up(self) -> None:
        """Have the keys that another node made.

        Raises:
            KeysUnfit, MasterUnreachable, SpoolClosed, StorageUncertain: not now; what is in use goes on.
        """
        async with self._one_at_a_time:
            await self._take_up()

    async def _adopt(self) -> None:
        was, ring = self._spool.keys.current_id, self._opened.ring(self.kept)
        await self._spool.adopt(ring)
        if ring.current_id != was:
            self._sealed_before = self._sealed_elsewhere = 0

    # What persons ask for

    @property
    def kept(self) -> KeptKeys:
        """The key store as it is known here."""
        assert self._kept is not None, "keys are there from the start on"
        return self._kept

    @property
    def check_s(self) -> float:
        """Seconds between two looks; also after which what failed is tried again."""
        return self._settings.check_s

    @property
    def store_place(self) -> str:
        """Where the key store is, in words."""
        return self._chest.file.place

    @property
    def sealed_count(self) -> int:
        """Records sealed under the key that seals, but for those of the last minute before a crash."""
        return self._sealed_elsewhere + self._sealed_here

    @property
    def _sealed_here(self) -> int:
        return self._sealed_before + self._spool.sealed_count

    def custody(self) -> Custody:
        """How it stands."""
        return Custody(
            master=self._chest.master.place,
            trouble=self._trouble.why,
            troubled_since_us=self._trouble.since_us,
            kept=self.kept,
            outdated=self._outdated(),
            sealed_count=self.sealed_count,
        )

    async def rotate(self, by: By = ITSELF, *, index: bool = False) -> None:
        """A new data key seals from now on; with `index` a new index key hashes too.

        Raises:
            Refused: another index key while other nodes may hash with the one before.
            KeysChanged: somebody else was faster; theirs is in use now, and nothing was lost.
            MasterUnreachable, KeysUnfit: nothing was changed.
            SpoolClosed, StorageUncertain: made, and taken into use as soon as the spool takes it.
        """
        if index and self._shared:
            raise Refused(
                "nodes that hash with different index keys don't keep an account's payments in order: stop all nodes but"
                " one, start that one with spool.postgres.nodes_max = 1, rotate, and start it as before"
            )
        async with self._one_at_a_time, self._up_to_date():
            await self._new_data_key(by, anew_index=index)

    async def renew_master(self, by: By = ITSELF) -> None:
        """A new master, where it can make itself one; all keys are wrapped by it at once.

        Raises:
            Refused: it can't.
            KeysChanged, MasterUnreachable, KeysUnfit: as above; the new master may be there already.
        """
        async with self._one_at_a_time, self._up_to_date():
            if not self._chest.master.renewable:
                raise Refused(
                    f"{self._chest.master.place} can't make a new master by itself: make one where it is kept, name it"
                    " in the configuration with the old one as former, and start again"
                )
            await self._chest.master.renew(self._clock.now_us())
            await self._rewrap(by, everything=True)

    async def rewrap(self, by: By = ITSELF) -> int:
        """Wrap all keys anew by the newest master; how many. Errors: see rotate."""
        async with self._one_at_a_time, self._up_to_date():
            await self._chest.master.look()
            await self._rewrap(by, everything=True)
            return sum(bool(key.wrapped) for key in self.kept.every)

    async def drop_master(self, name: str, by: By = ITSELF) -> None:
        """Take a former master out of the key file for good.

        Raises:
            Refused: it isn't in a key file, it is the newest, or keys are wrapped by it still.
            KeysUnfit: nothing was dropped.
        """
        async with self._one_at_a_time, self._up_to_date():
            if await self._chest.read() != self.kept:
                raise KeysChanged("the key store was changed by somebody else meanwhile; look again")
            if name in self.kept.masters:
                raise Refused(
                    f"{self.kept.masters[name]} keys are wrapped by {name}: wrap them anew first (keys rewrap)"
                )
            if not isinstance(self._chest.master, FileMaster):
                raise Refused(f"{self._chest.master.place} is no key file: take the master out of it where it is kept")
            await self._chest.master.drop(name)
            await self._tell(by, "master_dropped", name)

    @contextlib.asynccontextmanager
    async def _up_to_date(self) -> AsyncGenerator[None]:
        """Should somebody else have been faster, take up theirs, and say so."""
        try:
            yield
        except KeysChanged:
            await self._take_up_what_is_there()
            raise

    async def _new_data_key(self, by: By = ITSELF, *, anew_index: bool = False) -> None:
        now_us = self._clock.now_us()
        highest = max(self._numbers.last, self._now_number())
        key_id = self._next_key_id()
        after, data_keys, index_keys = await self._chest.with_new_key(
            self.kept, key_id, now_us, first=max(1, highest - SLACK), last=highest + SLACK, anew_index=anew_index
        )
        self._kept = await self._chest.change(self.kept, after)
        self._opened = Opened(
            {**self._opened.data_keys, **data_keys}, {**self._opened.index_keys, **index_keys}, self._opened.closed
        )
        await self._adopt()
        fingerprint = self._spool.keys.fingerprint(key_id)
        log.info("data_key_made", key=key_id, fingerprint=fingerprint, index=anew_index)
        await self._tell(by, "index_key_made" if anew_index else "data_key_made", str(key_id), fingerprint)

    def _now_number(self) -> int:
        """The lowest number of this moment."""
        return (self._clock.now_us() // 1000 - EPOCH_MS) << COUNTER_BITS

    def _next_key_id(self) -> int:
        """No key had it, here or in the spool."""
        return 1 + max(*(key.id for key in self.kept.data_keys), *self._spool.known_key_ids)

    async def _rewrap(self, by: By = ITSELF, *, everything: bool) -> None:
        ring = self._opened.ring(self.kept)
        after = await self._chest.with_newest_master(self.kept, ring, everything=everything)
        self._kept = await self._chest.change(self.kept, after)
        log.info("keys_rewrapped", masters=len(self.kept.masters))
        await self._tell(by, "keys_rewrapped", "", " ".join(self.kept.masters))

    async def _tell(self, by: By, name: str, subject: str, detail: str = "") -> None:
        """Into the evidence: keys are changed by somebody, at some time."""
        at_us = self._clock.now_us()
        await self._spool.store.act(
            Act(at_us=at_us, name=name, subject=subject, detail=detail, actor=by.actor, note=by.note)
        )

    # Sealing anew: see `gateway.custody.resealing`

    async def replace(self, key_id: int, by: By = ITSELF) -> None:
        """A key to seal anew under, whatever is sealed under an older one; where there is one already, that one.

        Raises:
            Refused: the key is not there, seals, was destroyed, or can't be opened.
            KeysChanged, MasterUnreachable, KeysUnfit: nothing was changed.
            SpoolClosed, StorageUncertain: as rotate.
        """
        async with self._one_at_a_time, self._up_to_date():
            old = self.kept.data_key(key_id)
            if old is None or old.destroyed_us or key_id not in self._opened.data_keys:
                raise Refused(f"there is no key {key_id} that opens anything")
            if key_id in {self.kept.sealing, self._spool.keys.current_id}:
                raise Refused(f"key {key_id} seals what comes in: rotate first")
            if any(key.replaces == key_id and not key.destroyed_us for key in self.kept.data_keys):
                return
            new_id = self._next_key_id()
            after, drawn = await self._chest.with_replacement(self.kept, old, new_id, self._clock.now_us())
            self._kept = await self._chest.change(self.kept, after)
            self._opened = msgspec.structs.replace(self._opened, data_keys={**self._opened.data_keys, **drawn})
            await self._adopt()
            log.info("resealing_begins", key=key_id, under=new_id)
            await self._tell(by, "resealing_begun", str(key_id), f"under key {new_id}")

    async def tell_resealed(self, key: DataKey) -> None:
        """Everything that opens is sealed under this key now, and not under the one it replaces. Errors: see `Store.act`."""
        left, done = await self.use_of(key.replaces), await self.use_of(key.id)
        log.info("resealed", key=key.replaces, under=key.id, left=left.records)
        detail = f"under key {key.id}: {done.words}; left: {left.records}"
        await self._tell(ITSELF, "resealed", str(key.replaces), detail)

    # Destroying

    async def destroy(self, key_id: int, by: By = ITSELF) -> KeyUse:
        """Destroy a data key: the content of its entries can never be read again. What was sealed under it.

        Raises:
            Refused: it seals, is not there, or an entry of it waits or is younger than the retention.
            KeysChanged, KeysUnfit: nothing was destroyed.
        """
        async with self._one_at_a_time, self._up_to_date():
            return await self._destroy(key_id, self._clock.now_us(), by)

    async def _destroy(self, key_id: int, now_us: int, by: By = ITSELF) -> KeyUse:
        self._require_destructible(key_id)
        # What was sealed under it and is on its way to disk is there after this.
        await self._spool.store.remember(_DESTROYING, str(key_id).encode())
        use = await self.use_of(key_id)
        why = _too_early(use, self._settings.retention_days, now_us)
        if why:
            raise Refused(f"key {key_id} is not destroyed: {why}")
        # Told first: what can't be told isn't done, as it can't be undone.
        await self._tell(by, "data_key_destroyed", str(key_id), use.words)
        self._kept = await self._chest.change(self.kept, destroyed(self.kept, key_id, self._clock.now_us()))
        left = {each: key for each, key in self._opened.data_keys.items() if each != key_id}
        self._opened = msgspec.structs.replace(self._opened, data_keys=left)
        await self._adopt()
        log.warning("data_key_destroyed", key=key_id, entries=use.entries)
        return use

    def _require_destructible(self, key_id: int) -> None:
        key = self.kept.data_key(key_id)
        if key is None:
            raise Refused(f"there is no key {key_id}")
        if key.destroyed_us:
            raise Refused(f"key {key_id} was destroyed before")
        if key_id in {self.kept.sealing, self._spool.keys.current_id}:
            raise Refused(f"key {key_id} seals what comes in: rotate first")
        if self._spool.store.nodes.unheard:
            raise Refused(
                f"key {key_id} is not destroyed: a node may have payments under it that the database doesn't have yet; start"
                " that node, or one of its name, and ask again when it has brought them over"
            )
        if self._shared and self._now_number() <= key.last:
            raise Refused(f"key {key_id} sealed until lately, and another node may not know yet: ask again in an hour")
        former = self._chest.former_keys
        if former is not None and key_id in dict(former.data_keys):
            raise Refused(
                f"key {key_id} stands in clear in the key file: renew the master first (keys rotate --master), which takes"
                " it out of there, or take that file away and start again"
            )

    async def use_of(self, key_id: int) -> KeyUse:
        """What needs a key."""
        return (await self._shelf.key_uses()).get(key_id, NO_USE)

    async def _destroy_what_is_past(self) -> None:
        """What the retention says, oldest first; a key that is still needed waits for the next look."""
        if not (days := self._settings.retention_days):
            return
        now_us = await self._aging.now_us()
        for key in self.kept.data_keys:
            past = key.last and now_us - key.made_us > (days + 1) * DAY_US
            if past and not key.destroyed_us and now_us >= self._not_before_us.get(key.id, 0):
                self._not_before_us[key.id] = now_us + HOUR_US
                with contextlib.suppress(Refused):
                    await self._destroy(key.id, now_us)

    async def close(self) -> None:
        """Let go of the master."""
        await self._chest.close()


def _too_early(use: KeyUse, retention_days: int, now_us: int) -> str:
    """Why a key's entries still need it; empty when none does."""
    if use.waiting:
        return f"{use.waiting} of its {use.entries} entries still wait"
    since_us = now_us - use.changed_at_us
    if use.entries and retention_days and since_us < retention_days * DAY_US:
        return f"its last entry changed {since_us // DAY_US} days ago, and the retention is {retention_days} days"
    return ""
