"""What was forgotten, as evidence: entries whose time is over leave with their history, and the log goes on telling of them.

The log is never shortened: it holds the hash of each leaf there ever was. So the commit that forgets entries keeps a small
value that names the places nobody answers for any more, with how many and how much went; the value is a setting
(`spool.evidence.settings`), whose SHA-256 the same commit tells the log. An audit lets exactly those places be empty.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Final

import msgspec

from spool.evidence.settings import GONE
from spool.tally import Cell

_VARINT_BITS: Final = 7
_MORE: Final = 1 << _VARINT_BITS

PLACES_BYTES_MAX: Final = 16 << 20
"""More are no commit's: nobody who can write to the disk has an audit take all memory."""


class Sums(msgspec.Struct, frozen=True):
    """How many entries of one kind in one currency went, in which state, and over how many minor units."""

    kind: str
    currency: str
    state: str
    entries: int
    amount: int


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit forgot."""

    #: The lowest and the highest number.
    first: int
    last: int
    entries: int
    sums: tuple[Sums, ...]
    #: Places in the log, ascending: distances from one to the next, seven bits to a byte, compressed.
    places: bytes


def name_of(size: int) -> str:
    """The name of what is forgotten when the log is so long."""
    return f"{GONE}{size:019d}"


def gone(numbers: Sequence[int], sums: dict[Cell, tuple[int, int]], places: Collection[int]) -> bytes:
    """The value for entries of these numbers, ascending, whose acceptances and moves have these places in the log."""
    told = [
        Sums(cell.kind.word, cell.currency, cell.state.word, entries, amount)
        for cell, (entries, amount) in sorted(sums.items())
    ]
    return msgspec.json.encode(
        Gone(
            first=numbers[0],
            last=numbers[-1],
            entries=len(numbers),
            sums=tuple(told),
            places=zlib.compress(bytes(_distances(sorted(place for place in places if place >= 0)))),
        )
    )


def gone_in(value: bytes) -> Gone:
    """A value read again.

    Raises:
        ValueError: it is none.
    """
    return msgspec.json.decode(value, type=Gone)


def places_of(told: Gone) -> Iterator[int]:
    """The places nobody answers for any more.

    Raises:
        ValueError: they can't be read.
    """
    try:
        unpacking = zlib.decompressobj()
        packed = unpacking.decompress(told.places, PLACES_BYTES_MAX)
    except zlib.error as error:
        raise ValueError("what is told of the places is damaged") from error
    if not unpacking.eof:
        raise ValueError("what is told of the places has no end")
    place, distance, shift = -1, 0, 0
    for byte in packed:
        distance |= (byte & (_MORE - 1)) << shift
        shift += _VARINT_BITS
        if byte < _MORE:
            place += distance
            yield place
            distance = shift = 0


def _distances(places: Sequence[int]) -> Iterator[int]:
    before = -1
    for place in places:
        distance, before = place - before, place
        while distance >= _MORE:
            yield distance & (_MORE - 1) | _MORE
            distance >>= _VARINT_BITS
        yield distance
