"""The spool as the gateway uses it: an engine, and the seal around everything that goes into it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from spool.account import AccountNote
from spool.entry import Draft, Entry
from spool.errors import KeysUnfit, RecordDamaged
from spool.hashing import Hashes
from spool.keys import KeyRing
from spool.lanes import FormerLanes, HeldLanes
from spool.lifecycle import Kind, State, Told
from spool.seal import Sealer
from spool.store import Inserted, Known, Move, NotReversible, Store
from spool.uses import KeyUse
from spool.work import entry_from

_CHECK: Final = "key-check-{}"
"""Name under which the check value of a key is remembered."""

LISTED: Final = "key-ids"
"""Name under which the ids of all keys are remembered that ever sealed here."""

Unlock = Callable[[tuple[int, ...]], Awaitable[KeyRing]]
"""Gets the keys, given the ids of those the spool remembers."""


class Spool:
    """Entries, durable and sealed."""

    #: The keys in use; there once the spool is open.
    keys: KeyRing
    #: Keyed hash: (route, account) to a lane.
    lane_of: Callable[[str, str], int]
    #: Keyed hash: a request's canonical bytes to its fingerprint.
    fingerprint: Callable[[bytes], bytes]
    _sealer: Sealer

    def __init__(self, store: Store, keys: KeyRing | None = None, sealer: Sealer | None = None) -> None:
        """Join an engine and its keys; neither is opened yet. Without keys here, `open` is told how to get them."""
        self.store = store
        #: Has the keys that other nodes made meanwhile taken up; None where there are no others.
        self.fetch_keys: Callable[[], Awaitable[None]] | None = None
        self._fetching = asyncio.Lock()
        self._listed: tuple[int, ...] = ()
        #: Lanes of payments, by route, that were given their lane and are yet to be submitted: the store doesn't know of them.
        self.entering = Counter[tuple[str, int]]()
        #: By former index key, the oldest first: which accounts are in their lanes under it still.
        self._former_lanes: dict[int, FormerLanes] = {}
        if keys is not None:
            self._sealer = sealer or Sealer(keys)
            self._use(keys)

    async def open(
        self, now_us: int, unlock: Unlock | None = None, *, opening: Callable[[int], Awaitable[None]] | None = None
    ) -> None:
        """Open the engine, by `opening` if it has another way than `Store.open`, and prove that the keys are its records'.

        Raises:
            KeysUnfit: keys are missing or others; says which, and how many entries need each.
            SpoolHeld, SpoolUnfit: see `Store.open`.
        """
        await (self.store.open if opening is None else opening)(now_us)
        try:
            self._listed = _ids_in(await self.store.recall(LISTED))
            keys = self.keys if unlock is None else await unlock(self._listed)
            await self._prove(keys)
            if unlock is not None:
                self._sealer = Sealer(keys)
            if keys.former_index_ids:
                await self._find_former_lanes(keys)
            self._use(keys)
        except BaseException:
            await self.store.close()
            raise

    async def adopt(self, keys: KeyRing) -> None:
        """Other keys take the place of those so far; each is remembered here before anything is sealed by it.

        Raises:
            KeysUnfit: a key isn't the one that is remembered under its id, or one that entries need is missing.
            SpoolClosed, StorageUncertain: it can't be remembered now; nothing was adopted.
        """
        await self._prove(keys)
        # From here on without a moment between.
        for index_id in keys.former_index_ids:
            if index_id >= self.keys.index_id:
                self._former_lanes[index_id] = self.store.former_lanes(self.entering)
        self._use(keys)

    @property
    def known_key_ids(self) -> tuple[int, ...]:
        """Ids of all keys that ever sealed here; none of them is given to another key."""
        return self._listed

    @property
    def sealed_count(self) -> int:
        """How many records were sealed under the key that seals, since it was adopted."""
        return self._sealer.sealed_count

    @property
    def sealer(self) -> Sealer:
        """Opens whatever the keys of this moment open."""
        return self._sealer

    def _use(self, keys: KeyRing) -> None:
        """From here on, without a moment between; what is on its way keeps what it was given."""
        self.keys = keys
        self._sealer.adopt(keys)
        self._current = Hashes(keys.index_key)
        self._former = {each: Hashes(keys.index_key_of(each)) for each in keys.former_index_ids}
        self.fingerprint = self._current.fingerprint
        self._stays = [(self._former[each].lane_of, lanes.holds) for each, lanes in sorted(self._former_lanes.items())]
        self.lane_of = self._lane_in_time if self._stays else self._current.lane_of

    # Which keys the spool remembers

    async def _prove(self, keys: KeyRing) -> None:
        """The keys are those of the entries; new ones are remembered.

        Raises:
            KeysUnfit: says what is wrong.
        """
        missing = [each for each in self._listed if each not in keys.ids and each not in keys.destroyed]
        await self._require_unneeded(missing)
        for key_id in self._listed:
            kept = await self.store.recall(_CHECK.format(key_id))
            if kept is not None and key_id in keys.ids and not keys.matches(key_id, kept):
                raise KeysUnfit(
                    f"key {key_id} (fingerprint {keys.fingerprint(key_id)}) is not the key {key_id} this spool was sealed"
                    " under; give the spool its own key store back"
                )
        for key_id in keys.ids:
            if key_id not in self._listed:
                await self.store.remember(_CHECK.format(key_id), keys.check_value(key_id))
                await self._list(key_id)

    async def _list(self, key_id: int) -> None:
        """Remember a key, beside those that other nodes remember at the same moment."""
        while key_id not in self._listed:
            kept = await self.store.recall(LISTED)
            listed = _ids_in(kept)
            if key_id not in listed:
                longer: tuple[int, ...] = (*listed, key_id)
                if not await self.store.exchange(LISTED, kept, " ".join(map(str, longer)).encode()):
                    continue
                listed = longer
            self._listed = listed

    async def _require_unneeded(self, missing: Sequence[int]) -> None:
        """A key that is missing hurts nobody where nothing was sealed under it."""
        uses = await self.store.key_uses() if missing else {}
        needed = {each: uses[each] for each in missing if each in uses}
        if needed:
            raise KeysUnfit(f"keys are missing: {words_of(needed)}; give the spool its key store back")

    # Index keys

    def fingerprint_like(self, entry: Entry, canonical: bytes) -> bytes:
        """The fingerprint of a request, as it was made when the entry was recorded."""
        index_id = self.keys.index_id_of(entry.key_id)
        return self._former.get(index_id, self._current).fingerprint(canonical)

    def lanes_of(self, route: str, account: str) -> tuple[int, ...]:
        """Every lane an account may be known by, under the index keys of all times; the newest first."""
        return tuple(hashes.lane_of(route, account) for hashes in (self._current, *self._former.values()))

    async def _find_former_lanes(self, keys: KeyRing) -> None:
        """After a start: which accounts wait in lanes under former index keys."""
        lanes: FormerLanes = self.store.former_lanes(())
        if not self.store.nodes.shared:
            held = {lane async for piece in self.store.lanes() for lane in piece}
            if not held:
                return
            lanes = HeldLanes(held, self.store.lane_is_clear)
        self._former_lanes = dict.fromkeys(keys.former_index_ids, lanes)

    def _lane_in_time(self, route: str, account: str) -> int:
        """The account's lane under the oldest index key under which something of it is unfinished; else the new one.

        A lane is an account's order. Were an account given another one while something of it waits, a new payment could
        overtake the old.
        """
        for lane_of, holds in self._stays:
            lane = lane_of(route, account)
            if holds(route, lane, self.entering):
                return lane
        return self._current.lane_of(route, account)

    async def close(self) -> None:
        """Commit what was submitted, then let go."""
        await self.store.close()

    # Plain functions that hand on what is to be awaited: a coroutine for each payment less.

    def record(self, draft: Draft) -> Awaitable[Inserted | Known]:
        """Seal a payment and record it. Errors: see `Store.insert`."""
        key_id, sealed = self._sealer.seal(draft)
        return self.store.insert(draft, key_id, sealed)

    def may_be_clear(self, route: str, lane: int) -> bool:
        """Nothing of a lane is unfinished, or about to be recorded here.

        Where several nodes write, only a recording knows about the others' (`LaneTaken`).
        """
        is_clear = self.store.nodes.shared or self.store.lane_is_clear(route, lane)
        return is_clear and (route, lane) not in self.entering

    def record_reversal(self, draft: Draft) -> Awaitable[Inserted | Known | NotReversible]:
        """Seal a reversal and record it. Errors: see `Store.reverse`."""
        key_id, sealed = self._sealer.seal(draft)
        return self.store.reverse(draft, key_id, sealed)

    def move(self, moves: Sequence[Move]) -> Awaitable[list[bool]]:
        """Make moves. Errors: see `Store.move`."""
        return self.store.move(moves)

    async def reopen(self, moves: Sequence[Move]) -> list[bool]:
        """Make moves that take up finished entries again, where nothing else of their lanes is unfinished or about to be.

        So none has an attempt begun beside another one's, and none overtakes: what comes from now on goes behind. Entries
        of one lane may go together, if they rank alike. Where several nodes write, the store sees to it that at most one
        of a lane is in flight. Errors: see `Store.move`.
        """
        free, ranks = list[int](), dict[tuple[str, int], int]()
        for at, move in enumerate(moves):
            entry = move.entry
            lane = (entry.route, entry.lane)
            if self.may_be_clear(*lane) and ranks.setdefault(lane, entry.rank) == entry.rank:
                free.append(at)
        # From the look at the lanes to here there was no moment between, and a move is expected once it is submitted.
        made = await self.store.move([moves[at] for at in free]) if free else []
        done = dict(zip(free, made, strict=True))
        return [done.get(at, False) for at in range(len(moves))]

    def seal_note(self, lane: int, content: bytes) -> tuple[int, bytes]:
        """The key used, and what a core said of an account, sealed like a record whose place is the account."""
        return self._sealer.seal(_note_place(lane, content))

    def open_note(self, note: AccountNote) -> bytes:
        """What a core said of an account.

        Raises:
            RecordDamaged: it does not open as this account's, or its key is gone.
        """
        return self._sealer.open(_record_of(note))

    def content(self, entry: Entry) -> bytes:
        """The content of an entry, opened.

        Raises:
            RecordShredded: its key was destroyed on purpose.
            RecordDamaged: it does not open in its place.
        """
        return self._sealer.open(entry)

    async def opened(self, entry: Entry) -> bytes:
        """The content of an entry that another node may have sealed, under a key that this one has yet to hear of.

        Raises:
            RecordShredded, RecordDamaged: as content.
            KeysUnfit, SpoolClosed, StorageUncertain: its key can't be had now.
        """
        if self.fetch_keys is not None and not self._knows(entry.key_id):
            async with self._fetching:
                if not self._knows(entry.key_id):
                    await self.fetch_keys()
        return self.content(entry)

    async def follow_keys(self) -> None:
        """Have the keys that other nodes have made and sealed by, if there are any. Errors: as opened."""
        if self.fetch_keys is not None and not all(map(self._knows, _ids_in(await self.store.recall(LISTED)))):
            await self.fetch_keys()

    def _knows(self, key_id: int) -> bool:
        return key_id in self.keys.ids or key_id in self.keys.destroyed

    async def seal_anew(self, records: Sequence[Entry | AccountNote], key_id: int) -> int:
        """Seal entries, or notes of accounts, anew under another key; how many were, as what doesn't open stays as it is.

        Raises:
            SpoolClosed: nothing changed.
            StorageUncertain: nobody knows; each record opens either way.
        """
        anew = list[tuple[Entry | AccountNote, bytes]]()
        for each in records:
            with contextlib.suppress(RecordDamaged):
                anew.append((each, self._sealer.seal_anew(_record_of(each), key_id)))
        return sum(await self.store.reseal(anew, key_id)) if anew else 0


def _ids_in(kept: bytes | None) -> tuple[int, ...]:
    return tuple(map(int, (kept or b"").decode().split()))


def words_of(uses: dict[int, KeyUse]) -> str:
    """How many entries need each key, in words."""
    return ", ".join(f"key {key_id} ({use.words})" for key_id, use in sorted(uses.items()))


def _record_of(sealed: Entry | AccountNote) -> Entry:
    """What is opened: an entry, or a note as if it were one."""
    if isinstance(sealed, Entry):
        return sealed
    assert sealed.sealed is not None, "only what was said is opened"
    return entry_from(_note_place(sealed.lane, b""), sealed.key_id, sealed.sealed)


def _note_place(lane: int, content: bytes) -> Draft:
    """What binds a note to its account: a record that no entry can be, as every entry has a key and a channel."""
    return Draft(
        number=1,
        id=b"what a core said",
        kind=Kind.PAYMENT,
        channel="",
        key="",
        fingerprint=b"",
        route="",
        lane=lane,
        amount=1,
        currency="",
        accepted_at_us=0,
        state=State.READY,
        told=Told.NOTHING,
        content=content,
    )
