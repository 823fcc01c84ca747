"""A sealed record opens in its place, and nowhere else, and not with a bit of it changed."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from spool.entry import Draft, Entry
from spool.errors import RecordDamaged
from spool.keys import KeyRing
from spool.lifecycle import Kind, State, Told
from spool.seal import FORMAT, NONCE_BYTES, Nonces, Sealer

KEY, OTHER_KEY, INDEX_KEY = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32

DRAFT = Draft(
    number=0x0102030405060708,
    id=bytes(range(16)),
    kind=Kind.PAYMENT,
    channel="kiosk",
    key="key-1",
    fingerprint=b"f" * 16,
    route="billing",
    lane=-5,
    amount=10_000,
    currency="TJS",
    accepted_at_us=1_767_225_600_000_000,
    state=State.READY,
    told=Told.PROVISIONAL,
    policy="policy-1",
    content=b"992900123456",
)

OTHER: dict[str, Any] = {
    "number": 0x0102030405060709,
    "id": bytes(range(1, 17)),
    "kind": Kind.REVERSAL,
    "channel": "bank",
    "key": "key-2",
    "fingerprint": b"g" * 16,
    "route": "mobile",
    "lane": 5,
    "amount": 10_001,
    "currency": "USD",
    "accepted_at_us": 1_767_225_600_000_001,
    "policy": "policy-2",
    "reverses": 7,
    "key_id": 1,
}
"""Another value for each column that never changes."""


def counting() -> Callable[[int], bytes]:
    """Nonces that can be told beforehand."""
    numbers = count(1)
    return lambda size: b"".join(next(numbers).to_bytes(NONCE_BYTES, "big") for _ in range(size // NONCE_BYTES))


def sealer(*data_keys: tuple[int, bytes]) -> Sealer:
    """A sealer with these keys, or with key 1."""
    return Sealer(KeyRing(data_keys or [(1, KEY)], INDEX_KEY), counting())


def entry(draft: Draft, key_id: int, sealed: bytes) -> Entry:
    """The entry a draft becomes."""
    header = {name: value for name, value in asdict(draft).items() if name not in {"content", "heard", "within"}}
    kept: dict[str, Any] = {"epoch": 0, "attempts": 0, "due_at_us": 0, "changed_at_us": 0, "reason": "", "core_id": ""}
    return Entry(**header, **kept, key_id=key_id, sealed=sealed)


def sealed_entry(by: Sealer, draft: Draft = DRAFT) -> Entry:
    """A draft, sealed and kept."""
    return entry(draft, *by.seal(draft))


def test_what_was_sealed_is_opened() -> None:
    """The content comes back whole."""
    by = sealer()

    assert by.open(sealed_entry(by)) == DRAFT.content


@given(
    content=st.binary(max_size=3000),
    key=st.text(st.characters(exclude_categories=["Cs"])),
    number=st.integers(1, 2**63 - 1),
)
def test_any_content_in_any_place_is_opened(content: bytes, key: str, number: int) -> None:
    """Empty, long, and with any text for a key."""
    by = sealer()
    draft = replace(DRAFT, content=content, key=key, number=number)

    assert by.open(sealed_entry(by, draft)) == content


def test_the_record_says_format_key_and_nonce_first() -> None:
    """As it is written down."""
    key_id, sealed = sealer((1, KEY), (0x0A0B0C0D, OTHER_KEY)).seal(DRAFT)

    assert key_id == 0x0A0B0C0D
    assert sealed[0] == FORMAT == 1
    assert sealed[1:5] == b"\x0a\x0b\x0c\x0d"
    assert sealed[5 : 5 + NONCE_BYTES] == (1).to_bytes(12, "big")
    assert len(sealed) == 1 + 4 + 12 + len(DRAFT.content) + 16


def test_the_content_cannot_be_read_from_the_record() -> None:
    """That is what it is for."""
    assert DRAFT.content not in sealer().seal(DRAFT)[1]


def test_the_same_draft_sealed_twice_looks_different() -> None:
    """Equal accounts don't show as equal records."""
    by = sealer()

    assert by.seal(DRAFT)[1] != by.seal(DRAFT)[1]


def test_each_record_takes_a_nonce_of_its_own_from_chance() -> None:
    """One repeated nonce would give away both contents."""
    by = sealer()

    nonces = [by.seal(DRAFT)[1][5:17] for _ in range(3)]

    assert nonces == [number.to_bytes(12, "big") for number in (1, 2, 3)]


def test_no_nonce_is_given_out_twice_where_one_page_of_chance_ends_and_the_next_begins() -> None:
    """Chance is taken a page at a time; none of it may serve twice."""
    nonces, pages = Nonces(counting()), 3

    given = [nonces.next() for _ in range(341 * pages)]

    assert given == [number.to_bytes(NONCE_BYTES, "big") for number in range(1, 341 * pages + 1)]


