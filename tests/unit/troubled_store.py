"""A store whose disk has bad moments: the memory engine, raising on demand what the seam allows, and nothing else.

`UNSURE_KEPT` and `UNSURE_LOST` look the same to the caller, as a failed commit does: only what is found later differs.
"""

import asyncio
import enum
from collections import defaultdict, deque
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, TypeVar

from spool.account import AccountNote, Spending
from spool.entry import Draft, Entry
from spool.errors import KeyBarred, LaneTaken, OverLimit, SpoolClosed, StorageFull, StorageUncertain
from spool.memory import MemoryStore
from spool.store import Inserted, Known, Move, NotReversible, Ready

T = TypeVar("T")


class Trouble(enum.Enum):
    """One bad moment."""

    FULL = enum.auto()
    """Nothing was stored: no room."""
    CLOSED = enum.auto()
    """Nothing was stored: not open just now."""
    UNSURE_KEPT = enum.auto()
    """The commit raised, and what it held is on disk."""
    UNSURE_LOST = enum.auto()
    """The commit raised, and nothing of it is on disk."""
    LANE_TAKEN = enum.auto()
    """Nothing was stored: another node has something of the lane in hand."""
    OVER_LIMIT = enum.auto()
    """Nothing was stored: other nodes used up the route's limit."""
    KEY_BARRED = enum.auto()
    """Nothing was stored: another node has told the sender that it isn't there."""
    NONE = enum.auto()
    """None: this one goes well."""


class TroubledStore(MemoryStore):
    """Keeps every promise of the seam in its bad moments too."""

    def __init__(self) -> None:
        """Begin well."""
        super().__init__()
        #: Bad moments ahead, by method.
        self.ahead: defaultdict[str, deque[Trouble]] = defaultdict(deque)
        self._stopped: set[str] = set()
        self._going = asyncio.Event()

    def stop(self, *methods: str) -> None:
        """Let calls of these methods hang."""
        self._stopped.update(methods)

    def go_on(self) -> None:
        """Let every call that hangs go on."""
        self._stopped.clear()
        self._going.set()
        self._going = asyncio.Event()

    def will(self, method: str, *troubles: Trouble) -> None:
        """Have these troubles with the next calls of a method."""
        self.ahead[method].extend(troubles)

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Coroutine[Any, Any, Inserted | Known]:
        """As the seam says."""
        if not self.ahead["insert"] and "insert" not in self._stopped:
            return super().insert(draft, key_id, sealed)
        return self._through("insert", self._insert_late(draft, key_id, sealed))

    async def _insert_late(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known:
        return await super().insert(draft, key_id, sealed)

    async def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known | NotReversible:
        """As the seam says."""
        return await self._through("reverse", super().reverse(draft, key_id, sealed))

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """As the seam says."""
        return await self._through("move", super().move(moves))

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """As the seam says."""
        await self._through("set_behind", super().set_behind(entries))

    async def followers(self, route: str, lane: int, limit: int) -> list[Entry]:
        """As the seam says."""
        return await self._through("followers", super().followers(route, lane, limit))

    async def remember(self, name: str, value: bytes) -> None:
        """As the seam says."""
        await self._through("remember", super().remember(name, value))

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """As the seam says."""
        return await self._through("exchange", super().exchange(name, known, value, at_us))

    async def get(self, number: int) -> Entry | None:
        """As the seam says."""
        return await self._through("get", super().get(number))

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """As the seam says."""
        return await self._through("ready", super().ready(route, rank, after, limit))

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """As the seam says."""
        return await self._through("due", super().due(route, now_us, limit))

    async def spend(self, spending: Spending) -> bool:
        """As the seam says."""
        return await self._through("spend", super().spend(spending))

    async def refund(self, spending: Spending) -> None:
        """As the seam says."""
        await self._through("refund", super().refund(spending))

    async def account(self, lane: int) -> AccountNote | None:
        """As the seam says."""
        return await self._through("account", super().account(lane))

    async def note_accounts(self, notes: Sequence[AccountNote]) -> None:
        """As the seam says."""
        await self._through("note_accounts", super().note_accounts(notes))

    async def denies(self) -> bool:
        """As the seam says."""
        return await self._through("denies", super().denies())

    async def _may_go_on(self, method: str, work: Awaitable[object]) -> None:
        try:
            while method in self._stopped:
                await self._going.wait()
        except BaseException:
            _never(work)
            raise

    async def _through(self, method: str, work: Awaitable[T]) -> T:
        """Do the work, or not, and say what a disk in that trouble says."""
        trouble = self.ahead[method].popleft() if self.ahead[method] else Trouble.NONE
        if trouble in {Trouble.NONE, Trouble.UNSURE_KEPT}:
            await self._may_go_on(method, work)
            done = await work
            if trouble is Trouble.NONE:
                return done
            raise StorageUncertain("the commit raised")
        _never(work)
        if trouble is Trouble.FULL:
            raise StorageFull("no room")
        if trouble is Trouble.LANE_TAKEN:
            raise LaneTaken("another node's")
        if trouble is Trouble.KEY_BARRED:
            raise KeyBarred("another node's")
        if trouble is Trouble.OVER_LIMIT:
            raise OverLimit("")
        if trouble is Trouble.CLOSED:
            raise SpoolClosed("not open just now")
        raise StorageUncertain("the commit raised")


def _never(work: Awaitable[object]) -> None:
    """Put work away that will not be done."""
    assert asyncio.iscoroutine(work), "the memory engine's methods are coroutines"
    work.close()
