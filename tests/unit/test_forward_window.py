"""The forwarder's window: order by arrival, one in hand per lane, bounded; what must wait behind is given back."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.forward.window import Window
from spool.entry import Entry
from spool.rank import USUAL
from spool.store import Ready
from tests.contracts.spool_examples import draft
from tests.unit.heart import kept


def entry(number: int, lane: int = 0, **changes: Any) -> Entry:
    """An entry of a lane (its own unless said)."""
    return kept(draft(number, lane=lane or 1_000 + number), **changes)


def found(*entries: Entry) -> list[Ready]:
    """As read in arrival order, none blocked."""
    return [Ready(entry=each, blocked=False) for each in entries]


def blocked(*entries: Entry) -> list[Ready]:
    """As read behind something unfinished."""
    return [Ready(entry=each, blocked=True) for each in entries]


def taken(window: Window) -> list[int]:
    """Numbers of all that can be taken now."""
    numbers = list[int]()
    while (each := window.take()) is not None:
        numbers.append(each.number)
    return numbers


def numbers_of(entries: Iterable[Entry]) -> list[int]:
    """Their numbers."""
    return [each.number for each in entries]


@pytest.fixture
def window() -> Window:
    """Room for ten, three of one lane."""
    return Window(10, 3)


def test_entries_are_taken_in_order_of_arrival(window: Window) -> None:
    """The oldest payer waits longest."""
    window.offer(found(entry(1), entry(2), entry(3)))
    assert taken(window) == [1, 2, 3]


def test_a_blocked_one_that_is_read_after_later_ones_of_its_lane_takes_them_behind_with_it(window: Window) -> None:
    """They came from behind, of a rank that is read before its own; left here they would overtake it."""
    window.offer(found(entry(1, lane=7)))
    first = window.take()
    assert first is not None
    assert window.offer(found(entry(3, lane=7), entry(4, lane=7))) == []
    assert sorted(numbers_of(window.offer(blocked(entry(2, lane=7))))) == [2, 3, 4]
    assert len(window) == 0
    assert window.finish(first), "whoever finishes it looks behind"
    assert taken(window) == []
    assert window.offer(found(entry(2, lane=7), entry(3, lane=7))) == []
    assert taken(window) == [2]


def test_what_came_before_a_blocked_one_stays_and_its_end_has_somebody_look_behind(window: Window) -> None:
    """Nothing else would bring the later ones back."""
    first = entry(1, lane=7)
    window.offer(found(first, entry(3, lane=7)))
    assert sorted(numbers_of(window.offer(blocked(entry(2, lane=7))))) == [2, 3]
    assert (taken(window), window.finish(first)) == ([1], True)


def test_one_of_a_lane_is_in_hand_and_the_next_comes_when_it_is_finished(window: Window) -> None:
    """Two of one account under way could overtake each other at the core."""
    first, second, other = entry(1, lane=7), entry(2, lane=7), entry(3)
    window.offer(found(first, second, other))
    assert taken(window) == [1, 3]
    assert window.finish(first) is False
    assert taken(window) == [2]


def test_an_entry_that_is_known_is_not_taken_in_twice(window: Window) -> None:
    """It may be read again after a rewind, waiting or in hand."""
    window.offer(found(entry(1), entry(2)))
    one = window.take()
    assert one is not None
    assert window.offer(found(entry(1), entry(2))) == []
    assert taken(window) == [2]
    assert window.finish(entry(1)) is window.finish(entry(2)) is False
    assert (taken(window), window.room()) == ([], 10)


def test_what_is_blocked_on_disk_is_given_back(window: Window) -> None:
    """It waits behind an entry in doubt, held or parked."""
    assert numbers_of(window.offer(blocked(entry(1)))) == [1]
    assert len(window) == 0


def test_a_busy_account_does_not_fill_the_window_and_none_of_it_is_overtaken(window: Window) -> None:
    """Once one is set behind, all later ones must be, even when there is room again."""
    entries = [entry(number, lane=7) for number in range(1, 7)]
    assert numbers_of(window.offer(found(*entries[:5]))) == [4, 5]
    first = window.take()
    assert first is not None
    window.finish(first)
    assert numbers_of(window.offer(found(entries[5]))) == [6]


def test_whoever_finishes_the_last_of_an_overflowed_lane_is_told_to_look_behind(window: Window) -> None:
    """Nobody else would."""
    window.offer(found(*[entry(number, lane=7) for number in range(1, 6)]))
    finished = list[bool]()
    for _ in range(3):
        each = window.take()
        assert each is not None
        finished.append(window.finish(each))
    assert finished == [False, False, True]


def test_what_is_blocked_by_our_own_entry_in_hand_is_looked_for_when_that_is_finished(window: Window) -> None:
    """Its row says in flight by now, so what comes after it is read as blocked."""
    first = entry(1, lane=7)
    window.offer(found(first))
    window.take()
    assert numbers_of(window.offer(blocked(entry(2, lane=7)))) == [2]
    assert window.finish(first) is True


def test_a_caller_that_knows_of_more_behind_says_so(window: Window) -> None:
    """A full page of followers may not be all of them."""
    first = entry(1, lane=7)
    window.offer(found(first))
    window.overflow(7)
    window.take()
    assert window.finish(first) is True


def test_an_entry_put_back_is_the_first_of_its_lane_again(window: Window) -> None:
    """Not sent: the ones behind it still come after it."""
    first = entry(1, lane=7)
    window.offer(found(first, entry(2, lane=7)))
    window.take()
    window.put_back(first)
    assert (taken(window), len(window)) == ([1], 1)


def test_an_entry_that_holds_its_lane_gives_the_rest_back_to_be_set_behind(window: Window) -> None:
    """In doubt, it may be so for hours: memory is for those who can go."""
    first = entry(1, lane=7)
    window.offer(found(first, entry(2, lane=7), entry(3, lane=7), entry(4)))
    window.take()
    assert numbers_of(window.block(first)) == [2, 3]
    assert taken(window) == [4]
    window.open(7)
    assert window.offer(found(entry(2, lane=7))) == []


def test_a_lane_given_back_takes_nothing_in_until_it_is_opened(window: Window) -> None:
    """What is read while the rest is on its way behind would overtake it (seed 1047949886064 of the simulation)."""
    first = entry(1, lane=7)
    window.offer(found(first, entry(2, lane=7)))
    window.take()
    window.block(first)
    assert numbers_of(window.offer(found(entry(3, lane=7), entry(4)))) == [3]
    window.open(7)
    assert window.offer(found(entry(2, lane=7), entry(3, lane=7))) == []
    assert taken(window) == [2, 4]


def test_whoever_finishes_in_a_lane_given_back_is_told_to_look_behind(window: Window) -> None:
    """It is opened only by whoever looks there."""
    first = entry(1, lane=7)
    window.offer(found(first))
    window.take()
    window.block(first)
    assert window.seize(first) is True
    assert window.finish(first) is True


def test_an_entry_that_fell_due_is_seized_unless_its_lane_is_busy(window: Window) -> None:
    """Due entries don't come by the window, but keep its rule."""
    due = entry(1, lane=7)
    assert window.seize(due) is True
    assert window.seize(entry(2, lane=7)) is False
    window.offer(found(entry(3, lane=7)))
    assert taken(window) == []
    window.finish(due)
    assert taken(window) == [3]


