"""The forwarder's view of the backlog: a bounded window of ready entries, and which lane is free. No I/O.

Order is by number, which is order of arrival; at most one entry of a lane is in hand. What can't be sent for its lane's
sake is named to the caller, who sets it behind on disk, so that memory stays bounded whatever waits.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from spool.entry import Entry
from spool.lifecycle import Kind
from spool.store import Ready


class Window:
    """Ready entries in memory, by lane."""

    def __init__(self, entries_max: int, lane_entries_max: int) -> None:
        """Hold at most `entries_max` entries, at most `lane_entries_max` of one lane."""
        self._entries_max = entries_max
        self._lane_entries_max = lane_entries_max
        self._lanes: dict[int, deque[Entry]] = {}
        #: Numbers in the window or in hand.
        self._known: set[int] = set()
        #: Lanes with an entry in hand.
        self._busy: set[int] = set()
        #: (number, lane) of each free lane's first entry, lowest first; stale pairs are skipped when met.
        self._heads: list[tuple[int, int]] = []
        #: Such pairs that were passed over.
        self._passed_over: list[tuple[int, int]] = []
        #: Lanes of which entries were set behind for want of room.
        self._overflowed: set[int] = set()
        #: Lanes given back as a whole: whatever of them is read before they are opened anew stands behind as well.
        self._shut: set[int] = set()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    @property
    def room(self) -> int:
        """How many more entries it may hold."""
        return max(0, self._entries_max - self._waiting)

    @property
    def in_hand(self) -> int:
        """How many entries are being sent or asked about."""
        return len(self._busy)

    def offer(self, found: Iterable[Ready]) -> list[Entry]:
        """Take entries in, in order of number; those that must wait behind their lane are given back."""
        behind = list[Entry]()
        for each in found:
            entry = each.entry
            if entry.number in self._known:
                continue
            waiting = self._lanes.get(entry.lane)
            if waiting and entry.number < waiting[-1].number and not each.blocked:
                behind.extend(self._squeeze_in(entry))
                continue
            full = waiting is not None and len(waiting) >= self._lane_entries_max
            # Once one of a lane is set behind, the later ones must be, or they would overtake it.
            if each.blocked or full or entry.lane in self._overflowed or entry.lane in self._shut:
                # What blocks it may be our own entry in hand: then nobody but us will look behind it.
                if full or entry.lane in self._busy or waiting:
                    self._overflowed.add(entry.lane)
                behind.append(entry)
                continue
            self._append(entry)
        return behind

    def _squeeze_in(self, entry: Entry) -> list[Entry]:
        """Ready anew after others of its lane had been read: it goes before them, and the last makes room."""
        self._append(entry)
        waiting = self._lanes[entry.lane]
        if len(waiting) <= self._lane_entries_max:
            return []
        last = waiting.pop()
        self._waiting -= 1
        self._known.discard(last.number)
        self._overflowed.add(entry.lane)
        return [last]

    def _append(self, entry: Entry) -> None:
        waiting = self._lanes.setdefault(entry.lane, deque())
        if waiting and waiting[-1].number > entry.number:
            # Ready anew after others of its lane had been read: back to where it stood.
            self._lanes[entry.lane] = waiting = deque(sorted((*waiting, entry), key=_number))
        else:
            waiting.append(entry)
        self._known.add(entry.number)
        self._waiting += 1
        if waiting[0] is entry and entry.lane not in self._busy:
            heapq.heappush(self._heads, (entry.number, entry.lane))

    def overflow(self, lane: int) -> None:
        """More of this lane is behind on disk: whoever finishes it must look. A lane nobody is in has nobody to look."""
        if lane in self._busy or lane in self._lanes:
            self._overflowed.add(lane)

    def open(self, lane: int) -> None:
        """A lane given back may be taken in again: whoever calls has nothing of it read and not yet offered."""
        self._shut.discard(lane)

    def look_anew(self) -> None:
        """What was passed over may go again."""
        while self._passed_over:
            heapq.heappush(self._heads, self._passed_over.pop())

    def take(self, *, payments_only: bool = False) -> Entry | None:
        """The earliest entry whose lane is free, now in hand; None when there is none.

        With `payments_only` reversals are passed over, and their lanes with them, until `look_anew`.
        """
        while self._heads:
            number, lane = heapq.heappop(self._heads)
            waiting = self._lanes.get(lane)
            if lane in self._busy or not waiting or waiting[0].number != number:
                continue
            if payments_only and waiting[0].kind is not Kind.PAYMENT:
                self._passed_over.append((number, lane))
                continue
            entry = waiting.popleft()
            self._waiting -= 1
            if not waiting:
                del self._lanes[lane]
            self._busy.add(lane)
            return entry
        return None

    def seize(self, entry: Entry) -> bool:
        """Take in hand an entry that fell due; False when its lane has one in hand already."""
        if entry.lane in self._busy:
            return False
        self._busy.add(entry.lane)
        self._known.add(entry.number)
        return True

    def put_back(self, entry: Entry) -> None:
        """An entry in hand is ready again, first of its lane as before."""
        self._release(entry)
        self._lanes.setdefault(entry.lane, deque()).appendleft(entry)
        self._known.add(entry.number)
        self._waiting += 1
        heapq.heappush(self._heads, (entry.number, entry.lane))

    def finish(self, entry: Entry) -> bool:
        """An entry in hand is done with, its lane free; True when more of the lane may be behind on disk."""
        self._release(entry)
        waiting = self._lanes.get(entry.lane)
        if waiting:
            heapq.heappush(self._heads, (waiting[0].number, entry.lane))
            return False
        overflowed = entry.lane in self._overflowed
        self._overflowed.discard(entry.lane)
        return overflowed or entry.lane in self._shut

    def block(self, entry: Entry) -> list[Entry]:
        """An entry in hand now holds its lane on disk; the rest of the lane is given back, to be set behind.

        The lane is shut until `open`: what was read while they were on their way there would overtake them.
        """
        self._release(entry)
        self._shut.add(entry.lane)
        waiting = self._lanes.pop(entry.lane, deque())
        self._waiting -= len(waiting)
        self._known.difference_update(other.number for other in waiting)
        self._overflowed.discard(entry.lane)
        return list(waiting)

    def _release(self, entry: Entry) -> None:
        self._busy.discard(entry.lane)
        self._known.discard(entry.number)


def _number(entry: Entry) -> int:
    return entry.number
