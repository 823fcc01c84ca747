"""Numbers and ids: one 63-bit number a core of digits can carry, and the UUIDv7 that holds the same number.

A number is milliseconds since 2025-01-01 UTC (41 bits) followed by 22 bits that start at random in each millisecond
and count up within it. It rises strictly in one process, whatever the clock does, so it orders arrival, and rows and
indexes stay local. The UUIDv7 (RFC 9562, 5.7, method 1: counter seeded at random) carries the same 63 bits, so a
payment is found by either without a second index. As neither is ever taken from the database, a spool restored from
an older copy can't give out a number twice.
"""

import struct
import uuid
from collections.abc import Callable
from typing import Final

EPOCH_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00:00Z in milliseconds since 1970."""

COUNTER_BITS: Final = 22

NUMBER_MAX: Final = 2**63 - 1
"""No number is greater."""

CHANCE_BITS: Final = 73
"""Bits of chance a number and its id take."""

_LOW_BITS: Final = 52
_ID: Final = struct.Struct(">QQ")


def _the_only_one() -> tuple[int, int]:
    """A process that has the spool to itself."""
    return 0, 1


class Numbers:
    """Mints numbers that rise strictly."""

    def __init__(self, last: int = 0) -> None:
        """Start above `last`, the highest number the spool holds."""
        self._last = last
        #: The node's seat, of how many: where several mint for one spool, each has every so-manieth number.
        self.seat: Callable[[], tuple[int, int]] = _the_only_one

    @property
    def last(self) -> int:
        """The highest number so far."""
        return self._last

    def start_above(self, last: int) -> None:
        """Never mint `last` (the highest number a spool holds) or anything below it, whatever the clock says."""
        self._last = max(self._last, last)

    def mint(self, now_us: int, chance: int) -> tuple[int, bytes]:
        """The next (number, UUIDv7 as 16 bytes) at `now_us` (µs since 1970), using 73 bits of `chance`."""
        fresh = (now_us // 1000 - EPOCH_MS) << COUNTER_BITS | (chance >> _LOW_BITS) & (1 << COUNTER_BITS - 1) - 1
        number = fresh if fresh > self._last else self._last + 1
        seat, seats = self.seat()
        number += (seat - number) % seats
        self._last = number
        return number, id_of(number, chance & (1 << _LOW_BITS) - 1)


def number_at(at_us: int) -> int:
    """The lowest number minted at this time (microseconds since 1970); 0 before there were any, the highest after all.

    Numbers run ahead of the clock only where it was set back between two runs.
    """
    return min(max(0, at_us // 1000 - EPOCH_MS) << COUNTER_BITS, NUMBER_MAX)


def id_of(number: int, chance: int) -> bytes:
    """The UUIDv7 (16 bytes) of a number, filled up with 52 bits of `chance`."""
    unix_ms = (number >> COUNTER_BITS) + EPOCH_MS
    counter = number & (1 << COUNTER_BITS) - 1
    return _ID.pack(unix_ms << 16 | 7 << 12 | counter >> 10, 2 << 62 | (counter & 0x3FF) << _LOW_BITS | chance)


def number_of(id: bytes) -> int:  # noqa: A002 - the field's word
    """The number inside a UUIDv7 made here; 0 when it was surely not made here."""
    value = int.from_bytes(id, "big")
    unix_ms = value >> 80
    if value >> 76 & 0xF != 7 or value >> 62 & 0b11 != 0b10 or unix_ms < EPOCH_MS:  # noqa: PLR2004 - RFC 9562 fields
        return 0
    counter = (value >> 64 & 0xFFF) << 10 | value >> _LOW_BITS & 0x3FF
    number = (unix_ms - EPOCH_MS) << COUNTER_BITS | counter
    return number if number < 2**63 else 0


def id_text(id: bytes) -> str:  # noqa: A002 - the field's word
    """The canonical text of an id."""
    h = id.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def id_bytes(text: str) -> bytes | None:
    """The 16 bytes of an id written in canonical text; None when it isn't one."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None
