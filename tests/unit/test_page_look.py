"""How the page writes times, durations and shares; and what its first screen says in each state and language."""

import re
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from gateway.admin.state.shown import ChannelShown, RouteShown, SlowedShown, Status
from gateway.admin.views import Money
from gateway.page.look import Look
from gateway.page.verdict import FULL_SOON_S, verdict
from gateway.page.words import Language
from gateway.page.writing import written
from tests.unit.statuses import (
    DOWN,
    FORCED,
    FULL,
    NOW,
    OWED,
    RECOVERING,
    SOFT,
    SPOOL,
    UP,
    standing,
)

NOW_US: Final = int(datetime.fromisoformat(NOW).timestamp()) * 1_000_000


def look_in(language: Language = "en") -> Look:
    """A look from Moscow, three hours ahead."""
    return Look(language, ZoneInfo("Europe/Moscow"), NOW_US)


def part(name: str, status: Status, language: Language = "en") -> str:
    """A part of the first screen as text alone."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html_of(name, status, language))).strip()


def html_of(name: str, status: Status, language: Language = "en") -> str:
    """A part of the first screen."""
    look = look_in(language)
    charts = dict.fromkeys(route.name for route in status.routes)
    fields: dict[str, Any] = {"look": look, "t": look.t, "status": status, "verdict": verdict(status), "charts": charts}
    return written(f"_{name}.html", fields)


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (0.4, "a moment", "мгновение"),
        (59, "59 s", "59 \N{CYRILLIC SMALL LETTER ES}"),
        (60, "1 min", "1 мин"),
        (3_600, "1 h", "1 ч"),
        (5_025, "1 h 23 min", "1 ч 23 мин"),
        (86_400, "1 day", "1 день"),
        (190_000, "2 days 4 h", "2 дня 4 ч"),
        (86_460, "1 day", "1 день"),
    ],
)
def test_durations_are_said_in_two_units(seconds: float, english: str, russian: str) -> None:
    """What is smaller says nothing at this size."""
    assert (look_in("en").span(seconds), look_in("ru").span(seconds)) == (english, russian)


def test_times_are_those_of_the_readers_wall() -> None:
    """With the day where it isn't today."""
    look = look_in()
    assert look.clock() == "06:12:47 MSK"
    assert look.at(NOW) == "06:12"
    assert look.at("2026-01-14T20:59:00.000000Z") == "2026-01-14 23:59"
    assert look.at("2026-01-14T21:00:00.000000Z") == "00:00"
    assert look.exactly(NOW) == "2026-01-15 06:12:47"
    assert look.in_(3_600.0) == "07:12"
    assert (look.at(""), look.exactly("")) == ("", "")


def test_a_local_time_of_a_form_is_one_moment() -> None:
    """Of the reader's zone unless it names another; what is no time is left to the API to refuse."""
    look = look_in()
    assert look.instant("2026-01-15T06:12") == "2026-01-15T06:12:00+03:00"
    assert look.instant("2026-01-15T06:12:00Z") == "2026-01-15T06:12:00+00:00"
    assert look.instant("yesterday") == "yesterday"
    assert look.field(look.instant("2026-01-15T06:12")) == "2026-01-15T06:12:00"
    assert (look.field("yesterday"), look.field("")) == ("", "")


@pytest.mark.parametrize(
    ("some", "whole", "share"), [("0.00", "10.00", 0), ("9.99", "10.00", 99), ("11.00", "10.00", 100), ("1", "0", 100)]
)
def test_a_share_is_never_more_than_all(some: str, whole: str, share: int) -> None:
    """Nor rounded up to it."""
    assert look_in().share(some, whole) == share


def test_an_unknown_word_of_the_machines_is_shown_as_it_is() -> None:
    """A newer node may know more than this page."""
    assert look_in().word("reason", "solar_flare") == "solar_flare"


STATES: Final[list[tuple[RouteShown, dict[str, Any], str, str]]] = [
    (UP, {}, "Billing is up", "Биллинг работает"),
    (SOFT, {}, "Billing is in trouble", "перебоями"),
    (DOWN, {}, "Billing is down", "Биллинг недоступен"),
    (FORCED, {}, "Billing is kept out by a person", "Биллинг отключён человеком"),
    (FULL, {}, "Billing is down, and the limit is reached", "Биллинг недоступен, и лимит исчерпан"),
    (RECOVERING, {}, "Billing is back", "Биллинг вернулся"),
    (UP, {"spool": replace(SPOOL, accepting=False, trouble="no room")}, "Nothing is taken", "Платежи не принимаются"),
]


@pytest.mark.parametrize(("route", "changed", "english", "russian"), STATES)
def test_the_headline_says_how_it_stands(
    route: RouteShown, changed: dict[str, Any], english: str, russian: str
) -> None:
    """In a few words, in both languages."""
    status = standing(route, **changed)
    assert english in part("verdict", status, "en")
    assert russian in part("verdict", status, "ru")


