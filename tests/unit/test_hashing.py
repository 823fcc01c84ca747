"""Keyed hashes: lanes and fingerprints."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.hashing import Hashes, KeyedHash

KEY = b"\x07" * 32
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(key=st.binary(max_size=64), message=st.binary(max_size=200))
def test_a_keyed_hash_is_hmac_sha_256(key: bytes, message: bytes) -> None:
    """As the standard library computes it."""
    assert KeyedHash(key).digest(message) == hmac.digest(key, message, "sha256")


def test_a_keyed_hash_can_be_used_again() -> None:
    """One message leaves no trace in the next."""
    hashing = KeyedHash(KEY)
    hashing.digest(b"first")

    assert hashing.digest(b"second") == KeyedHash(KEY).digest(b"second")


@given(route=TEXT, account=TEXT)
def test_a_lane_is_a_signed_64_bit_number(route: str, account: str) -> None:
    """As the entry has room for it, the same each time."""
    lane = Hashes(KEY).lane_of(route, account)

    assert -(2**63) <= lane < 2**63
    assert lane == Hashes(KEY).lane_of(route, account)


@pytest.mark.parametrize(
    ("route", "account"), [("billing", "992900123457"), ("mobile", "992900123456"), ("billing9", "92900123456")]
)
def test_lanes_of_other_accounts_and_routes_differ(route: str, account: str) -> None:
    """Also when the letters are the same in a row."""
    assert Hashes(KEY).lane_of(route, account) != Hashes(KEY).lane_of("billing", "992900123456")


def test_lanes_differ_from_key_to_key() -> None:
    """Without the index key nobody can try accounts through."""
    assert Hashes(KEY).lane_of("billing", "1") != Hashes(b"\x08" * 32).lane_of("billing", "1")


@given(content=st.binary(max_size=500))
def test_a_fingerprint_is_sixteen_bytes(content: bytes) -> None:
    """As much as tells contents apart for ever."""
    assert len(Hashes(KEY).fingerprint(content)) == 16


@given(one=st.binary(), two=st.binary())
def test_fingerprints_are_equal_as_the_contents_are(one: bytes, two: bytes) -> None:
    """The same request is known again; another is not taken for it."""
    hashes = Hashes(KEY)

    assert (hashes.fingerprint(one) == hashes.fingerprint(two)) is (one == two)


def test_a_fingerprint_and_a_lane_of_the_same_bytes_have_nothing_in_common() -> None:
    """Each use has a key of its own."""
    hashes = Hashes(KEY)
    written = len(b"billing").to_bytes(4, "big") + b"billing" + b"1"

    assert hashes.fingerprint(written)[:8] != hashes.lane_of("billing", "1").to_bytes(8, "big", signed=True)


def test_hashes_show_nothing() -> None:
    """Not in a log, not in a traceback."""
    assert (repr(Hashes(KEY)), repr(KeyedHash(KEY))) == ("Hashes()", "KeyedHash()")
