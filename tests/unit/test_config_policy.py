"""The stand-in policy as it is set: amounts, what channels inherit, and the version."""

import pytest
from pydantic import ValidationError

from adapters.amount import BadAmount
from gateway.standin.settings import Ceiling, StandinChannelSettings, StandinSettings


def test_a_policy_speaks_minor_units_of_the_currency() -> None:
    """The currency's exponent decides, never a float."""
    settings = StandinSettings(payment_max="12.5", exposure_sum_max="700")
    assert settings.policy("kiosk", "RUB").payment_max == 1250
    assert settings.policy("kiosk", "KWD").route.sum_max == 700_000


def test_decimals_the_currency_does_not_have_are_refused() -> None:
    """A limit of half a yen is a mistake, not something to round."""
    with pytest.raises(BadAmount):
        StandinSettings(payment_max="1.5").policy("kiosk", "JPY")


@pytest.mark.parametrize("text", ["1e5", "-1", "+1", "1,5", ".5", "1.", "NaN", "", " 1", "1.23456", "1" * 17, "\u0661"])
def test_other_ways_to_write_an_amount_are_refused(text: str) -> None:
    """One form only, so nobody has to guess what a limit means."""
    with pytest.raises(ValidationError):
        StandinSettings(payment_max=text)


def test_a_channel_follows_the_route_where_it_says_nothing() -> None:
    """An override is only what is different; the route's sums stay over all channels together."""
    settings = StandinSettings(
        payment_max="100", exposure_sum_max="1000", channels={"kiosk": StandinChannelSettings(exposure_count_max=5)}
    )
    policy = settings.policy("kiosk", "RUB")
    assert policy.enabled
    assert policy.payment_max == 10_000
    assert policy.route == Ceiling(sum_max=100_000, count_max=1_000_000)
    assert policy.channel == Ceiling(sum_max=None, count_max=5)


def test_a_channel_can_be_switched_off_alone() -> None:
    """A wallet that answers its payers at once may wait; a kiosk that has swallowed the notes may not."""
    settings = StandinSettings(channels={"wallet": StandinChannelSettings(enabled=False, payment_max="0")})
    assert not settings.policy("wallet", "RUB").enabled
    assert settings.policy("wallet", "RUB").payment_max == 0
    assert settings.policy("kiosk", "RUB").enabled


def test_policies_that_say_the_same_have_one_version() -> None:
    """Writing a default out is not another policy."""
    assert StandinSettings().version == StandinSettings(payment_max="15000", channels={}).version


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


@pytest.mark.parametrize("currency", ["RUB", "JPY", "KWD", "UYW"])
def test_the_defaults_are_amounts_of_every_currency(currency: str) -> None:
    """A limit nobody wrote must not be the fault of a configuration."""
    assert StandinSettings().policy("kiosk", currency).enabled
