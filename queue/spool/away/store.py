"""A node's part of a spool in PostgreSQL that takes payments into a file of its own while the database is away.

The promises, beside those of `spool.store.Store`:

- *Alone only once the others know.* It takes nothing by itself before its lease has surely run out: by then the other
  nodes see that it may have payments they can't find, and say "ask again" instead of "there is none".
- *Nothing is sent from the file.* What was taken by itself is brought over, in order, when the database is back, and is
  sent from there: so one attempt per lane and one entry per key stay the database's to keep.
- *Once.* An entry is brought over by its number and id, in one transaction of the database that decides about its key;
  whatever ends a round, the next finds what is there already.
- *In order.* As long as something of a lane is in the file, what this node takes for the lane goes behind it, there.
- *Within a share of the limits* (`spool.away.allowance`).
- *Also from its start on.* What it must know of the database it keeps in the file as well (`spool.away.seen`). Its seat is
  its own while it is stopped, so the others know that it may begin to take payments.

What it can't do by itself it doesn't: reversals, refusals by a rule, what needs a look into the database.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from spool.away.allowance import Allowance
from spool.away.fate import STAYS, Fate
from spool.away.seen import COPIED_EVERY_S, Copies, Seen
from spool.away.sums import BothTallies
from spool.entry import Act, Draft, Entry, Event
from spool.errors import LaneTaken, OverLimit, SpoolClosed, SpoolError, SpoolUnfit, StorageFull, StorageUncertain
from spool.gathering import WAIT_S
from spool.lifecycle import CANCEL, FINAL, State
from spool.nodes import SEATS_MAX
from spool.postgres.asking import Connect
from spool.postgres.connection import connect
from spool.postgres.hold import Time, unstopped
from spool.postgres.seat import MAY_COME_TO, MAY_HAVE
from spool.postgres.settings import PostgresSettings
from spool.postgres.store import PostgresStore
from spool.postgres.work import Bringing, Heard
from spool.sqlite import SqliteStore
from spool.sqlite.backup import Step, on
from spool.store import Filter, Health, Inserted, Known, Move, NotReversible
from spool.tally import Sum, Tally, limit_broken

ROUND_MAX: Final = 256
"""Most payments brought over by one commit."""

BROUGHT_OVER: Final = "brought_over"
"""The reason of an entry in the file that is in the database now, or stands joined to one there."""

BUG: Final = "payments kept beside the database can't be brought over"

_WAITS: Final = Filter(states=frozenset({State.READY}))


class AwayStore(PostgresStore):
    """See above."""

    def __init__(
        self,
        settings: PostgresSettings,
        beside: SqliteStore,
        allowance: Allowance,
        *,
        gather_s: float = WAIT_S,
        connect: Connect = connect,
        now: Time = unstopped,
        step: Step = on,
    ) -> None:
        """Keep the spool where `settings` say, and `beside` it what is taken while that can't be reached."""
        assert settings.alone, "the others must know"
        super().__init__(settings, gather_s=gather_s, connect=connect, now=now)
        self.beside = beside
        self._allowance = allowance
        self._step = step
        self.tally: Tally = BothTallies(self._expected.tally, beside.tally)
        #: Number of each payment that is in the file and not known to be brought over, by channel and key.
        self._kept: dict[tuple[str, str], int] = {}
        #: How many are on their way into the file.
        self._entering = 0
        #: How many ever were.
        self._entered = 0
        #: Payments that can't be brought over as their numbers are others'.
        self.stuck = 0
        #: What became of those brought over since this was told last.
        self._fates = Counter[Fate]()
        #: The others take this node for one that may have payments they can't find.
        self._is_unheard = True
        #: Why bringing over failed, where that was neither the database nor the file.
        self._bug = ""
        self._bringer: asyncio.Task[None] | None = None
        self._copies = Copies(beside)
        #: When what the database tells is copied again, by the loop's clock.
        self._copied_next = 0.0
        #: What the file tells of the database, while this node has not reached it since its start.
        self._seen: Seen | None = None

    # Opening and closing

    async def open(self, now_us: int) -> None:
        """Take a seat at the spool, and the file beside it in hand. See `Store.open`."""
        await self.beside.open(now_us)
        try:
            await self._find_kept()
            await super().open(now_us)
        except BaseException:
            await self.beside.close()
            raise
        self._bringer = asyncio.create_task(self._bring_for_ever(), name="spool bringer")

    async def open_alone(self, now_us: int) -> None:
        """Take payments by itself though the database could not be reached since the start; until `close`.

        Raises:
            SpoolUnfit: this node was never at its database, so it has no seat; or as the file's `open`.
            SpoolHeld: another process has the file.
        """
        await self.beside.open(now_us)
        try:
            seen = await self._seen_last()
            await self._find_kept()
        except BaseException:
            await self.beside.close()
            raise
        self._closing.clear()
        loop = self._loop = asyncio.get_running_loop()
        self._now_us, self._now_at = now_us, loop.time()
        self._expected.renew(seen.sums())
        self._seen, self._trouble = seen, "the database can't be reached"
        # Its last run may have ended a moment ago.
        self._hold.lose()
        self._leased_until = loop.time() + self._settings.lease_s

    async def _seen_last(self) -> Seen:
        seen = await self._copies.seen()
        if seen is None:
            raise SpoolUnfit("it was never at its database, so it has no seat and no keys")
        return seen

    async def close(self) -> None:
        """Commit what was submitted, then leave, the seat kept for a node of this name. See `Store.close`."""
        if self._bringer is not None:
            self._bringer.cancel()
            await asyncio.wait([self._bringer])
            self._bringer = None
            with contextlib.suppress(SpoolError):
                await self._copy()
        await super().close()
        self._trouble, self._seen = "closed", None
        self._closing.set()
        await self.beside.close()

    async def _copy(self) -> None:
        """Keep what must be known of the database at a start without it."""
        if not self._trouble:
            await self._copies.keep(self, self.seat[0], self._expected.tally)
            self._copied_next = asyncio.get_running_loop().time() + COPIED_EVERY_S

    async def _open_connections(self) -> None:
        await super()._open_connections()
        self._is_unheard = True

    async def _find_kept(self) -> None:
        after, self._kept = 0, {}
        while page := await self._waiting(after):
            self._kept |= {(entry.channel, entry.key): entry.number for entry in page}
            after = page[-1].number

    async def _waiting(self, after: int) -> list[Entry]:
        return await self.beside.page(Filter(states=_WAITS.states, after=after), ROUND_MAX)

    # Taking

    @property
    def alone(self) -> bool:
        """The database is away, and the others know by now that this node may take payments by itself."""
        if not self._trouble or self._closing.is_set():
            return False
        # Others look each `poll_s`: twice that, so that they have seen the lease run out.
        return asyncio.get_running_loop().time() > self._leased_until + 2 * self._settings.poll_s

    @property
    def _left_as(self) -> int:
        return MAY_HAVE if self._kept else MAY_COME_TO

    @property
    def seat(self) -> tuple[int, int]:
        """This node's seat, of how many; also while it could not ask yet whether it is still its own."""
        return super().seat if self._seen is None else (self._seen.seat, SEATS_MAX)

    @property
    def kept(self) -> Sum:
        """Payments that are in the file and not yet brought over."""
        waiting = [total for cell, total in self.beside.tally.cells() if cell.state is State.READY]
        return Sum(sum(each.entries for each in waiting), sum(each.amount for each in waiting))

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known]:
        """Record a new payment: in the database, or else in the file. See `Store.insert`."""
        if not (self._kept or self._trouble):
            return super().insert(draft, key_id, sealed)
        if (draft.channel, draft.key) in self._kept:
            if draft.state is State.READY:
                return self._keep(draft, key_id, sealed)
            return asyncio.ensure_future(self._known(draft))
        alone = self.alone
        if alone and draft.state is not State.READY:
            # Whether its key is known nobody can say: a no might be the second answer to what was told yes.
            return _failed(SpoolClosed(f"the database is away, and this node only stands in: {self._trouble}"))
        if alone:
            return self._keep_within(draft, key_id, sealed)
        if self._is_behind(draft):
            return asyncio.ensure_future(self._keep_behind(draft, key_id, sealed))
        return super().insert(draft, key_id, sealed)

    async def _keep_behind(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        """Into the file, behind what is there of its lane; unless the database, if it can be asked, knows its key."""
        with contextlib.suppress(SpoolClosed):
            owner = await super().find(draft.channel, draft.key)
            if owner is not None:
                return Known(entry=owner)
        kept: Inserted | Known = await self._keep_within(draft, key_id, sealed)
        return kept

    def _is_behind(self, draft: Draft) -> bool:
        """Something of its lane is in the file, and it doesn't end here."""
        return draft.state not in FINAL and not self.beside.lane_is_clear(draft.route, draft.lane)

    def _keep_within(self, draft: Draft, key_id: int, sealed: bytes) -> "asyncio.Future[Any]":
        if draft.state is State.IN_FLIGHT:
            return _failed(LaneTaken("an earlier payment of its lane is yet to be brought over; nothing was stored"))
        if len(self._kept) >= self._allowance.entries_max:
            return _failed(StorageFull("this node took as many payments by itself as it may; nothing was stored"))
        shares = [self._allowance.of(limit, self._known_of(draft.route, limit.channel)) for limit in draft.within]
        over = limit_broken(shares, lambda channel: self.beside.tally.exposure(draft.route, channel), draft.amount)
        if over is not None:
            return _failed(OverLimit(over.channel))
        return self._keep(draft, key_id, sealed)

    def _known_of(self, route: str, channel: str) -> Sum:
        """What all nodes hold of a limit, as last seen."""
        return self._expected.tally.exposure(route, channel)

    async def _known(self, draft: Draft) -> Known:
        """What is in the file under a key; nothing but what waits is ever put there.

        Raises:
            LaneTaken: it isn't there, after all.
        """
        found = await self._kept_here(await self.beside.find(draft.channel, draft.key))
        if found is None:
            raise LaneTaken("a payment of this key may be on its way; nothing was stored")
        return Known(entry=found)

    def _keep(self, draft: Draft, key_id: int, sealed: bytes) -> "asyncio.Future[Any]":
        """Into the file; from the call on it counts as kept there."""
        key = (draft.channel, draft.key)
        is_new = key not in self._kept
        self._kept.setdefault(key, draft.number)
        self._entering += 1
        self._entered += 1
        kept = asyncio.ensure_future(self.beside.insert(draft, key_id, sealed))

        def entered(done: "asyncio.Future[Any]") -> None:
            self._entering -= 1
            stored = not done.cancelled() and (
                isinstance(done.result(), Inserted)
                if done.exception() is None
                else isinstance(done.exception(), StorageUncertain)
            )
            if is_new and not stored:
                self._kept.pop(key, None)

        kept.add_done_callback(entered)
        return kept

    def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known | NotReversible]:
        """Record a reversal, once its payment is in the database. See `Store.reverse`."""
        if self._kept and draft.reverses in self._kept.values():
            return _failed(SpoolClosed("the payment is yet to be brought over; nothing was stored"))
        return super().reverse(draft, key_id, sealed)

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """Nothing unfinished is in it, here or there. See `Store.lane_is_clear`."""
        return super().lane_is_clear(route, lane) and self.beside.lane_is_clear(route, lane)

    # Looking

    async def get(self, number: int) -> Entry | None:
        """The entry with this number. See `Store.get`."""
        return await self._kept_here(await self.beside.get(number) if self._kept else None) or await super().get(number)

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key. See `Store.find`."""
        found = await self.beside.find(channel, key) if (channel, key) in self._kept else None
        return await self._kept_here(found) or await super().find(channel, key)

    async def recall(self, name: str) -> bytes | None:
        """A small named value; before the database was reached, as it was there last. See `Store.recall`."""
        return await super().recall(name) if self._seen is None else await self._copies.memo(name)

    async def highest_number(self) -> int:
        """The highest number there is, as far as is known. See `Store.highest_number`."""
        if self._seen is None:
            return await super().highest_number()
        return max(self._seen.highest, await self.beside.highest_number())

    async def history(self, number: int) -> list[Event]:
        """Everything that happened to an entry. See `Store.history`."""
        if await self._kept_here(await self.beside.get(number) if self._kept else None) is not None:
            return await self.beside.history(number)
        return await super().history(number)

    async def _kept_here(self, found: Entry | None) -> Entry | None:
        """An entry of the file, unless the database has it by now."""
        return None if found is None or found.state in FINAL else found

    async def health(self) -> Health:
        """How the engine is; while the database is away, whether this node takes payments all the same."""
        found = replace(await super().health(), beside=self.kept.entries, alone=self.alone)
        if self._bug or self.stuck:
            found = replace(found, trouble=f"{BUG}: {self._bug or f'{self.stuck} numbers are other payments'}")
        if not found.alone:
            return found
        beside = await self.beside.health()
        room = len(self._kept) < self._allowance.entries_max
        return replace(
            found,
            accepting=beside.accepting and room,
            trouble=found.trouble if beside.accepting else f"{found.trouble}; the file: {beside.trouble}",
            free_bytes=beside.free_bytes,
            reserve_bytes=beside.reserve_bytes,
            size_bytes=beside.size_bytes,
        )

    # Bringing over

    async def _bring_for_ever(self) -> None:
        while True:
            await self._pause(self._settings.poll_s)
            try:
                await self.bring_over()
                self._bug = ""
                if asyncio.get_running_loop().time() >= self._copied_next:
                    await self._copy()
            except SpoolError:
                continue  # the database is away again, or the file: what was not brought over is there still
            except Exception as error:  # noqa: BLE001 - our own bug: it is tried again, and `health` says so
                self._bug = type(error).__name__

    async def bring_over(self) -> None:
        """Once through all that is in the file, as far as it may go; then say so to the others."""
        if self._trouble:
            return
        if not self._kept and not self._is_unheard:
            return
        after, passed_over, self.stuck = 0, set[tuple[str, int]](), 0
        while page := await self._waiting(after):
            after = page[-1].number
            await self._bring(page, passed_over)
        entered = self._entered
        if await self._waiting(0) or self._entering or self._entered != entered:
            return
        # An uncertain commit of the file may have left a key that is not there.
        self._kept.clear()
        await self._tell()
        await self._submit(Heard())
        self._is_unheard = False

    async def _tell(self) -> None:
        """Tell the log what was brought over, and how far the file's own log goes, so that it can be held against it."""
        if not self._fates:
            return
        async with self.beside.records() as records:
            head = await records.head()
        counts = ", ".join(f"{fate.name.lower()} {count}" for fate, count in sorted(self._fates.items(), key=_by_name))
        detail = f"{counts}; the log beside it: {head.size} events, {head.root.hex()}"
        await self.act(Act(at_us=self._about_now_us(), name=BROUGHT_OVER, subject=self._settings.node, detail=detail))
        self._fates.clear()

    async def _bring(self, page: Sequence[Entry], passed_over: set[tuple[str, int]]) -> None:
        self._step("read")
        fates: list[Fate] = await self._submit(Bringing(page, frozenset(passed_over), self._about_now_us()))
        self._step("brought")
        gone = [entry for entry, fate in zip(page, fates, strict=True) if fate not in STAYS]
        passed_over |= {(e.route, e.lane) for e, fate in zip(page, fates, strict=True) if fate in STAYS}
        self.stuck += sum(fate is Fate.NUMBER_TAKEN for fate in fates)
        self._fates.update(fate for fate in fates if fate not in STAYS)
        now_us = self._about_now_us()
        await self.beside.move([Move(entry=e, transition=CANCEL, at_us=now_us, reason=BROUGHT_OVER) for e in gone])
        self._step("noted")
        for entry in gone:
            self._kept.pop((entry.channel, entry.key), None)
        self.on_news()


def _by_name(counted: tuple[Fate, int]) -> str:
    return counted[0].name


def _failed(error: SpoolError) -> "asyncio.Future[Any]":
    """An answer that is there at once."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    answer.set_exception(error)
    return answer
