"""Looking through the entries of the memory engine: pages, how far they get, and the shape of what waits."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from spool.entry import Act, Entry, Event
from spool.lifecycle import UNFINISHED, USUAL, WAITING
from spool.rows import deeds_in_order
from spool.store import Aged, Filter, Owed
from spool.tally import NOTHING, Sum
from spool.work import place_of


def page_of(entries: Mapping[int, Entry], numbers: Sequence[int], wanted: Filter, limit: int) -> list[Entry]:
    """Entries that pass, of these with their numbers in order."""
    found = (entries[number] for number in _span(numbers, wanted))
    return list(islice((entry for entry in found if _passes(entry, wanted)), limit))


def horizon_of(entries: Mapping[int, Entry], numbers: Sequence[int], wanted: Filter, count: int) -> int:
    """How far a look through so many gets. See `Store.horizon`."""
    span = _span(numbers, wanted)
    if wanted.states and wanted.states.isdisjoint(USUAL):
        span = (number for number in span if entries[number].state not in USUAL)
    elif wanted.states and wanted.states <= UNFINISHED:
        found = (entries[number] for number in span)
        span = (each.number for each in found if each.state in UNFINISHED and wanted.route in {"", each.route})
    return next(islice(span, count - 1, None), 0)


def shape_of(entries: Iterable[Entry], route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
    """Unfinished entries of a route by age. See `Store.shape`."""
    found = dict[Aged, Sum]()
    for entry in entries:
        if entry.route != route or entry.state not in WAITING:
            continue
        reason = "" if place_of(entry.state, entry.due_at_us) == 1 else entry.reason
        bucket = bisect_right(edges, entry.number)
        aged = Aged(entry.channel, entry.currency, entry.kind, entry.state, reason, bucket)
        found[aged] = found.get(aged, NOTHING) + Sum(1, entry.amount)
    return found


def deeds_of(acts: Iterable[Act], histories: Iterable[Iterable[Event]], first: int, limit: int) -> list[Act]:
    """What persons did, in the order of the log. See `Store.deeds`."""
    moved = (event for events in histories for event in events if event.actor and event.leaf >= first)
    return deeds_in_order((act for act in acts if act.actor and act.leaf >= first), moved, limit)


def owed_of(entries: Mapping[int, Entry], owed: Sequence[Owed], channel: str, after: Owed, limit: int) -> list[Entry]:
    """What is owed back after a place, of these in order. See `Store.returns_due`."""
    found = (entries[place.number] for place in islice(owed, bisect_right(owed, after), None))
    return list(islice((entry for entry in found if channel in {"", entry.channel}), limit))


def _span(numbers: Sequence[int], wanted: Filter) -> Iterator[int]:
    """Numbers between the page's bounds, in the page's direction."""
    begin = bisect_right(numbers, wanted.after)
    end = bisect_left(numbers, wanted.before) if wanted.before else len(numbers)
    step = -1 if wanted.newest_first else 1
    return (numbers[i] for i in range(begin, end)[::step])


def _passes(entry: Entry, wanted: Filter) -> bool:
    """Whether an entry is what the filter wants, its page's bounds aside."""
    return (
        (not wanted.states or entry.state in wanted.states)
        and (not wanted.route or entry.route == wanted.route)
        and (not wanted.channel or entry.channel == wanted.channel)
        and (wanted.kind is None or entry.kind is wanted.kind)
        and (not wanted.key or entry.key == wanted.key)
        and (wanted.lane is None or entry.lane == wanted.lane)
        and (not wanted.reason or entry.reason == wanted.reason)
        and (not wanted.currency or entry.currency == wanted.currency)
        and entry.amount >= wanted.amount_min
        and (not wanted.amount_max or entry.amount <= wanted.amount_max)
        and entry.accepted_at_us >= wanted.accepted_from_us
        and (not wanted.accepted_before_us or entry.accepted_at_us < wanted.accepted_before_us)
    )
