"""What was forgotten, as one commit tells it: it is read as it was written, and bounded where it was not."""

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from spool.evidence.audit import Audit
from spool.evidence.gone import PLACES_BYTES_MAX, gone, gone_in, places_of
from spool.number import NUMBER_MAX

FAR = 1 << 60
LOG = 100
MEMORY_MAX = 1 << 20


@given(st.sets(st.integers(0, NUMBER_MAX), min_size=1))
def test_places_are_read_as_they_were_told(places: set[int]) -> None:
    """In order, however far one is from the next."""
    assert list(places_of(gone_in(gone([1, 2], {}, places)))) == sorted(places)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"no archive", "damaged"),
        (zlib.compress(b"\x01\x01")[:-1], "no end"),
        (zlib.compress(bytes(PLACES_BYTES_MAX + 1)), "no end"),
    ],
)
def test_places_that_cannot_be_read_are_told(packed: bytes, words: str) -> None:
    """Spoilt, cut short, or more than memory should hold."""
    told = replace(gone_in(gone([1], {}, [1])), places=packed)
    with pytest.raises(ValueError, match=words):
        list(places_of(told))


def test_a_place_beyond_the_log_costs_an_audit_no_memory() -> None:
    """Whoever can write to the disk could name any, and end the service that looks."""
    found = Audit()
    tracemalloc.start()
    found.expect_gone(gone([1], {}, [1, FAR]), LOG)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MEMORY_MAX