def test_a_lane_seized_for_what_fell_due_gives_nothing_else_out(window: Window) -> None:
    """Though its next was in the window, and free, before."""
    due = entry(1, lane=7)
    window.offer(found(entry(2, lane=7)))
    assert window.seize(due) is True
    assert taken(window) == []
    window.finish(due)
    assert taken(window) == [2]


def test_an_entry_ready_anew_stands_where_it_stood(window: Window) -> None:
    """It came back after others of its lane had been read."""
    window.offer(found(entry(2, lane=7), entry(3, lane=7)))
    assert window.offer(found(entry(1, lane=7))) == []
    order = list[int]()
    while (each := window.take()) is not None:
        order.append(each.number)
        window.finish(each)
    assert order == [1, 2, 3]


def test_an_entry_ready_anew_goes_before_a_lane_that_is_full(window: Window) -> None:
    """The last of the lane makes room, and is looked for behind when its turn comes (seed 223 of the simulation)."""
    window.offer(found(*(entry(number, lane=7) for number in (2, 3, 4))))
    behind = window.offer(found(entry(1, lane=7)))
    assert (numbers_of(behind), window.room()) == ([4], 7)
    assert numbers_of(window.offer(found(entry(4, lane=7), entry(5, lane=7)))) == [4, 5]
    first = window.take()
    assert first == entry(1, lane=7)
    assert window.finish(first) is False


def test_what_is_in_hand_says_nothing_of_what_is_waited_for(window: Window) -> None:
    """Before the next that is here may go, more has to be read: something of this rank may come before it."""
    first = entry(1)
    window.offer(found(first, entry(9)))
    window.pick(first)

    assert window.waits_for(USUAL, 5)
    assert not window.waits_for(USUAL, 9)


