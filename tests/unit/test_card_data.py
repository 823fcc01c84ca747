"""Card data in free attributes is seen, and ordinary numbers are not taken for it."""

import pytest

from adapters.card_data import card_like, card_text, masked


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004", "2200000000000004", "378282246310005",
        "4222222222222", "paid with 4111111111111111 thanks", "%B4111111111111111^DOE/J^2912", ";4111111111111111=2912",
        "6011000990139424",
    ],
)  # fmt: skip
def test_card_numbers_and_tracks_are_seen_anywhere_in_a_text(text: str) -> None:
    """Test numbers of the card schemes, bare, grouped, and in the middle of words."""
    assert card_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "87071234567", "4111111111111112", "0000000000000000", "7999999999999999993", "123456789012",
        "41111111111111111111111", "2026-01-15T12:00:00+05:00",
    ],
)  # fmt: skip
def test_telephones_times_and_terminal_numbers_are_no_cards(text: str) -> None:
    """A payment refused for a number that only looks like a card's is a payer turned away."""
    assert not card_text(text)


@pytest.mark.parametrize("name", ["cvv", "CVV2", "pin", "Track2", "track_2", "card-number", "PAN"])
def test_a_field_named_for_card_data_is_seen_by_its_name(name: str) -> None:
    """Three digits of a security code can't be told by looks."""
    assert card_like(name, "123")
    assert not card_like(name, "")


def test_masking_leaves_the_other_attributes_as_they_are() -> None:
    """Where the payer's money is already taken, the payment goes on without the card."""
    assert masked({"a": "4111111111111111", "pin": "1234", "t": "T1"}) == {"a": "***", "pin": "***", "t": "T1"}
