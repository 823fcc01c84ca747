"""Planned windows: when they come, and what they do to routes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import settle
from gateway.route.health import OWN_FORGOTTEN_US
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone
from gateway.windows.board import Board
from gateway.windows.plan import ACTOR, BACK_WITHIN_US, LOOK_S, MEMO, WINDOWS_MAX, Overrun, Plan
from gateway.windows.window import DURATION_MAX_S, Span, Window, concerns, entered, faults, following, spans
from tests.unit.fake_core import NOT_SENT, Does
from tests.unit.heart import HOUR_US, ROUTE, Heart, OpenHeart

US = 1_000_000
BEGIN = "2026-01-01T01:00:00"
"""An hour after the hearts' clocks begin."""


def window(**changes: Any) -> Window:
    """An hour's window on the tests' route, an hour from now."""
    usual: dict[str, Any] = {
        "id": 1,
        "route": ROUTE,
        "begins": BEGIN,
        "time_zone": "UTC",
        "duration_s": 3_600,
        "actor": "anna",
        "reason": "an upgrade",
    }
    return Window(**usual | changes)


def at(text: str) -> int:
    """Microseconds of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * US


# When


def test_a_window_comes_once() -> None:
    """And is over when it is over."""
    span = Span(at("2026-01-01T01:00:00"), at("2026-01-01T02:00:00"))
    assert following(window(), 0, 9) == [span]
    assert following(window(), span.ends_us - 1, 9) == [span]
    assert following(window(), span.ends_us, 9) == []


def test_a_window_comes_again_by_its_rule() -> None:
    """At the same local time when the clocks change: the last Sunday of March in Berlin is an hour shorter."""
    weekly = window(begins="2026-03-22T04:00:00", time_zone="Europe/Berlin", rule="FREQ=WEEKLY;BYDAY=SU")
    begins = [span.begins_us for span in following(weekly, 0, 3)]
    assert begins == [at("2026-03-22T03:00:00"), at("2026-03-29T02:00:00"), at("2026-04-05T02:00:00")]


@given(st.lists(st.tuples(st.integers(-3, 40 * 24), st.integers(1, 5)), min_size=1, max_size=20))
def test_what_comes_next_is_the_same_whenever_and_however_often_it_is_asked(asked: list[tuple[int, int]]) -> None:
    """Times are remembered; a clock that was put back finds those again that were over."""
    daily = window(rule="FREQ=DAILY;COUNT=30")
    every = list(spans(daily))

    for hours, limit in asked:
        now_us = every[0].begins_us + hours * 3600 * US
        assert following(daily, now_us, limit) == [span for span in every if span.ends_us > now_us][:limit]


def test_a_rule_is_looked_at_for_five_years_and_no_longer() -> None:
    """What is planned for longer is planned anew."""
    assert len(following(window(rule="FREQ=YEARLY"), 0, 99)) == 6
    assert len(following(window(rule="FREQ=DAILY;COUNT=3"), 0, 99)) == 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"duration_s": 0}, "it lasts"),
        ({"duration_s": DURATION_MAX_S + 1}, "it lasts"),
        ({"lead_s": -1}, "opens"),
        ({"time_zone": "Mars/Olympus"}, "write a time"),
        ({"begins": "tonight"}, "write a time"),
        ({"begins": "2026-01-01T01:00:00Z"}, "without an offset"),
        ({"begins": "1926-01-01T01:00:00"}, "without an offset"),
        ({"begins": "2026-01-01T01:00:00.5"}, "without an offset"),
        ({"rule": "FREQ=SECONDLY"}, "daily or coarser"),
        ({"rule": "FREQ=WEEKLY\nEXRULE:FREQ=DAILY"}, "daily or coarser"),
        ({"rule": "FREQ=WEEKLY;UNTIL=99991231T000000Z"}, "daily or coarser"),
        ({"rule": "FREQ=DAILY;BYMONTHDAY=30;BYMONTH=2"}, "of days there are"),
        ({"rule": "FREQ=DAILY;BYMONTH=13"}, "of days there are"),
        ({"rule": "FREQ=MONTHLY;BYDAY=5SU"}, "daily or coarser"),
        ({"rule": "FREQ=WEEKLY;BYDAY=XX"}, "never comes"),
    ],
)
def test_a_window_with_faults_is_told_them(changes: dict[str, Any], says: str) -> None:
    """Before it is planned, and none takes long to find out about."""
    assert says in "; ".join(faults(window(**changes)))


def test_a_window_without_faults_has_none() -> None:
    """Once, or by a rule."""
    assert faults(window()) == faults(window(rule="FREQ=MONTHLY;BYDAY=1SU")) == []


@given(
    rule=st.sampled_from(["", "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=MONTHLY;BYMONTHDAY=31"]),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Dushanbe", "America/New_York"]),
    lead_s=st.integers(0, 7_200),
    now_us=st.integers(at("2026-01-01T00:00:00"), at("2027-06-01T00:00:00")),
)
def test_a_route_is_in_a_window_exactly_from_its_lead_to_its_end(
    rule: str, zone: str, lead_s: int, now_us: int
) -> None:
    """Over the year, in zones with clocks that change and without."""
    planned = window(rule=rule, time_zone=zone, lead_s=lead_s, duration_s=5_400)
    spans = following(planned, 0, 5_000)
    inside = [each for each in spans if each.begins_us - lead_s * US <= now_us < each.ends_us]
    assert entered(planned, now_us) == (inside[0] if inside else None)
    assert spans == sorted(spans)


@pytest.mark.parametrize(("route", "concerned"), [("", True), (ROUTE, True), ("other", False)])
def test_a_window_is_of_one_route_or_of_all(route: str, concerned: bool) -> None:  # noqa: FBT001 - a column of the table
    """An empty name is all."""
    assert concerns(window(route=route), ROUTE) is concerned


# What they do


@pytest.fixture
async def plan(heart: Heart) -> Plan:
    """The plan of a heart's one route."""
    return Plan(heart.store, [heart.route], heart.clock)


