"""Which lanes hold something unfinished, and of which ranks: a counting filter, exact where it matters, small at any backlog.

A lane with waiting entries is never overtaken, so each new payment asks whether its lane is clear. An index on lanes
would answer exactly, but its random writes make every accept dearer the longer an outage lasts. Counters in buckets by
lane answer "surely clear" or "perhaps not": with a few thousand entries waiting one clear lane in thousands is taken
for occupied, with a million one in sixteen. That costs the payment a direct answer (and, where it is to go first, that),
never its order.

Entries of another rank than the usual are counted in buckets of their rank besides: what is left is of the usual one.

While index keys change the same filter tells which accounts are still in their lanes of before (`LeftBuckets`).
"""

import mmap
import zlib
from collections.abc import Callable, Collection, Iterable
from typing import Final, Protocol

from msgspec.structs import replace

from spool.entry import Draft
from spool.rank import USUAL, WORST

BUCKET_BITS: Final = 24
_MASK: Final = (1 << BUCKET_BITS) - 1
_FULL: Final = 255

IsClear = Callable[[str, int], bool]
"""(route, lane) -> nothing unfinished is in the lane, surely."""

Entering = Collection[tuple[str, int]]
"""(route, lane) of payments that were given their lane and are yet to be submitted."""


class FormerLanes(Protocol):
    """Lanes under a former index key. An account is in its own until that is clear, and has left it for good from then on."""

    def holds(self, route: str, lane: int, entering: Entering) -> bool:
        """The account of this lane stays in it."""
        ...


def _buckets() -> mmap.mmap:
    # Mapped, as its pages take no memory until they are written; a bytearray writes its zeros.
    return mmap.mmap(-1, 1 << BUCKET_BITS, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


class _Salts(dict[str, int]):
    """By route, of which there are few."""

    def __missing__(self, route: str) -> int:
        salt = self[route] = zlib.crc32(route.encode())
        return salt


class LaneFilter:
    """Counts unfinished entries by lane. A bucket that overflowed stays occupied until the filter is made anew."""

    def __init__(self) -> None:
        self._buckets = _buckets()
        #: By rank, but for the usual one; there once there was any of it.
        self._unusual: dict[int, mmap.mmap] = {}
        #: While False, entries of an earlier run aren't counted yet, so no lane may be called clear.
        self.complete = True
        #: Until then, the worst rank there may be.
        self.worst = WORST
        self._late: list[tuple[int, int]] = []
        self._salts = _Salts()

    def bucket(self, route: str, lane: int) -> int:
        """The bucket of a lane; the same in every filter."""
        return (lane ^ self._salts[route]) & _MASK

    def add(self, route: str, lane: int, rank: int = USUAL) -> None:
        """One more unfinished entry."""
        at = self.bucket(route, lane)
        count = self._buckets[at]
        if count < _FULL:
            self._buckets[at] = count + 1
        if rank != USUAL:
            unusual = self._unusual.get(rank)
            if unusual is None:
                unusual = self._unusual[rank] = _buckets()
            if unusual[at] < _FULL:
                unusual[at] += 1

    def remove(self, route: str, lane: int, rank: int = USUAL) -> None:
        """One less."""
        if not self.complete:
            # It may be one that isn't counted yet; counting goes down once it is.
            self._late.append((self.bucket(route, lane), rank))
            return
        self._take(self.bucket(route, lane), rank)

    def finish_loading(self) -> None:
        """Everything of an earlier run has been added."""
        self.complete = True
        for at, rank in self._late:
            self._take(at, rank)
        self._late.clear()

    def is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in the lane, surely."""
        return self.complete and self._buckets[self.bucket(route, lane)] == 0

    def rank_behind(self, route: str, lane: int, rank: int) -> int:
        """The rank of an entry that asks for this one, so that it isn't before any unfinished one of its lane."""
        if not self.complete:
            return max(rank, self.worst)
        if rank == USUAL and not self._unusual:
            return rank
        at = self.bucket(route, lane)
        count = self._buckets[at]
        if count == 0:
            return rank
        counts = {each: buckets[at] for each, buckets in self._unusual.items()}
        if count == _FULL or count > sum(counts.values()):
            rank = max(rank, USUAL)
        return max([rank, *(each for each, unusual in counts.items() if unusual)])

    def ranked(self, draft: Draft) -> Draft:
        """A draft as it may be stored: none of its lane is ranked behind it that stands before it."""
        rank = self.rank_behind(draft.route, draft.lane, draft.rank)
        return draft if rank == draft.rank else replace(draft, rank=rank)

    def former(self, is_clear: IsClear) -> FormerLanes:
        """The lanes up to now as former ones; `is_clear` asks this filter, or whichever takes its place."""
        return LeftBuckets(self.bucket, is_clear)

    def _take(self, at: int, rank: int) -> None:
        _count_down(self._buckets, at)
        if rank != USUAL:
            _count_down(self._unusual[rank], at)


def _count_down(buckets: mmap.mmap, at: int) -> None:
    count = buckets[at]
    assert count > 0, "a lane is left only by what entered it"
    if count < _FULL:
        buckets[at] = count - 1


class LeftBuckets:
    """Former lanes by the buckets of a filter: nothing is read for it and next to nothing kept, however much waits.

    A bucket that was seen clear is left by every account in it, at once and for good: what is counted in it later came
    there by other lanes, and draws nobody back. One that was never seen clear may keep an account in its former lane
    longer than need be, which harms nobody.
    """

    def __init__(self, bucket: Callable[[str, int], int], is_clear: IsClear) -> None:
        """Nobody has left yet."""
        self._bucket = bucket
        self._is_clear = is_clear
        #: A bit for each bucket.
        self._left = mmap.mmap(-1, 1 << BUCKET_BITS - 3, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def holds(self, route: str, lane: int, entering: Entering) -> bool:
        """The account of this lane stays in it."""
        at = self._bucket(route, lane)
        byte, bit = at >> 3, 1 << (at & 7)
        if self._left[byte] & bit:
            return False
        if not self._is_clear(route, lane) or any(self._bucket(*each) == at for each in entering):
            return True
        self._left[byte] |= bit
        return False


class HeldLanes:
    """Former lanes one by one: those that held something at some moment, and exactly those."""

    def __init__(self, lanes: Iterable[int], is_clear: IsClear) -> None:
        """Everybody else has left."""
        self._lanes = set(lanes)
        self._is_clear = is_clear

    def holds(self, route: str, lane: int, entering: Entering) -> bool:
        """The account of this lane stays in it."""
        if lane not in self._lanes:
            return False
        if not self._is_clear(route, lane) or (route, lane) in entering:
            return True
        self._lanes.discard(lane)
        return False
