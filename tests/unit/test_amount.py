"""Amounts: what is read, what is refused, and that writing and reading agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.amount import BadAmount, UnknownCurrency, read_amount, scale, write_amount
from adapters.payment import AMOUNT_MINOR_MAX


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("200.00", "RUB", 20000),
        ("200.5", "RUB", 20050),
        ("200", "RUB", 20000),
        ("0.01", "RUB", 1),
        ("0", "RUB", 0),
        ("10000000000000.00", "RUB", AMOUNT_MINOR_MAX),
        ("200", "JPY", 200),
        ("1.005", "KWD", 1005),
        ("007.00", "RUB", 700),
    ],
)
def test_decimal_text_becomes_minor_units(text: str, currency: str, minor: int) -> None:
    """The exponent is the currency's, so the same text is another number in another currency."""
    assert read_amount(text, currency) == minor


@pytest.mark.parametrize(
    "text",
    [
        "", "NaN", "Infinity", "1e5", "-1", "+1", "1.000", "1,00", "1.", ".5", " 1", "1 ", "1\n", "1_000", "1.2.3",
        "9" * 40, "10000000000000.01", "\u0661\u0662\u0663", "\uff11\uff12", "0x10", "1'000", "\u22121",
    ],
)  # fmt: skip
def test_anything_but_plain_ascii_digits_is_refused(text: str) -> None:
    """Each of these is read as a number by one of Python's own readers, or by a careless core."""
    with pytest.raises(BadAmount):
        read_amount(text, "RUB")


def test_a_refusal_never_repeats_the_text() -> None:
    """What a channel sent may be anything, and errors are logged."""
    with pytest.raises(BadAmount) as caught:
        read_amount("4111111111111111x", "RUB")
    assert "4111" not in str(caught.value)


@pytest.mark.parametrize("text", ["1.0", "1."])
def test_a_currency_without_decimals_takes_no_point(text: str) -> None:
    """A yen has no hundredth part; a sender who writes one means another currency."""
    with pytest.raises(BadAmount):
        read_amount(text, "JPY")


@pytest.mark.parametrize("currency", ["", "rub", "XXY", "XAU", "RUBL"])
def test_only_currencies_with_a_minor_unit_have_a_scale(currency: str) -> None:
    """A wrong code must be found when the configuration is read, not at the first payment."""
    with pytest.raises(UnknownCurrency):
        scale(currency)


@pytest.mark.parametrize(("minor", "text"), [(0, "0.00"), (1, "0.01"), (10, "0.10"), (20050, "200.50")])
def test_all_decimals_are_written(minor: int, text: str) -> None:
    """OSMP asks for two decimals with a dot (QIWI provider protocol, parameter `sum`)."""
    assert write_amount(minor, "RUB") == text


@given(st.integers(0, AMOUNT_MINOR_MAX), st.sampled_from(["RUB", "KZT", "JPY", "KWD", "CLF"]))
def test_what_is_written_is_read_back_the_same(minor: int, currency: str) -> None:
    """Money passes the gateway unchanged, in every exponent."""
    assert read_amount(write_amount(minor, currency), currency) == minor


@given(st.text(max_size=30))
def test_any_text_is_an_amount_in_range_or_refused(text: str) -> None:
    """There is no third way out: no crash, no negative, nothing beyond the limit."""
    try:
        minor = read_amount(text, "RUB")
    except BadAmount:
        return
    assert 0 <= minor <= AMOUNT_MINOR_MAX