async def pass_time(heart: Heart, plan: Plan, seconds: float) -> None:
    """Time goes on, and everybody looks."""
    await heart.clock.advance(seconds)
    heart.health.watch_once()
    plan.look()


async def test_a_route_opens_before_its_window_and_comes_back_after_it(heart: Heart, plan: Plan) -> None:
    """It is forced like by a person, until the window's end; then the core is tried before traffic comes back."""
    assert await plan.add(window(lead_s=60))
    await pass_time(heart, plan, 3_539)
    assert heart.health.zone is Zone.CLOSED
    await pass_time(heart, plan, 1)
    word = heart.health.forced
    assert word is not None
    assert (heart.health.zone, word.actor, word.until_us) == (Zone.OPEN, ACTOR, at("2026-01-01T02:00:00"))
    assert set(plan.entered) == {ROUTE}
    await pass_time(heart, plan, 3_660)
    assert (heart.health.forced, plan.entered) == (None, {})
    assert heart.health.zone is not Zone.CLOSED


async def test_a_route_that_is_not_back_overruns_until_it_is(heart: Heart, plan: Plan) -> None:
    """Which is when the pager isn't quiet any more."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    await pass_time(heart, plan, 3_600)
    assert (plan.overruns, plan.is_planned(ROUTE)) == ({}, True)
    heart.open_route()
    plan.look()
    assert (plan.overruns, plan.is_planned(ROUTE)) == ({}, True)
    await heart.clock.advance(BACK_WITHIN_US / US)
    plan.look()
    assert (plan.overruns, plan.is_planned(ROUTE)) == ({ROUTE: Overrun(1, at("2026-01-01T02:00:00"))}, False)
    heart.close_route()
    plan.look()
    assert plan.overruns == {}


async def test_a_core_on_trial_after_a_window_is_not_late(heart: Heart, plan: Plan) -> None:
    """It answers, and waits for payments to be tried by; should they fail, then it is."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    await pass_time(heart, plan, 3_600)
    await heart.clock.advance(2 * BACK_WITHIN_US / US)
    plan.look()
    assert (heart.health.zone, plan.overruns, plan.is_planned(ROUTE)) == (Zone.TRIAL, {}, True)
    heart.open_route()
    plan.look()
    assert set(plan.overruns) == {ROUTE}


