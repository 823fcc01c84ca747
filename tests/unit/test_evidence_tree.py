"""The tree against the words of RFC 9162, written down a second time as plainly as they stand there."""

import hashlib
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.evidence.tree import (
    EMPTY_ROOT,
    append,
    consistency_stretches,
    inclusion_stretches,
    is_consistent,
    leaf_hash,
    node_hash,
    peaks_of,
    root_from_inclusion,
    root_of,
)

LEAVES_MAX: Final = 70

VECTORS: Final = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
"""Leaves of the test tree of Certificate Transparency's own implementations."""

ROOTS: Final = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Its root after so many of them."""

Leaves = Sequence[bytes]


def mth(d: Leaves) -> bytes:
    """MTH(D), 2.1.1."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return hashlib.sha256(b"\x00" + d[0]).digest()
    k = largest_power_below(len(d))
    return hashlib.sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path(m: int, d: Leaves) -> list[bytes]:
    """PATH(m, D), 2.1.3.1."""
    if len(d) == 1:
        return []
    k = largest_power_below(len(d))
    return [*path(m, d[:k]), mth(d[k:])] if m < k else [*path(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: Leaves, b: bool) -> list[bytes]:  # noqa: FBT001 - as in the RFC
    """SUBPROOF(m, D, b), 2.1.4.1."""
    if m == len(d):
        return [] if b else [mth(d)]
    k = largest_power_below(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


def largest_power_below(n: int) -> int:
    """K: the largest power of two smaller than n."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def some(count: int) -> list[bytes]:
    """So many leaves, each another."""
    return [b"leaf %d" % number for number in range(count)]


@pytest.mark.parametrize("count", range(len(ROOTS)))
def test_the_known_tree_has_its_known_roots(count: int) -> None:
    """Whoever checks our proofs uses somebody else's tree."""
    peaks: list[bytes] = []

    size = append(peaks, 0, [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS[:count]])

    assert size == count
    assert root_of(peaks).hex() == ROOTS[count]


@given(st.integers(0, LEAVES_MAX), st.data())
def test_a_tree_that_grows_in_pieces_is_the_tree(count: int, data: st.DataObject) -> None:
    """However commits fall, the root is that of all leaves."""
    leaves, peaks, size = some(count), list[bytes](), 0

    while size < count:
        step = data.draw(st.integers(1, count - size))
        size = append(peaks, size, map(leaf_hash, leaves[size : size + step]))

    assert root_of(peaks) == mth(leaves)
    assert len(peaks) == count.bit_count()
    assert peaks_of(b"".join(peaks)) == peaks


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    """2.1.1 again."""
    assert root_of([]) == EMPTY_ROOT == mth([])


def test_a_leaf_alone_is_its_own_proof() -> None:
    """Its hash is the root."""
    assert inclusion_stretches(0, 1) == []
    assert root_from_inclusion(0, 1, leaf_hash(b"a"), []) == mth([b"a"])


@given(st.integers(2, LEAVES_MAX), st.data())
def test_a_leaf_is_proven_by_its_path_and_by_no_other(count: int, data: st.DataObject) -> None:
    """The stretches are the RFC's path, and the path leads to the root from this leaf in this place alone."""
    leaves, index = some(count), data.draw(st.integers(0, count - 1))

    found = [mth(leaves[start:end]) for start, end in inclusion_stretches(index, count)]

    assert found == path(index, leaves)
    assert root_from_inclusion(index, count, leaf_hash(leaves[index]), found) == mth(leaves)
    assert root_from_inclusion(index, count, leaf_hash(b"another"), found) != mth(leaves)
    assert root_from_inclusion(index, count, leaf_hash(leaves[index]), [*found, EMPTY_ROOT]) is None
    assert root_from_inclusion(index, count, leaf_hash(leaves[index]), found[:-1]) != mth(leaves)
    assert root_from_inclusion(count, count, leaf_hash(leaves[index]), found) is None


@given(st.integers(1, LEAVES_MAX), st.data())
def test_an_older_tree_is_proven_to_begin_a_newer_one(count: int, data: st.DataObject) -> None:
    """The stretches are the RFC's proof, and it holds for these two roots alone."""
    leaves, old = some(count), data.draw(st.integers(1, count))
    other = mth([*leaves[: old - 1], b"another"])

    found = [mth(leaves[start:end]) for start, end in consistency_stretches(old, count)]

    assert found == subproof(old, leaves, b=True)
    assert is_consistent(old, count, mth(leaves[:old]), mth(leaves), found)
    assert not is_consistent(old, count, other, mth(leaves), found)
    assert not is_consistent(old, count, mth(leaves[:old]), EMPTY_ROOT, found)
    assert not is_consistent(old, count, mth(leaves[:old]), mth(leaves), [*found, EMPTY_ROOT])
    assert not is_consistent(count + 1, count, mth(leaves[:old]), mth(leaves), found)


def test_no_proof_where_one_is_needed_proves_nothing() -> None:
    """Somebody sends an empty list."""
    assert not is_consistent(3, 5, mth(some(3)), mth(some(5)), [])
    assert not is_consistent(4, 5, mth(some(4)), mth(some(5)), [])


@given(st.integers(1, 2**40), st.data())
def test_each_stretch_is_where_kept_peaks_can_tell_its_hash(size: int, data: st.DataObject) -> None:
    """It begins at a multiple of the power of two it fits into: what of it is there is the tree's last peaks."""
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))

    stretches = inclusion_stretches(index, size) + consistency_stretches(old, size)

    assert all(start % (1 << (end - start - 1).bit_length()) == 0 for start, end in stretches)
    assert node_hash(b"a", b"b") != node_hash(b"b", b"a")
