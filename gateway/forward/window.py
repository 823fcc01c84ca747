"""The forwarder's view of the backlog: a bounded window of ready entries, and which lane is free. No I/O.

Order is by turn: the number, which is order of arrival, less what an entry's rank is ahead by. Within a lane no entry has a
better rank than one before it (`spool.rank`), so there it is the order of arrival. At most one entry of a lane is in hand.
What can't be sent for its lane's sake is named to the caller, who sets it behind on disk, so that memory stays bounded
whatever waits.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Final

from spool.entry import Entry
from spool.lifecycle import Kind
from spool.rank import RANKS, USUAL
from spool.store import Ready

EQUAL: Final = (0,) * RANKS
"""No rank is ahead of another."""

ANY_TURN: Final = 2**64
"""After every turn."""


class Window:
    """Ready entries in memory, by lane."""

    def __init__(self, entries_max: int, lane_entries_max: int, ahead: Sequence[int] = EQUAL) -> None:
        """Hold about `entries_max` entries, at most `lane_entries_max` of one lane; `ahead` is by rank, in numbers."""
        self._entries_max = entries_max
        self._ahead = tuple(ahead)
        #: How many of each rank wait.
        self._by_rank = Counter[int]()
        #: Nothing whose turn is later may go: something before it may not have been read.
        self.bound = ANY_TURN
        self._lane_entries_max = lane_entries_max
        self._lanes: dict[int, deque[Entry]] = {}
        #: Numbers in the window or in hand.
        self._known: set[int] = set()
        #: Lanes with an entry in hand.
        self._busy: set[int] = set()
        #: (turn, number, lane) of each free lane's first entry, lowest first; stale ones are skipped when met.
        self._heads: list[tuple[int, int, int]] = []
        #: Such that were passed over.
        self._passed_over: list[tuple[int, int, int]] = []
        #: Lanes of which entries were set behind for want of room.
        self._overflowed: set[int] = set()
        #: Lanes given back as a whole: whatever of them is read before they are opened anew stands behind as well.
        self._shut: set[int] = set()
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def turn(self, number: int, rank: int) -> int:
        """Where an entry of this number and rank stands in the order."""
        return number - self._ahead[rank]

    def room(self, rank: int = USUAL) -> int:
        """How many more entries of a rank it may hold. Each has some, however many of the others there are."""
        own = self._entries_max // RANKS - self._by_rank[rank]
        return max(0, self._entries_max - self._waiting, own)

    def wants(self, rank: int) -> bool:
        """Half of what it holds, or of what it may of this rank, is gone."""
        few = 2 * self._by_rank[rank] < self._entries_max // RANKS
        return few or 2 * self._waiting < self._entries_max

    def waits_for(self, rank: int, read_up_to: int) -> bool:
        """Nothing here may go before more of this rank is known, of which numbers were read up to this one."""
        while self._heads and self._first_of(self._heads[0]) is None:
            heapq.heappop(self._heads)
        return bool(self._heads) and self.turn(read_up_to, rank) < self._heads[0][0]

    @property
    def in_hand(self) -> int:
        """How many entries are being sent or asked about."""
        return len(self._busy)

    def offer(self, found: Iterable[Ready]) -> list[Entry]:
        """Take entries of one rank in, in order of number; those that must wait behind their lane are given back."""
        behind = list[Entry]()
        for each in found:
            entry = each.entry
            if entry.number in self._known:
                continue
            waiting = self._lanes.get(entry.lane)
            if waiting and entry.number < waiting[-1].number:
                if not each.blocked:
                    behind.extend(self._squeeze_in(entry))
                    continue
                behind.extend(self._give_back_after(entry))
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
        self._leaves(last)
        self._known.discard(last.number)
        self._overflowed.add(entry.lane)
        return [last]

    def _give_back_after(self, entry: Entry) -> list[Entry]:
        """It has to stand behind, and so have those of its lane that came after it, or they would overtake it."""
        waiting = self._lanes[entry.lane]
        later = [other for other in waiting if other.number > entry.number]
        for other in later:
            waiting.remove(other)
            self._leaves(other)
            self._known.discard(other.number)
        if not waiting:
            del self._lanes[entry.lane]
        return later

    def _append(self, entry: Entry) -> None:
        waiting = self._lanes.setdefault(entry.lane, deque())
        if waiting and waiting[-1].number > entry.number:
            # Ready anew after others of its lane had been read: back to where it stood.
            self._lanes[entry.lane] = waiting = deque(sorted((*waiting, entry), key=_number))
        else:
            waiting.append(entry)
        self._comes(entry)
        if waiting[0] is entry and entry.lane not in self._busy:
            self._heads_lane(entry)

    def _comes(self, entry: Entry) -> None:
        self._known.add(entry.number)
        self._waiting += 1
        self._by_rank[entry.rank] += 1

    def _leaves(self, entry: Entry) -> None:
        self._waiting -= 1
        self._by_rank[entry.rank] -= 1

    def _heads_lane(self, entry: Entry) -> None:
        heapq.heappush(self._heads, (self.turn(entry.number, entry.rank), entry.number, entry.lane))

    def overflow(self, lane: int) -> None:
        """More of this lane is behind on disk: whoever finishes it must look. A lane nobody is in has nobody to look."""
        if lane in self._busy or lane in self._lanes:
            self._overflowed.add(lane)

    def open(self, lane: int) -> None:
        """A lane given back may be taken in again: whoever calls has nothing of it read and not yet offered."""
        self._shut.discard(lane)

    def open_all(self) -> None:
        """Everything is read anew from its beginning, and tells by itself what stands before it.

        Whom a lane was given back for, another node may have finished, and nobody here would open it.
        """
        self._shut.clear()

    def look_anew(self) -> None:
        """What was passed over may go again."""
        while self._passed_over:
            heapq.heappush(self._heads, self._passed_over.pop())

    def take(self, *, payments_only: bool = False) -> Entry | None:
        """The next entry by turn whose lane is free, now in hand; None when there is none.

        With `payments_only` reversals are passed over, and their lanes with them, until `look_anew`.
        """
        while self._heads and self._heads[0][0] <= self.bound:
            head = heapq.heappop(self._heads)
            entry = self._first_of(head)
            if entry is None:
                continue
            if payments_only and entry.kind is not Kind.PAYMENT:
                self._passed_over.append(head)
                continue
            self.pick(entry)
            return entry
        return None

    def oldest(self) -> Entry | None:
        """Of all that may go, the payment that came first; where there is none, whatever did. It isn't in hand yet."""
        firsts = (self._first_of(head) for head in self._heads if head[0] <= self.bound)
        return min((entry for entry in firsts if entry is not None), key=_by_kind, default=None)

    def pick(self, entry: Entry) -> None:
        """Take in hand what is first of its lane."""
        waiting = self._lanes[entry.lane]
        assert waiting[0] is entry, "no entry overtakes another of its lane"
        waiting.popleft()
        self._leaves(entry)
        if not waiting:
            del self._lanes[entry.lane]
        self._busy.add(entry.lane)

    def _first_of(self, head: tuple[int, int, int]) -> Entry | None:
        """The entry a head means; None when it is stale."""
        _, number, lane = head
        waiting = self._lanes.get(lane)
        if lane in self._busy or not waiting or waiting[0].number != number:
            return None
        return waiting[0]

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
        self._comes(entry)
        self._heads_lane(entry)

    def finish(self, entry: Entry) -> bool:
        """An entry in hand is done with, its lane free; True when more of the lane may be behind on disk."""
        self._release(entry)
        waiting = self._lanes.get(entry.lane)
        if waiting:
            self._heads_lane(waiting[0])
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
        for other in waiting:
            self._leaves(other)
        self._known.difference_update(other.number for other in waiting)
        self._overflowed.discard(entry.lane)
        return list(waiting)

    def _release(self, entry: Entry) -> None:
        self._busy.discard(entry.lane)
        self._known.discard(entry.number)


def _number(entry: Entry) -> int:
    return entry.number


def _by_kind(entry: Entry) -> tuple[int, int]:
    return entry.kind, entry.number