async def test_after_a_window_whose_core_comes_back_nobody_is_late(heart: Heart, plan: Plan) -> None:
    """It was tried, and is as ever."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    await pass_time(heart, plan, 3_600)
    heart.close_route()
    plan.look()
    assert (plan.overruns, plan.returning, plan.is_planned(ROUTE)) == ({}, {}, False)


async def test_a_persons_word_is_not_overruled(heart: Heart, plan: Plan) -> None:
    """Who closed the route, knows of the window; and his word outlives it."""
    await plan.add(window())
    await heart.clock.advance(3_600)
    heart.close_route()
    plan.look()
    assert (heart.health.zone, set(plan.entered)) == (Zone.CLOSED, {ROUTE})
    await plan.cancel(1)
    plan.look()
    word = heart.health.forced
    assert word is not None
    assert (word.actor, plan.entered, plan.overruns) == ("test", {}, {})


async def test_a_window_that_is_cancelled_ends(heart: Heart, plan: Plan) -> None:
    """The core is tried at once."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    assert (await plan.cancel(1)) == window()
    plan.look()
    assert (heart.health.forced, plan.entered, plan.windows) == (None, {}, ())
    assert await plan.cancel(1) is None


async def test_of_two_windows_the_one_that_ends_last_counts(heart: Heart, plan: Plan) -> None:
    """One that is longer than a route may be forced for is entered all the same."""
    await plan.add(window())
    await plan.add(window(id=2, duration_s=7_200))
    await pass_time(heart, plan, 3_600)
    word = heart.health.forced
    assert word is not None
    assert word.until_us == at("2026-01-01T03:00:00")
    assert plan.entered[ROUTE][0].id == 2


async def test_payments_are_provisional_in_a_window(heart: Heart, plan: Plan) -> None:
    """Nothing goes to the core."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    heart.core.will(Does(NOT_SENT))
    assert (await heart.pay()).kind.value == "provisional"
    assert heart.core.calls == []


async def look_on(heart: Heart, plan: Plan, seconds: int) -> set[Zone]:
    """Time goes on, and everybody looks each half a minute; the zones that were seen."""
    seen = set[Zone]()
    for _ in range(0, seconds, 30):
        await pass_time(heart, plan, 30)
        seen.add(heart.health.zone)
    return seen


async def test_a_window_longer_than_any_word_may_be_is_stood_in_for_to_its_end(open_heart: OpenHeart) -> None:
    """Its word is given anew as often as it takes; not a single payment is tried in between."""
    heart = await open_heart(breaker=BreakerSettings(forced_max_s=900))
    plan = Plan(heart.store, [heart.route], heart.clock)
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    assert await look_on(heart, plan, 3_570) == {Zone.OPEN}
    word = heart.health.forced
    assert word is not None
    assert (word.actor, word.until_us) == (ACTOR, at("2026-01-01T02:00:00"))
    await pass_time(heart, plan, 30)
    assert (heart.health.forced, heart.health.zone) == (None, Zone.TRIAL)


@pytest.mark.parametrize("late_s", [-600, 0, 1, 90])
async def test_who_opened_a_route_early_by_hand_need_not_know_when_the_window_begins(
    heart: Heart, plan: Plan, late_s: int
) -> None:
    """His word ends some time before its begin or after; from there on the window's holds."""
    await plan.add(window())
    until_us = at(BEGIN) + late_s * US
    heart.health.force(Zone.OPEN, until_us=until_us, actor="anna", reason="they are early")
    await pass_time(heart, plan, 3_600)
    await look_on(heart, plan, 120)
    word = heart.health.forced
    assert word is not None
    assert (word.actor, word.until_us) == (ACTOR, at("2026-01-01T02:00:00"))
    assert await look_on(heart, plan, 3_450) == {Zone.OPEN}


async def test_who_lets_go_of_a_route_within_its_window_has_the_core_tried(heart: Heart, plan: Plan) -> None:
    """The core is back early, and nobody cancelled the window."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    await pass_time(heart, plan, 30)
    heart.health.release()
    await look_on(heart, plan, 600)
    assert (heart.health.forced, heart.health.zone) == (None, Zone.TRIAL)


async def test_that_a_window_is_cancelled_nobody_said_of_a_route(heart: Heart, plan: Plan) -> None:
    """Each node follows the plan; told as a person's, it would take a word back that was given at another node."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    said_at_us = heart.health.word.said_at_us
    await pass_time(heart, plan, 30)
    await plan.cancel(1)
    plan.look()
    assert (heart.health.forced, heart.health.word.said_at_us) == (None, said_at_us)


