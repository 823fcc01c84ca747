"""The stand-in policy as it is set: amounts, what channels inherit, and the version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.standin.settings import Ceiling, StandinChannelSettings, StandinSettings, minor_units


@pytest.mark.parametrize(
    ("text", "exponent", "minor"),
    [("0", 2, 0), ("12.5", 2, 1250), ("12.50", 2, 1250), ("7", 0, 7), ("7.000", 0, 7), ("1.234", 3, 1234)],
)
def test_a_decimal_string_becomes_minor_units(text: str, exponent: int, minor: int) -> None:
    """The currency's exponent decides, never a float."""
    assert minor_units(text, exponent) == minor


@pytest.mark.parametrize(("text", "exponent"), [("1.5", 0), ("1.005", 2)])
def test_decimals_the_currency_does_not_have_are_refused(text: str, exponent: int) -> None:
    """A limit of half a yen is a mistake, not something to round."""
    with pytest.raises(ValueError, match="decimals"):
        minor_units(text, exponent)


@given(minor=st.integers(0, 10**14), exponent=st.integers(0, 3))
def test_minor_units_written_out_come_back(minor: int, exponent: int) -> None:
    """Writing an amount as a decimal string loses nothing."""
    whole, rest = divmod(minor, int("1" + "0" * exponent))
    text = f"{whole}.{rest:0{exponent}d}".removesuffix(".0" * (exponent == 0))
    assert minor_units(text, exponent) == minor


@pytest.mark.parametrize("text", ["1e5", "-1", "+1", "1,5", ".5", "1.", "NaN", "", " 1", "01", "1.2345", "1" * 13, "\u0661"])
def test_other_ways_to_write_an_amount_are_refused(text: str) -> None:
    """One form only, so nobody has to guess what a limit means."""
    with pytest.raises(ValidationError):
        StandinSettings(payment_max=text)


def test_a_channel_follows_the_route_where_it_says_nothing() -> None:
    """An override is only what is different; the route's sums stay over all channels together."""
    settings = StandinSettings(
        payment_max="100", exposure_sum_max="1000", channels={"kiosk": StandinChannelSettings(exposure_count_max=5)}
    )
    policy = settings.policy("kiosk", 2)
    assert policy.enabled
    assert policy.payment_max == 10_000
    assert policy.route == Ceiling(sum_max=100_000, count_max=1_000_000)
    assert policy.channel == Ceiling(sum_max=None, count_max=5)


def test_a_channel_can_be_switched_off_alone() -> None:
    """A wallet that answers its payers at once may wait; a kiosk that has swallowed the notes may not."""
    settings = StandinSettings(channels={"wallet": StandinChannelSettings(enabled=False, payment_max="0")})
    assert not settings.policy("wallet", 2).enabled
    assert settings.policy("wallet", 2).payment_max == 0
    assert settings.policy("kiosk", 2).enabled


def test_policies_that_say_the_same_have_one_version() -> None:
    """Writing a default out is not another policy."""
    assert StandinSettings().version == StandinSettings(payment_max="15000.00", channels={}).version


def test_every_rule_changes_the_version() -> None:
    """An entry's version must tell by which rules it was taken."""
    versions = {
        StandinSettings().version,
        StandinSettings(enabled=False).version,
        StandinSettings(payment_max="1").version,
        StandinSettings(checks="try_later").version,
        StandinSettings(channels={"kiosk": StandinChannelSettings(enabled=False)}).version,
    }
    assert len(versions) == 5
    assert {len(version) for version in versions} == {12}
