"""Which lanes hold something unfinished: a counting filter, exact where it matters and small at any backlog.

A lane with waiting entries is never overtaken, so each new payment asks whether its lane is clear. An index on lanes
would answer exactly, but its random writes make every accept dearer the longer an outage lasts. Counters in buckets by
lane answer "surely clear" or "perhaps not": with a few thousand entries waiting one clear lane in thousands is taken
for occupied, with a million one in sixteen. That costs the payment a direct answer, never its order.
"""

import mmap
import zlib
from typing import Final

BUCKET_BITS: Final = 24
_MASK: Final = (1 << BUCKET_BITS) - 1
_FULL: Final = 255


class LaneFilter:
    """Counts unfinished entries by lane. A bucket that overflowed stays occupied until the filter is made anew."""

    def __init__(self) -> None:
        # Mapped, as its pages take no memory until they are written; a bytearray writes its zeros.
        self._buckets = mmap.mmap(-1, 1 << BUCKET_BITS, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        #: While False, entries of an earlier run aren't counted yet, so no lane may be called clear.
        self.complete = True
        self._late: list[int] = []
        self._salts: dict[str, int] = {}

    def bucket(self, route: str, lane: int) -> int:
        """The bucket of a lane."""
        salt = self._salts.get(route)
        if salt is None:
            salt = self._salts[route] = zlib.crc32(route.encode())
        return (lane ^ salt) & _MASK

    def add(self, route: str, lane: int) -> None:
        """One more unfinished entry."""
        at = self.bucket(route, lane)
        if self._buckets[at] < _FULL:
            self._buckets[at] += 1

    def remove(self, route: str, lane: int) -> None:
        """One less."""
        if not self.complete:
            # It may be one that isn't counted yet; counting goes down once it is.
            self._late.append(self.bucket(route, lane))
            return
        self._take(self.bucket(route, lane))

    def finish_loading(self) -> None:
        """Everything of an earlier run has been added."""
        self.complete = True
        for at in self._late:
            self._take(at)
        self._late.clear()

    def is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in the lane, surely."""
        return self.complete and self._buckets[self.bucket(route, lane)] == 0

    def _take(self, at: int) -> None:
        count = self._buckets[at]
        assert count > 0, "a lane is left only by what entered it"
        if count < _FULL:
            self._buckets[at] = count - 1
