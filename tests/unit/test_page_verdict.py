"""What the first screen says of each state: one word, why, what waits, is anything lost, who has to act."""

from typing import Any, Final

import pytest
from msgspec.structs import replace

from gateway.admin.state.shown import RouteShown
from gateway.admin.views import Money
from gateway.page.verdict import SIGNS, TONES, Mood, Need, Stop, adds_up, mood_of, verdict
from tests.unit.statuses import (
    DOWN,
    EVIDENCE,
    FORCED,
    FULL,
    NOW,
    OWED,
    RECOVERING,
    SOFT,
    SOME,
    SPOOL,
    UP,
    WITNESS,
    conserved,
    standing,
)

DISK_FULL: Final = replace(SPOOL, accepting=False, trouble="less than 64 MiB free")


@pytest.mark.parametrize(
    ("route", "mood"),
    [
        (UP, Mood.WELL),
        (replace(UP, recovering=True), Mood.WELL),
        (RECOVERING, Mood.RECOVERING),
        (SOFT, Mood.SOFT),
        (replace(DOWN, zone="trial"), Mood.TRIAL),
        (DOWN, Mood.DOWN),
        (FULL, Mood.FULL),
        (FORCED, Mood.FORCED),
        (replace(DOWN, window_until=NOW), Mood.PLANNED),
        (replace(DOWN, overrun_since=NOW), Mood.OVERRUN),
    ],
)
def test_a_route_is_called_by_what_matters_most(route: RouteShown, mood: Mood) -> None:
    """Recovering means that something still waits."""
    assert mood_of(route) is mood


def test_a_route_is_full_when_each_of_its_channels_is() -> None:
    """One channel at its own limit is a matter of that channel."""
    whole = replace(DOWN.exposure[0], full_in_s=None)
    kiosk, bank = (replace(whole, channel=name, full_in_s=0) for name in ("kiosk", "bank"))
    assert mood_of(replace(DOWN, exposure=(whole, kiosk, bank))) is Mood.FULL
    assert mood_of(replace(DOWN, exposure=(whole, kiosk, replace(bank, full_in_s=60)))) is Mood.DOWN


@pytest.mark.parametrize(
    ("changed", "stop"),
    [
        ({"ready": False}, Stop.LISTENER),
        ({"spool": DISK_FULL}, Stop.SPOOL),
        ({"ready": False, "evidence": replace(EVIDENCE, gap="12 events are known to be missing")}, Stop.EVIDENCE),
    ],
)
def test_where_nothing_is_taken_nothing_else_is_the_headline(changed: dict[str, Any], stop: Stop) -> None:
    """Whatever billing does meanwhile."""
    found = verdict(standing(UP, **changed))
    assert (found.mood, found.stop, found.tone) == (Mood.STOPPED, stop, "alarm")


def test_the_worst_route_is_the_headline_and_is_named() -> None:
    """One of three is down."""
    found = verdict(standing(UP, replace(DOWN, name="mobile"), replace(SOFT, name="tv")))
    assert (found.mood, [route.name for route in found.routes], found.of_routes) == (Mood.DOWN, ["mobile"], 3)


def test_what_waits_is_told_in_count_and_money_by_currency() -> None:
    """Reversals are counted apart, as they are no money waiting to be booked."""
    tenge = conserved(Money("KZT", 3, "900.00"), currency="KZT")
    undone = conserved(Money("RUB", 4, "40.00"), kind="reversal")
    found = verdict(standing(DOWN, conservation=(conserved(SOME), tenge, undone)))
    assert found.waiting == (SOME, Money("KZT", 3, "900.00"))
    assert found.reversals == 4


@pytest.mark.parametrize(
    ("changed", "sound"),
    [
        ({}, True),
        ({"conservation": (conserved(SOME, posted=Money("RUB", 99, "1000.00")),)}, False),
        ({"conservation": (conserved(SOME, posted=Money("RUB", 100, "999.99")),)}, False),
        ({"evidence": replace(EVIDENCE, audit_faults=1)}, False),
        ({"evidence": replace(EVIDENCE, gap="12 events are known to be missing")}, False),
        ({"states": {"quarantined": (Money("RUB", 1, "10.00"),)}}, False),
        ({"evidence": None}, True),
    ],
)
def test_nothing_is_lost_is_said_only_while_nothing_speaks_against_it(changed: dict[str, Any], *, sound: bool) -> None:
    """The books add up in count and in money, the audit found nothing, and no record is damaged."""
    assert verdict(standing(DOWN, **changed)).is_sound is sound


def test_books_below_nothing_do_not_add_up() -> None:
    """However well the sum comes out."""
    waiting, posted = Money("RUB", 200, "-10.00"), Money("RUB", -100, "1010.00")
    assert not adds_up(conserved(waiting=waiting, posted=posted, accepted=Money("RUB", 100, "1000.00")))


def test_when_nothing_needs_a_person_nothing_is_said_to() -> None:
    """An outage alone is the machine's affair."""
    assert verdict(standing(DOWN)).duties == ()


def test_what_needs_a_person_is_told_most_urgent_first() -> None:
    """Each with its count, its money or its name."""
    states = {"held": (Money("RUB", 1, "5.00"),), "parked": (Money("RUB", 3, "30.00"),)}
    silent = replace(EVIDENCE, witnesses=(replace(WITNESS, trouble="no route to host"),), audit_faults=2)
    found = verdict(standing(FULL, states=states, returns=(OWED,), proposals=4, evidence=silent, spool=DISK_FULL))
    assert [(duty.need, duty.count, duty.about) for duty in found.duties] == [
        (Need.SPOOL, 0, "less than 64 MiB free"),
        (Need.FINDINGS, 2, ""),
        (Need.FULL, 0, "main"),
        (Need.RETURNS, 2, "main"),
        (Need.PARKED, 3, ""),
        (Need.PROPOSALS, 4, ""),
        (Need.WITNESS, 0, "notary"),
        (Need.HELD, 1, ""),
    ]
    assert [duty.stage for duty in found.duties if duty.need is Need.RETURNS] == ["overdue"]


def test_every_mood_has_a_colour_and_every_colour_a_sign() -> None:
    """Who sees no colours reads as much."""
    assert set(TONES) == set(Mood)
    assert set(TONES.values()) == set(SIGNS)