def test_room_is_what_is_left_and_never_less_than_none(window: Window) -> None:
    """Entries put back may come on top."""
    window.offer(found(*[entry(number) for number in range(1, 11)]))
    first = window.take()
    assert (window.room(), window.in_hand) == (1, 1)
    assert first is not None
    window.offer(found(entry(11)))
    window.put_back(first)
    assert (window.room(), len(window)) == (0, 11)


class WindowAgainstADisk(RuleBasedStateMachine):
    """A window over a model of what is on disk: whatever happens, each lane goes out in order and completely."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        super().__init__()
        self.window = Window(8, 2)
        self.next = 1
        self.cursor = 0
        self.lanes: dict[int, int] = {}
        self.line: list[int] = []
        self.behind: list[int] = []
        self.in_hand: list[Entry] = []
        self.holding: set[int] = set()
        #: Of these, what another node has in hand.
        self.elsewhere: set[int] = set()
        self.freed: set[int] = set()
        #: What was given back and is on its way behind, with the lanes to look at once it is there.
        self.on_the_way: list[tuple[list[Entry], set[int]]] = []
        self.sent: dict[int, list[int]] = {}

    @rule(lane=st.integers(1, 3))
    def arrives(self, lane: int) -> None:
        """A payment is recorded ready."""
        self.lanes[self.next] = lane
        self.line.append(self.next)
        self.next += 1

    @rule()
    def load(self) -> None:
        """As the forwarder does: read above the cursor, offer, set behind."""
        numbers = [number for number in self.line if number > self.cursor][: self.window.room()]
        over = self.window.offer(Ready(entry=entry(n, self.lanes[n]), blocked=self._is_blocked(n)) for n in numbers)
        self.cursor = max([self.cursor, *numbers])
        self._set_behind(over)

    @rule()
    def look_behind(self) -> None:
        """Fetch what waited behind lanes that became free; the disk takes everything in the order it was submitted."""
        lanes, self.freed = sorted(self.freed), set()
        self.reaches_the_disk()
        for lane in lanes:
            self.window.open(lane)
            ahead = [n for n in sorted({*self.behind, *self.holding}) if self.lanes[n] == lane]
            numbers = ahead[: next((i for i, n in enumerate(ahead) if n in self.holding), len(ahead))][:2]
            for number in numbers:
                self.behind.remove(number)
                self.line.append(number)
            self.line.sort()
            over = self.window.offer(found(*[entry(n, lane) for n in numbers]))
            self.window.overflow(lane)
            self._set_behind(over)

    @rule()
    def reaches_the_disk(self) -> None:
        """What was given back stands behind now."""
        while self.on_the_way:
            entries, freed = self.on_the_way.pop(0)
            self._set_behind(entries)
            self.freed |= freed

    @rule()
    def take(self) -> None:
        """Claim one."""
        each = self.window.take()
        if each is None:
            return
        if self._may_be_claimed(each.number):
            self._is_claimed(each.number)
            self.in_hand.append(each)
        else:
            self.on_the_way.append((self.window.block(each), {each.lane}))

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def finishes(self, data: st.DataObject) -> None:
        """The core booked it."""
        each = self._out_of_hand(data)
        self.holding.discard(each.number)
        self.sent.setdefault(each.lane, []).append(each.number)
        if self.window.finish(each) or each.due_at_us:
            self.freed.add(each.lane)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def is_put_back(self, data: st.DataObject) -> None:
        """It was not sent."""
        each = self._out_of_hand(data)
        self.holding.discard(each.number)
        self.line.append(each.number)
        self.line.sort()
        self.window.put_back(each)

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def is_in_doubt(self, data: st.DataObject) -> None:
        """It holds its lane from now on."""
        self.on_the_way.append((self.window.block(self._out_of_hand(data)), set()))

    @precondition(lambda self: self.in_hand)
    @rule(data=st.data())
    def is_somebody_elses(self, data: st.DataObject) -> None:
        """A person or its channel finished it while it was in hand: its lane is looked at anew."""
        each = self._out_of_hand(data)
        self.holding.discard(each.number)
        self.sent.setdefault(each.lane, []).append(each.number)
        self.on_the_way.append((self.window.block(each), {each.lane}))

    @rule(data=st.data())
    def is_finished_elsewhere(self, data: st.DataObject) -> None:
        """Another node took up what was in doubt, and the core booked it; nobody tells this one."""
        self._finish_elsewhere(data.draw(st.sampled_from([0, *self._waiting_aside(), *sorted(self.elsewhere)])))

    @rule(data=st.data())
    def is_claimed_elsewhere(self, data: st.DataObject) -> None:
        """Another node takes the first of a lane, wherever this one has it."""
        firsts = [number for number in sorted({*self.line, *self.behind}) if self._may_be_claimed(number)]
        if firsts:
            number = data.draw(st.sampled_from(firsts))
            self._is_claimed(number)
            self.elsewhere.add(number)

    @precondition(lambda self: self.elsewhere)
    @rule(data=st.data(), sent=st.booleans())
    def is_not_finished_elsewhere(self, data: st.DataObject, *, sent: bool) -> None:
        """It is in doubt, for whoever comes first when it falls due; or as it was, if it was not sent."""
        number = data.draw(st.sampled_from(sorted(self.elsewhere)))
        self.elsewhere.discard(number)
        if not sent:
            self.holding.discard(number)
            self.line.append(number)
            self.line.sort()

    @rule()
    def looks_anew(self) -> None:
        """As often where other nodes write: all is read again, and who waits for nobody stands in line again."""
        self.window.open_all()
        self.cursor = 0
        for number in [each for each in sorted(self.behind) if not self._waits_for_somebody(each)]:
            self.behind.remove(number)
            self.line.append(number)
        self.line.sort()

    @rule(data=st.data())
    def falls_due(self, data: st.DataObject) -> None:
        """What is in doubt is asked about, if its lane is free."""
        waiting = self._waiting_aside()
        if waiting:
            number = data.draw(st.sampled_from(waiting))
            due = entry(number, self.lanes[number], due_at_us=1)
            if self.window.seize(due):
                self.in_hand.append(due)

    @invariant()
    def at_most_one_of_a_lane_is_in_hand(self) -> None:
        """P2."""
        lanes = [each.lane for each in self.in_hand]
        assert len(lanes) == len(set(lanes))
        assert self.window.in_hand == len(lanes)

    @invariant()
    def lanes_go_out_in_order(self) -> None:
        """None is overtaken, none goes twice."""
        for numbers in self.sent.values():
            assert numbers == sorted(set(numbers))

    def teardown(self) -> None:
        """In the end everything goes, by the forwarder's own steps."""
        for _ in range(20 * self.next + 20):
            for each in tuple(self.in_hand):
                self.in_hand.remove(each)
                self.holding.discard(each.number)
                self.sent.setdefault(each.lane, []).append(each.number)
                if self.window.finish(each) or each.due_at_us:
                    self.freed.add(each.lane)
            self.look_behind()
            self.looks_anew()
            self.load()
            self.take()
            for number in sorted(self.elsewhere):
                self._finish_elsewhere(number)
            for number in self._waiting_aside():
                due = entry(number, self.lanes[number], due_at_us=1)
                if self.window.seize(due):
                    self.in_hand.append(due)
        assert sorted(n for numbers in self.sent.values() for n in numbers) == list(range(1, self.next))
        self.lanes_go_out_in_order()

    def _is_blocked(self, number: int) -> bool:
        return any(self.lanes[n] == self.lanes[number] and n < number for n in (*self.behind, *self.holding))

    def _may_be_claimed(self, number: int) -> bool:
        """Nobody else has it, and nothing of its lane comes before it."""
        unfinished = {*self.line, *self.behind, *self.holding}
        of_lane = [each for each in unfinished if self.lanes[each] == self.lanes[number]]
        return number not in self.holding and number == min(of_lane, default=0)

    def _is_claimed(self, number: int) -> None:
        (self.line if number in self.line else self.behind).remove(number)
        self.holding.add(number)

    def _finish_elsewhere(self, number: int) -> None:
        if number:
            self.holding.discard(number)
            self.elsewhere.discard(number)
            self.sent.setdefault(self.lanes[number], []).append(number)

    def _waiting_aside(self) -> list[int]:
        """In doubt, and in nobody's hand."""
        return sorted(self.holding - self.elsewhere - {each.number for each in self.in_hand})

    def _waits_for_somebody(self, number: int) -> bool:
        return any(self.lanes[n] == self.lanes[number] and n < number for n in (*self.line, *self.holding))

    def _set_behind(self, entries: list[Entry]) -> None:
        # As the store does: what is read anew while it is on its way may be there already.
        numbers = [each.number for each in entries if each.number in self.line]
        for number in numbers:
            self.line.remove(number)
            self.behind.append(number)

    def _out_of_hand(self, data: st.DataObject) -> Entry:
        each: Entry = data.draw(st.sampled_from(self.in_hand))
        self.in_hand.remove(each)
        return each


TestWindowAgainstADisk = WindowAgainstADisk.TestCase
TestWindowAgainstADisk.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