def test_an_outage_is_understood_from_the_first_screen() -> None:
    """Down, since when, why with an example, what happens to payments, how much waits, nothing lost, nobody has to act."""
    told = part("verdict", standing(DOWN))
    assert told == (
        "✕ Billing is down Payments are taken in its place. since 05:47. Its machine refuses connections: the service is"
        " not running, or on another port. Connect call failed (&#39;10.0.0.7&#39;, 8090)"
    )
    figures = part("figures", standing(DOWN))
    assert "Waiting 12,482 3,841,200.50 RUB the oldest since 05:47" in figures
    assert "Lost ✓ Nothing the books add up audited at 05:47" in figures
    assert "Empty at Once billing is back nothing is sent until then" in figures
    assert "Needs a person ✓ Nothing" in figures


def test_coming_back_it_is_said_when_nothing_waits_any_more() -> None:
    """With both ends of the estimate, and at which rates."""
    assert "Empty at 06:40 between 06:31 and 06:55" in part("figures", standing(RECOVERING))
    assert "2.5 come, 81.0 go" in part("routes", standing(RECOVERING))
    assert RECOVERING.estimate is not None
    endless = replace(RECOVERING, estimate=replace(RECOVERING.estimate, high_s=None))
    assert "not before 06:31" in part("figures", standing(endless))
    unknown = replace(RECOVERING, estimate=replace(RECOVERING.estimate, empty_s=None, low_s=None, high_s=None))
    assert "Not known yet" in part("figures", standing(unknown))


def test_limits_say_how_much_is_used_and_how_long_they_last() -> None:
    """And that they are reached."""
    assert "3,841,200.50 RUB / 50,000,000.00 12,482 / 1,000,000 full in 11 h 23 min" in part("routes", standing(DOWN))
    assert "limit reached" in part("routes", standing(FULL))
    assert "The limit of main is reached" in part("figures", standing(FULL))


@pytest.mark.parametrize(("seconds", "tag"), [(FULL_SOON_S - 1, "tag warn"), (FULL_SOON_S, "muted")])
def test_a_limit_that_lasts_for_long_alarms_nobody(seconds: int, tag: str) -> None:
    """A colour for what is full in a year would soon be overlooked where it counts."""
    route = replace(DOWN, exposure=tuple(replace(each, full_in_s=seconds) for each in DOWN.exposure))
    assert f'<b class="{tag}">full in ' in html_of("routes", standing(route))


@pytest.mark.parametrize(
    ("at_once", "rate", "english", "russian"),
    [
        (1, 0.0, "anna lets at most 1 call at once go there", "не больше 1 вызова одновременно до"),
        (3, 2.5, "at most 3 calls at once and 2.5 a second", "не больше 3 вызовов одновременно и 2,5 в секунду"),
        (0, 1.0, "no more calls go there than 1 a second", "вызовов не больше 1 в секунду"),
    ],
)
def test_a_slowed_route_says_how_far_in_the_readers_plural(
    at_once: int, rate: float, english: str, russian: str
) -> None:
    """Calls at once, calls a second, or both."""
    word = SlowedShown(in_flight_max=at_once, rate_max_per_s=rate, until=NOW, actor="anna", reason="a drill")
    route = replace(DOWN, slowed=word)
    assert english in part("routes", standing(route))
    assert russian in part("routes", standing(route), "ru")


def test_a_channel_that_sends_nonsense_is_named() -> None:
    """With how much of what since the start; one that sends none is not."""
    kiosk = ChannelShown(name="kiosk", answers={"posted": 9}, rejected={"amount": 3, "unheard_of": 1})
    bank = ChannelShown(name="bank", answers={}, rejected={})
    told = part("foot", standing(UP, channels=(kiosk, bank)))
    assert "kiosk 4 requests could not be taken since the start: no right amount 3, unheard_of 1" in told
    assert "bank" not in told


def test_a_soft_route_says_how_much_passes() -> None:
    """The share of new payments."""
    assert "Passes through 62 %" in part("routes", standing(SOFT))


def test_what_needs_a_person_is_said_with_its_money_and_urgency() -> None:
    """In the reader's plural."""
    status = standing(DOWN, returns=(OWED,), proposals=1, states={"parked": (Money("RUB", 5, "50.00"),)})
    assert "2 payments to give back 300.00 RUB overdue" in part("figures", status)
    assert "5 платежей разобрать" in part("figures", status, "ru")
    assert "1 proposal to confirm" in part("figures", status)


def test_of_several_routes_the_one_in_trouble_is_named() -> None:
    """And where all is well, how many there are."""
    told = part("verdict", standing(UP, replace(DOWN, name="mobile")))
    assert "mobile : since 05:47" in told
    assert "all 2 routes" in part("verdict", standing(UP, replace(UP, name="mobile")))