async def test_who_closed_a_route_within_its_window_leaves_it_to_the_evidence(heart: Heart, plan: Plan) -> None:
    """He knows of the window: his word's end is none of the work on the core."""
    await plan.add(window())
    await pass_time(heart, plan, 3_600)
    heart.health.force(Zone.CLOSED, until_us=at(BEGIN) + 300 * US, actor="anna", reason="done early")
    await look_on(heart, plan, 600)
    assert (heart.health.forced, heart.health.zone) == (None, Zone.CLOSED)


# The plan


async def test_two_nodes_that_plan_at_once_lose_nothing(heart: Heart, plan: Plan) -> None:
    """Each changes what is kept, not what it remembers."""
    other = Plan(heart.store, [heart.route], heart.clock)
    await asyncio.gather(*(each.add(window(id=n)) for n, each in enumerate((plan, other, plan, other), start=1)))
    await plan.follow()
    assert {each.id for each in plan.windows} == {1, 2, 3, 4}


async def test_what_is_over_is_forgotten_and_so_many_are_planned(heart: Heart, plan: Plan) -> None:
    """A limit on everything."""
    await plan.add(window(id=1))
    await heart.clock.advance(2 * 3_600)
    for number in range(WINDOWS_MAX):
        assert await plan.add(window(id=number + 2, begins="2026-02-01T00:00:00"))
    assert not await plan.add(window(id=999, begins="2026-02-01T00:00:00"))


async def test_a_plan_that_cannot_be_read_is_none(heart: Heart, plan: Plan) -> None:
    """Written by a program that knew other windows."""
    await heart.store.remember(MEMO, b"[{}]")
    await plan.follow()
    assert plan.windows == ()


async def test_it_looks_by_itself_and_goes_on_while_the_spool_says_nothing(heart: Heart, plan: Plan) -> None:
    """A window begins also while the disk is away."""
    running = asyncio.ensure_future(plan.run())
    await plan.add(window())
    await heart.store.close()
    await heart.clock.advance(3_600 + LOOK_S)
    await settle()
    assert heart.health.zone is Zone.OPEN
    running.cancel()
    await heart.store.open(heart.clock.now_us())


# The board

Look = Callable[[Heart], Any]


async def test_channels_are_told_how_it_stands_and_what_is_planned(heart: Heart, plan: Plan) -> None:
    """Up, then away on purpose, then down; and provisional as long as the policy lets us."""
    board = Board([(heart.route, ["tv"])], plan, heart.clock)
    await plan.add(window(rule="FREQ=DAILY"))
    (line,) = board.status("kiosk").services
    assert (line.services, line.billing, line.payments, len(line.planned)) == (("tv",), "up", "posted", 5)
    assert line.planned[0].begins == "2026-01-01T01:00:00.000000Z"
    await pass_time(heart, plan, 3_600)
    (line,) = board.status("kiosk").services
    assert (line.billing, line.payments) == ("maintenance", "provisional")
    await plan.cancel(1)
    plan.look()
    heart.open_route()
    heart.route.stand_in_by(heart.standin.model_copy(update={"enabled": False}))
    (line,) = board.status("kiosk").services
    assert (line.billing, line.payments, line.planned) == ("down", "try_later", ())
    assert board.status("nobody").services == ()


async def test_channels_are_told_to_try_later_while_our_own_disk_takes_nothing(heart: Heart, plan: Plan) -> None:
    """Whether billing is up or not; and no longer than it was seen of late."""
    board = Board([(heart.route, [])], plan, heart.clock)
    heart.health.disk_failed("no new payment could be recorded")
    (up,) = board.status("bank").services
    heart.open_route()
    (down,) = board.status("bank").services
    heart.clock.jump(OWN_FORGOTTEN_US / 1_000_000)
    (later,) = board.status("bank").services
    assert [(each.billing, each.payments) for each in (up, down, later)] == [
        ("up", "try_later"),
        ("down", "try_later"),
        ("down", "provisional"),
    ]


async def test_a_route_in_trouble_is_told_so(heart: Heart, plan: Plan) -> None:
    """Most payments are still booked at once."""
    board = Board([(heart.route, [])], plan, heart.clock)
    heart.health.force(Zone.CLOSED, until_us=heart.clock.now_us() + HOUR_US, actor="test", reason="test")
    (line,) = board.status("bank").services
    assert (line.billing, line.payments) == ("up", "posted")