def test_the_highest_key_seals_and_older_ones_still_open() -> None:
    """A new key serves from now on; what is sealed stays as it is."""
    old = sealer((1, KEY))
    both = sealer((1, KEY), (2, OTHER_KEY))

    assert both.seal(DRAFT)[0] == 2
    assert both.open(sealed_entry(old)) == DRAFT.content


@pytest.mark.parametrize("at", range(1 + 4 + 12 + len(DRAFT.content) + 16))
@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_no_byte_of_a_record_can_be_changed(at: int, mask: int) -> None:
    """Neither of its head, nor nonce, nor content, nor tag."""
    by = sealer((1, KEY), (2, OTHER_KEY))
    kept = sealed_entry(by)
    edited = bytearray(kept.sealed)
    edited[at] ^= mask

    with pytest.raises(RecordDamaged) as caught:
        by.open(replace(kept, sealed=bytes(edited)))

    assert caught.value.number == DRAFT.number


@pytest.mark.parametrize("length", [0, 1, 4, 5, 16, 17, 32, 33, 44])
def test_a_record_cut_short_does_not_open(length: int) -> None:
    """At any length."""
    by = sealer()
    kept = sealed_entry(by)

    with pytest.raises(RecordDamaged):
        by.open(replace(kept, sealed=kept.sealed[:length]))


def test_a_record_with_something_added_does_not_open() -> None:
    """Nor at either end."""
    by = sealer()
    kept = sealed_entry(by)

    with pytest.raises(RecordDamaged):
        by.open(replace(kept, sealed=kept.sealed + b"\0"))


@pytest.mark.parametrize("column", OTHER)
def test_a_row_with_another_value_in_one_column_does_not_open(column: str) -> None:
    """Everything of the header that never changes is bound."""
    by = sealer((1, KEY), (2, KEY[::-1]))
    first = sealed_entry(by)

    with pytest.raises(RecordDamaged):
        by.open(replace(first, **{column: OTHER[column]}))


@pytest.mark.parametrize("column", ["sealed", *sorted(set(OTHER) - {"key_id", "kind", "reverses"})])
def test_two_rows_that_swap_a_column_both_stop_opening(column: str) -> None:
    """Not even whoever knows which rows are alike can exchange a part of them."""
    by = sealer()
    changes = {name: value for name, value in OTHER.items() if name not in {"key_id", "kind", "reverses"}}
    one, two = sealed_entry(by), sealed_entry(by, replace(DRAFT, **changes))
    values = asdict(one)[column], asdict(two)[column]

    with pytest.raises(RecordDamaged):
        by.open(replace(one, **{column: values[1]}))
    with pytest.raises(RecordDamaged):
        by.open(replace(two, **{column: values[0]}))


@pytest.mark.parametrize(
    "moved",
    [
        {"channel": "kios", "key": "kkey-1"},
        {"channel": "kioskk", "key": "ey-1"},
        {"key": "key-1b", "route": "illing"},
        {"route": "billingT", "currency": "JS"},
        {"id": bytes(range(15)), "fingerprint": b"\x0f" + b"f" * 16},
        {"currency": "TJSp", "policy": "olicy-1"},
    ],
)
def test_letters_cannot_move_from_one_column_to_the_next(moved: dict[str, Any]) -> None:
    """No two places are written alike."""
    by = sealer()

    with pytest.raises(RecordDamaged):
        by.open(replace(sealed_entry(by), **moved))


@pytest.mark.parametrize(
    "strange", [{"amount": 2**63}, {"key": "\ud800"}, {"key_id": 2**32}, {"key_id": -1}, {"currency": ""}]
)
def test_a_row_with_impossible_values_is_damaged(strange: dict[str, Any]) -> None:
    """It is reported as any other, not by some error of the encoding."""
    by = sealer()

    with pytest.raises(RecordDamaged):
        by.open(replace(sealed_entry(by), **strange))


def test_what_changes_with_the_state_is_not_bound() -> None:
    """The seal is made once; the evidence watches over the rest."""
    by = sealer()
    moved = replace(
        sealed_entry(by),
        state=State.POSTED,
        epoch=3,
        attempts=4,
        due_at_us=5,
        changed_at_us=6,
        told=Told.POSTED,
        reason="because",
        core_id="core-7",
    )

    assert by.open(moved) == DRAFT.content


def test_a_record_of_a_missing_key_does_not_open() -> None:
    """And no other key is tried."""
    kept = sealed_entry(sealer((2, KEY)))

    with pytest.raises(RecordDamaged):
        sealer((1, KEY)).open(kept)


def test_a_record_of_another_key_with_the_same_id_does_not_open() -> None:
    """The key file isn't the spool's."""
    kept = sealed_entry(sealer((1, KEY)))

    with pytest.raises(RecordDamaged):
        sealer((1, OTHER_KEY)).open(kept)


def test_a_sealer_shows_nothing() -> None:
    """Not in a log, not in a traceback."""
    assert repr(sealer()) == "Sealer()"
    assert repr(Nonces(counting())) == "Nonces()"
