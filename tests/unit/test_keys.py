"""A ring holds keys that belong together, tells them apart, and shows none."""

from typing import Any

import pytest

from spool.errors import KeysUnfit
from spool.keys import KeyRing

ONE, TWO, INDEX = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def ring(*data_keys: tuple[int, bytes], index_key: bytes = INDEX) -> KeyRing:
    """A ring of these keys, or of key 1."""
    return KeyRing(data_keys or [(1, ONE)], index_key)


def test_a_ring_shows_nothing() -> None:
    """Not in a log, not in a traceback."""
    assert repr(ring()) == "KeyRing()"
    assert (len(ring().check_value(1)), len(ring().fingerprint(1))) == (16, 8)


def test_fingerprints_tell_keys_apart() -> None:
    """Short, of hex digits, the same each time."""
    keys = ring((1, ONE), (2, TWO))

    assert keys.fingerprint(1) == ring().fingerprint(1)
    assert keys.fingerprint(1) != keys.fingerprint(2)
    assert len(bytes.fromhex(keys.fingerprint(1))) == 4


def test_a_fingerprint_is_no_part_of_the_key_or_its_check_value() -> None:
    """Safe to print."""
    shown = bytes.fromhex(ring().fingerprint(1))

    assert shown not in ONE
    assert not ring().check_value(1).startswith(shown)


def test_a_check_value_matches_its_key() -> None:
    """Stored with the spool, asked at each start."""
    assert ring((1, ONE), (2, TWO)).matches(1, ring().check_value(1))


@pytest.mark.parametrize(
    "other",
    [ring((1, TWO)), ring((2, ONE)), ring(index_key=TWO)],
    ids=["another key", "another id", "another index key"],
)
def test_a_check_value_does_not_match_anything_else(other: KeyRing) -> None:
    """A key file that isn't the spool's is found before anything is sealed with it, and so is a wrong index key."""
    assert not other.matches(1, ring().check_value(1))


@pytest.mark.parametrize("damaged", [b"", b"\0" * 16])
def test_a_damaged_check_value_does_not_match(damaged: bytes) -> None:
    """Of any length."""
    assert not ring().matches(1, damaged)


def test_asking_for_a_key_that_is_not_there_names_those_that_are() -> None:
    """So that the right file can be looked for."""
    with pytest.raises(KeysUnfit, match="there is no data key 9; present are: 1, 2"):
        ring((1, ONE), (2, TWO)).check_value(9)


@pytest.mark.parametrize(
    ("data_keys", "index_key"),
    [([], INDEX), ([(0, ONE)], INDEX), ([(2**32, ONE)], INDEX), ([(1, ONE[:-1])], INDEX), ([(1, ONE)], b"")],
)
def test_a_ring_of_unfit_keys_is_our_own_mistake(data_keys: list[tuple[int, bytes]], index_key: bytes) -> None:
    """What comes from files is refused before."""
    with pytest.raises(AssertionError):
        KeyRing(data_keys, index_key)


def test_the_key_that_seals_may_be_named() -> None:
    """A key made to seal an old day's entries anew has a higher id, and seals nothing new."""
    assert KeyRing([(1, ONE), (2, TWO)], INDEX, current_id=1).current_id == 1
    assert KeyRing([(1, ONE), (2, TWO)], INDEX).current_id == 2


def test_each_data_key_knows_its_index_key() -> None:
    """Entries under it were hashed with that one."""
    both = KeyRing([(1, ONE), (2, TWO)], INDEX, index_id=2, former_index_keys={1: TWO}, index_ids={1: 1})

    assert [both.index_id_of(each) for each in (1, 2, 3)] == [1, 2, 2]
    assert (both.index_key, both.index_key_of(1), both.former_index_ids) == (INDEX, TWO, (1,))


def test_a_check_value_outlives_a_change_of_index_keys() -> None:
    """It is bound to the index key its data key was made with."""
    both = KeyRing([(1, ONE), (2, TWO)], TWO, index_id=2, former_index_keys={1: INDEX}, index_ids={1: 1, 2: 2})

    assert both.matches(1, ring().check_value(1))


@pytest.mark.parametrize(
    "facts",
    [{"current_id": 3}, {"destroyed": {1: 5}}, {"index_ids": {1: 9}}],
    ids=["seals with none", "destroyed and there", "no such index key"],
)
def test_a_ring_that_contradicts_itself_is_our_own_mistake(facts: dict[str, Any]) -> None:
    """Whoever reads keys from a file checks them before."""
    with pytest.raises(AssertionError):
        KeyRing([(1, ONE)], INDEX, **facts)
