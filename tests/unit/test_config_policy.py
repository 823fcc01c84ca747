"""The stand-in policy as it is set: amounts, what channels inherit, and the version."""

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters.amount import BadAmount
from gateway.standin.policy import UNBOUNDED, Ceiling, Terms, accounts_pattern
from gateway.standin.settings import StandinChannelSettings, StandinRuleSettings, StandinSettings


def test_a_policy_speaks_minor_units_of_the_currency() -> None:
    """The currency's exponent decides, never a float."""
    settings = StandinSettings(payment_max="12.5", exposure_sum_max="700")
    assert settings.policy("kiosk", "RUB").terms.payment_max == 1250
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
    assert policy.terms.payment_max == 10_000
    assert policy.route == Ceiling(sum_max=100_000, count_max=1_000_000)
    assert policy.channel == Ceiling(sum_max=None, count_max=5)


def test_a_channel_can_be_switched_off_alone() -> None:
    """A wallet that answers its payers at once may wait; a kiosk that has swallowed the notes may not."""
    settings = StandinSettings(channels={"wallet": StandinChannelSettings(enabled=False, payment_max="0")})
    assert not settings.policy("wallet", "RUB").enabled
    assert settings.policy("wallet", "RUB").terms.payment_max == 0
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


# Rules


def terms(settings: StandinSettings, service: str = "", account: str = "100", channel: str = "kiosk") -> Terms:
    """The terms of a payment."""
    return settings.policy(channel, "RUB").terms_for(service, account)


def test_the_first_rule_that_fits_counts() -> None:
    """From top to bottom; below them stand the route's own terms."""
    settings = StandinSettings(
        rules=[
            StandinRuleSettings(services=["tv"], answer="try_later"),
            StandinRuleSettings(accounts=["7916*", "7917?"], payment_max="10"),
            StandinRuleSettings(channels=["bank"], answer="refuse"),
        ]
    )
    asked = [("tv", "79161"), ("", "79161"), ("", "79171"), ("", "791712"), ("gas", "100")]
    assert [terms(settings, *each).rule for each in asked] == [1, 2, 2, 0, 0]
    assert terms(settings, channel="bank").answer == "refuse"


def test_a_rule_says_what_is_different_and_follows_channel_and_route_in_the_rest() -> None:
    """In this order."""
    settings = StandinSettings(
        payment_max="100",
        known_accounts_only=True,
        account_day_count_max=3,
        outage_max_s=60,
        channels={"kiosk": StandinChannelSettings(payment_max="50")},
        rules=[StandinRuleSettings(known_accounts_only=False, account_day_sum_max="7", checks="try_later")],
    )
    found = terms(settings)
    assert (found.payment_max, found.known_accounts_only, found.outage_max_s) == (5_000, False, 60)
    assert (found.account_day, found.checks) == (Ceiling(sum_max=700, count_max=3), "try_later")
    assert not found.plain


def test_without_rules_and_account_limits_nothing_is_looked_up() -> None:
    """What most installations write costs a few reads of attributes."""
    policy = StandinSettings().policy("kiosk", "RUB")
    assert (policy.rules, policy.terms.plain, policy.terms.account_day) == ((), True, None)
    assert policy.channel == UNBOUNDED


@pytest.mark.parametrize(
    "change",
    [{"known_accounts_only": True}, {"account_day_sum_max": "1"}, {"account_day_count_max": 1}, {"outage_max_s": 1}],
)
def test_terms_that_ask_for_facts_say_so(change: dict[str, Any]) -> None:
    """Each of them."""
    assert not terms(StandinSettings(**change)).plain


@pytest.mark.parametrize(
    ("wildcard", "account", "fits"),
    [
        ("100", "100", True),
        ("100", "1000", False),
        ("1*", "1", True),
        ("*1", "0001", True),
        ("*1", "0010", False),
        ("1?3", "123", True),
        ("1?3", "13", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("**", "", True),
        ("1.3", "1x3", False),
        ("(*", "(x", True),
    ],
)
def test_wildcards_are_stars_and_question_marks_and_nothing_else(wildcard: str, account: str, fits: bool) -> None:  # noqa: FBT001 - a column of the table
    """No regular expression of a configuration meets an account of a stranger."""
    found = accounts_pattern([wildcard])
    assert found is not None
    assert (found.fullmatch(account) is not None) is fits


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_mean_what_shells_mean(wildcard: str, account: str) -> None:
    """By the standard library's own matcher."""
    found = accounts_pattern([wildcard])
    assert found is not None
    assert (found.fullmatch(account) is not None) == fnmatchcase(account, wildcard)


def test_a_wildcard_made_to_take_long_does_not() -> None:
    """Twenty stars against an account that almost fits: counted steps, not seconds."""
    found = accounts_pattern(["*a" * 20 + "*b"])
    assert found is not None
    assert found.fullmatch("a" * 5_000) is None


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "UTC\x00"])
def test_a_zone_there_is_not_is_refused(zone: str) -> None:
    """An account's day would begin at no time."""
    with pytest.raises(ValidationError):
        StandinSettings(time_zone=zone)


@pytest.mark.parametrize(
    ("settings", "learns"),
    [
        (StandinSettings(), False),
        (StandinSettings(learn_accounts=True), True),
        (StandinSettings(known_accounts_only=True), True),
        (StandinSettings(checks="known_accounts"), True),
        (StandinSettings(rules=[StandinRuleSettings(known_accounts_only=True)]), True),
        (StandinSettings(rules=[StandinRuleSettings(checks="known_accounts")]), True),
        (StandinSettings(rules=[StandinRuleSettings()]), False),
    ],
)
def test_accounts_are_learned_where_somebody_asks_for_them(settings: StandinSettings, learns: bool) -> None:  # noqa: FBT001 - a column of the table
    """And nowhere else, as it writes."""
    assert settings.learns is learns
