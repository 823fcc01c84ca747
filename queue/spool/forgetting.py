"""What is asked of a spool, and told by it, when payments are to be forgotten whose time is over (`Store.forget`)."""

from typing import NamedTuple


class Past(NamedTuple):
    """What is old enough to be forgotten: an entry that was taken and has last changed before a time."""

    #: Its number is below this ...
    before: int
    #: ... and it has not changed its state since, microseconds since 1970.
    changed_before_us: int


class Forgotten(NamedTuple):
    """What became of one look for entries to be forgotten."""

    #: How many were.
    entries: int
    #: The highest number that was looked at; 0 when there is nothing more to look at.
    reached: int
