"""Numbers rise strictly, fit 63 bits, and live inside their UUIDv7."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.number import COUNTER_BITS, EPOCH_MS, Numbers, id_bytes, id_of, id_text, number_of

NOW_US = EPOCH_MS * 1000 + 123_456_789
CHANCE = st.integers(0, 2**73 - 1)
NUMBER = st.integers(1, 2**63 - 1)


@given(times=st.lists(st.integers(EPOCH_MS * 1000, EPOCH_MS * 1000 + 10**12), min_size=2, max_size=30), chance=CHANCE)
def test_numbers_rise_strictly_whatever_the_clock_does(times: list[int], chance: int) -> None:
    """Also when it goes back."""
    numbers = Numbers()

    minted = [numbers.mint(now_us, chance)[0] for now_us in times]

    assert minted == sorted(set(minted))


@given(last=st.integers(0, 2**62), chance=CHANCE)
def test_numbers_start_above_what_the_spool_holds(last: int, chance: int) -> None:
    """Whatever the clock says after a restart."""
    assert Numbers(last).mint(EPOCH_MS * 1000, chance)[0] > last


@given(now_us=st.integers(EPOCH_MS * 1000 + 1000, EPOCH_MS * 1000 + 2**41 * 1000 - 1), chance=CHANCE)
def test_a_number_fits_63_bits_until_its_time_runs_out(now_us: int, chance: int) -> None:
    """Forty-one bits of milliseconds: until 2094."""
    assert 0 < Numbers().mint(now_us, chance)[0] < 2**63


@given(chance=CHANCE)
def test_a_number_begins_with_its_millisecond(chance: int) -> None:
    """So it can be read as a time, and rows stay local."""
    assert Numbers().mint(NOW_US, chance)[0] >> COUNTER_BITS == NOW_US // 1000 - EPOCH_MS


def test_the_counter_begins_in_its_lower_half() -> None:
    """At least two million numbers fit a millisecond before it borrows from the next (RFC 9562, 6.2)."""
    number = Numbers().mint(NOW_US, 2**73 - 1)[0]

    assert number & (1 << COUNTER_BITS) - 1 == (1 << COUNTER_BITS - 1) - 1


def test_numbers_of_one_millisecond_count_up() -> None:
    """One by one, in order of arrival."""
    numbers = Numbers()
    first = numbers.mint(NOW_US, 7 << 52)[0]

    assert [numbers.mint(NOW_US, 0)[0] for _ in range(3)] == [first + 1, first + 2, first + 3]


@given(number=NUMBER, chance=st.integers(0, 2**52 - 1))
def test_an_id_is_a_uuid_of_version_7(number: int, chance: int) -> None:
    """With the variant of RFC 9562, and the time where the RFC wants it."""
    found = uuid.UUID(bytes=id_of(number, chance))

    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == (number >> COUNTER_BITS) + EPOCH_MS


@given(number=NUMBER, chance=st.integers(0, 2**52 - 1))
def test_the_number_is_found_in_its_id(number: int, chance: int) -> None:
    """Without a second index."""
    assert number_of(id_of(number, chance)) == number


@given(one=NUMBER, two=NUMBER)
def test_ids_sort_as_their_numbers(one: int, two: int) -> None:
    """Both are in order of arrival."""
    assert (id_of(one, 2**52 - 1) < id_of(two, 0)) is (one < two)


def test_minting_gives_the_id_of_the_number() -> None:
    """Filled up with chance."""
    number, id_ = Numbers().mint(NOW_US, 0xABC)

    assert id_ == id_of(number, 0xABC)


@pytest.mark.parametrize(
    "foreign",
    [
        uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        uuid.UUID("c232ab00-9414-41ec-b3c8-9f6bdeced846"),
        uuid.UUID("01900000-0000-7000-8000-000000000000"),
        uuid.UUID("ffffffff-ffff-7fff-bfff-ffffffffffff"),
        uuid.UUID("01942000-0000-7000-c000-000000000000"),
        uuid.UUID(int=0),
    ],
    ids=["version 1", "version 4", "before 2025", "beyond 63 bits", "another variant", "nil"],
)
def test_an_id_surely_not_made_here_has_no_number(foreign: uuid.UUID) -> None:
    """Channels send what they like."""
    assert number_of(foreign.bytes) == 0


@given(number=NUMBER)
def test_an_ids_text_is_canonical_and_read_back(number: int) -> None:
    """Lower case, five groups."""
    id_ = id_of(number, 5)

    assert id_text(id_) == str(uuid.UUID(bytes=id_))
    assert id_bytes(id_text(id_)) == id_


@pytest.mark.parametrize("text", ["", "no", "0" * 31, "g" * 32, "01942000-0000-7000-8000-00000000000"])
def test_a_text_that_is_no_id_has_no_bytes(text: str) -> None:
    """An answer, not an error."""
    assert id_bytes(text) is None


def test_nodes_of_one_spool_never_mint_the_same_number() -> None:
    """Each has its own, whatever the clock and chance: with three at ten a millisecond two would soon meet."""
    minted: list[int] = []
    for seat in range(64):
        numbers = Numbers()
        numbers.seat = lambda seat=seat: (seat, 64)  # type: ignore[misc]  # of each round its own
        minted += [numbers.mint(1_800_000_000_000_000, 0)[0] for _ in range(50)]

    assert len(set(minted)) == len(minted)
    assert {number % 64 for number in minted} == set(range(64))


def test_numbers_of_a_seat_rise_too() -> None:
    """Strictly, above whatever was there."""
    numbers = Numbers(last=1_000_001)
    numbers.seat = lambda: (5, 64)

    first, second = (numbers.mint(0, 0)[0] for _ in range(2))

    assert 1_000_001 < first < second
    assert first % 64 == second % 64 == 5
