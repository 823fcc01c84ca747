"""A planned window, and when it comes: pure, over local times of its zone.

It recurs by a rule of RFC 5545 (daily and coarser), read over local times, so that a window at two in the morning stays
there when the clocks change. A time that a change of the clocks leaves out is taken as it would be without the change
(as the standard library does), and one that comes twice is the first. A rule is looked at for five years from its
beginning and no longer: one that never comes would be searched for until the year 9999.
"""

import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from dateutil.rrule import rrule, rrulestr

US: Final = 1_000_000
YEARS: Final = timedelta(days=5 * 366)
DURATION_MAX_S: Final = 7 * 86_400
LEAD_MAX_S: Final = 86_400
NAME_ALL: Final = ""
AHEAD_MAX: Final = 512
"""Windows whose next times are remembered; more than a plan has."""

_RULE: Final = re.compile(
    r"FREQ=(?:(?:DAILY|WEEKLY)(?:;BYDAY=(?P<days>[A-Z]{2}(?:,[A-Z]{2}){0,6}))?"
    r"|(?:MONTHLY|YEARLY)(?:;BYDAY=(?:-?[1-4])?[A-Z]{2})?)"
    r"(?:;BYMONTHDAY=(?P<monthdays>-?[0-9]{1,2}(?:,-?[0-9]{1,2}){0,30}))?(?:;BYMONTH=(?P<months>[0-9]{1,2}(?:,[0-9]{1,2}){0,11}))?"
    r"(?:;INTERVAL=[1-9][0-9]?)?(?:;COUNT=[1-9][0-9]{0,3})?"
)
"""Rules that come again soon, so that looking for one ends soon: an ordinal is one that each month has."""

_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A planned window, as it is kept."""

    #: Rises with time: microseconds since 1970 when it was added.
    id: int
    #: Whose core is away; empty for every route.
    route: str
    #: When it begins first: local time of `time_zone`, to the second, without an offset (2026-01-15T02:00:00).
    begins: str
    time_zone: str
    #: How long it is planned to last.
    duration_s: int
    #: RFC 5545; empty for once.
    rule: str = ""
    #: So long before it the route opens already, so that nothing is on its way when it begins.
    lead_s: int = 0
    actor: str
    reason: str


class Span(msgspec.Struct, frozen=True, order=True):
    """One time it comes, in microseconds since 1970 in UTC."""

    begins_us: int
    ends_us: int


def faults(window: Window) -> list[str]:
    """What is wrong with a window; empty when nothing is."""
    found = list[str]()
    if not 1 <= window.duration_s <= DURATION_MAX_S:
        found.append(f"it lasts 1 to {DURATION_MAX_S} seconds")
    if not 0 <= window.lead_s <= LEAD_MAX_S:
        found.append(f"the route opens 0 to {LEAD_MAX_S} seconds before")
    try:
        zone, begins = ZoneInfo(window.time_zone), datetime.fromisoformat(window.begins)
    except (KeyError, ValueError, OSError):
        return [*found, "write a time as 2026-01-15T02:00:00 and a zone as Asia/Dushanbe"]
    if begins.tzinfo is not None or begins.microsecond or not 2000 <= begins.replace(tzinfo=zone).year < 2200:  # noqa: PLR2004 - years a clock may show
        found.append("write a local time to the second, without an offset, as 2026-01-15T02:00:00")
    elif window.rule and not _is_rule(window.rule):
        found.append("write a rule of RFC 5545, daily or coarser, of days there are, as FREQ=WEEKLY;BYDAY=SU")
    elif next(spans(window), None) is None:
        found.append("it never comes")
    return found


def spans(window: Window) -> Iterator[Span]:
    """Every time it comes, in order."""
    zone, first = ZoneInfo(window.time_zone), datetime.fromisoformat(window.begins)
    times: Iterator[datetime] = iter([first])
    if window.rule:
        times = _times(window.rule, first)
    for local in times:
        begins_us = (local.replace(tzinfo=zone).astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
        yield Span(begins_us, begins_us + window.duration_s * US)


def _is_rule(rule: str) -> bool:
    """A rule we take, and not of a day that no month has: such a one would be searched for until the year 9999."""
    read = _RULE.fullmatch(rule)
    if read is None:
        return False
    months = [int(each) for each in (read["months"] or "1").split(",")]
    days = [abs(int(each)) for each in (read["monthdays"] or "1").split(",")]
    return all(1 <= each <= len(_DAYS) for each in months) and any(
        1 <= day <= _DAYS[month - 1] for month in months for day in days
    )


def _times(rule: str, first: datetime) -> Iterator[datetime]:
    """Local times of a rule; none of one that isn't one, though it looks so."""
    try:
        read = rrulestr(rule, dtstart=first)
    except (ValueError, TypeError, OverflowError):
        return iter(())
    assert isinstance(read, rrule), "one rule is not a set of them"
    # A rule with a count has its own end, and may have no other beside it.
    bounded = read if "COUNT=" in rule else read.replace(until=first + YEARS)
    return takewhile(lambda local: local <= first + YEARS, bounded)


def following(window: Window, now_us: int, limit: int) -> list[Span]:
    """The times that are not over, soonest first."""
    return _ahead(window).following(now_us, limit)


class _Ahead:
    """The times of a window that are not over, taken from its rule as they come: a plan looks each second, for years."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._rest = spans(window)
        self._found = deque[Span]()
        #: When the last one that was passed over ended.
        self._passed_us = 0

    def following(self, now_us: int, limit: int) -> list[Span]:
        if now_us < self._passed_us:
            # The clock was put back.
            self._rest, self._found, self._passed_us = spans(self._window), deque[Span](), 0
        while self._found and self._found[0].ends_us <= now_us:
            self._passed_us = self._found.popleft().ends_us
        while len(self._found) < limit and (span := next(self._rest, None)):
            if span.ends_us > now_us:
                self._found.append(span)
            else:
                self._passed_us = span.ends_us
        return list(islice(self._found, limit))


@lru_cache(maxsize=AHEAD_MAX)
def _ahead(window: Window) -> _Ahead:
    return _Ahead(window)


def entered(window: Window, now_us: int) -> Span | None:
    """The time in which its route is to stand in now, from its lead on; None when there is none."""
    for span in following(window, now_us, 1):
        if span.begins_us - window.lead_s * US <= now_us:
            return span
    return None


def concerns(window: Window, route: str) -> bool:
    """Whether the route's core is away in it."""
    return window.route in (NAME_ALL, route)
