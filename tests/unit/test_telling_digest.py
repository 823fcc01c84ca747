"""Which events a sink is told now: by urgency, gathered, spaced, and not at night."""

import pytest

from gateway.telling.digest import choose, is_quiet
from gateway.telling.event import Kind, Phase, Severity
from gateway.telling.settings import PaceSettings
from tests.unit.telling import US, event, settings

NOON_US = 1_767_268_800 * US
"""2026-01-01 12:00 UTC."""


def test_nothing_waits() -> None:
    """Then nothing is told, and nothing passed."""
    choice = choose([], "ops", settings(), US, 0)
    assert (choice.events, choice.passed, choice.wait_s) == ((), 0, 0.0)


def test_what_a_sink_does_not_want_is_passed() -> None:
    """It isn't looked at again."""
    choice = choose([event(4, severity=Severity.INFO)], "ops", settings(), 10 * US, 0)
    assert (choice.events, choice.passed) == ((), 4)


def test_announcements_of_windows_are_told_to_every_sink() -> None:
    """However little it wants to hear."""
    ahead = event(1, Kind.WINDOW_AHEAD, Phase.TOLD, severity=Severity.INFO)
    assert choose([ahead], "ops", settings("critical"), 10 * US, 0).events == (ahead,)


def test_a_sink_is_not_told_of_its_own_trouble_and_others_are() -> None:
    """It could not tell it, and would have it in hand when it can."""
    trouble = event(1, Kind.SINK_TROUBLE, subject="ops", severity=Severity.WARNING)
    assert choose([trouble], "ops", settings(), 10 * US, 0).passed == 1
    assert choose([trouble], "mail", settings(), 10 * US, 0).events == (trouble,)


def test_a_test_is_told_by_the_sink_it_is_of_and_at_once() -> None:
    """Somebody waits for it."""
    test = event(1, Kind.TEST, Phase.TOLD, subject="ops", severity=Severity.INFO)
    assert choose([test], "ops", settings(gather_s=60.0), US, 0).events == (test,)
    assert choose([test], "mail", settings(), US, 0).events == ()


def test_a_channels_sink_is_told_of_its_own_returns_alone() -> None:
    """Nor of anything that every sink of ours is told; and ours aren't told of those a channel is told of."""
    kiosk = settings("critical").model_copy(update={"channel": "kiosk"})
    ahead = event(1, Kind.WINDOW_AHEAD, Phase.TOLD, severity=Severity.INFO)
    away, others, warned, due = (
        event(2),
        event(3, Kind.CHANNEL_RETURNS, subject="bank"),
        event(4, Kind.CHANNEL_RETURNS, subject="kiosk", severity=Severity.WARNING),
        event(5, Kind.CHANNEL_RETURNS, subject="kiosk"),
    )
    assert choose([ahead, away, others, warned, due], "theirs", kiosk, 10 * US, 0).events == (due,)
    assert choose([others, warned, due], "ops", settings("info"), 10 * US, 0).passed == 5


def test_events_gather_for_one_message() -> None:
    """From the first of them on."""
    waiting = [event(10), event(11), event(12)]
    assert choose(waiting, "ops", settings(gather_s=5.0), 12 * US, 0).wait_s == 3.0
    assert len(choose(waiting, "ops", settings(gather_s=5.0), 15 * US, 0).events) == 3


def test_messages_keep_their_distance() -> None:
    """A storm costs so many messages an hour."""
    assert choose([event(10)], "sms", settings(interval_s=60.0), 20 * US, 5 * US).wait_s == 45.0
    assert choose([event(10)], "sms", settings(interval_s=60.0), 65 * US, 5 * US).events == (event(10),)


@pytest.mark.parametrize(("severity", "is_told"), [(Severity.CRITICAL, True), (Severity.WARNING, False)])
def test_in_quiet_hours_only_what_is_critical_is_told(severity: Severity, is_told: bool) -> None:  # noqa: FBT001 - a column of the table
    """The rest waits for their end."""
    quiet = settings(quiet_from="11:00", quiet_until="13:00")
    choice = choose([event(1, severity=severity)], "sms", quiet, NOON_US, 0)
    assert bool(choice.events) is is_told
    assert (choice.wait_s > 0) is not is_told


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "quiet"),
    [
        ("11:00", "13:00", "UTC", True),
        ("12:00", "12:01", "UTC", True),
        ("11:00", "12:00", "UTC", False),
        ("22:00", "07:00", "UTC", False),
        ("22:00", "07:00", "Pacific/Auckland", True),
        ("22:00", "12:01", "UTC", True),
        (None, None, "UTC", False),
    ],
)
def test_quiet_hours_are_those_of_a_zone_and_may_go_over_midnight(
    begins: str | None,
    ends: str | None,
    zone: str,
    quiet: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """At noon of UTC."""
    assert is_quiet(PaceSettings(quiet_from=begins, quiet_until=ends, time_zone=zone), NOON_US) is quiet


def test_a_clock_that_is_set_back_holds_no_message_up() -> None:
    """An outage may come just after; nobody waits until it is that late again."""
    hasty = settings(gather_s=5.0, interval_s=60.0)
    assert choose([event(3_600)], "ops", hasty, 60 * US, 3_500 * US).events == (event(3_600),)
