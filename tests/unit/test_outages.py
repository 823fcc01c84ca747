"""Outages are followed from their beginning until all they left is settled, over restarts, and reported."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.outcome import Cause, NotSent, Posted, Refused, Unknown
from adapters.payment import AnswerKind, Refusal
from gateway.meter import Meter
from gateway.outages.answers import Measured, Spread, answers_of, joined, spread
from gateway.outages.record import (
    AWAY_MAX,
    POINTS_MAX,
    Figures,
    Look,
    Outage,
    Part,
    Written,
    figures_of,
    is_settled,
    report_of,
    went_on,
)
from gateway.outages.recorder import KEPT_MAX, TOLD_FOR_US, Recorder
from gateway.route.breaker import Permit
from gateway.standin.settings import StandinSettings
from gateway.telling.event import Severity
from spool.lifecycle import PARK, Kind, State, Told
from spool.store import Move
from spool.tally import Cell, Sum
from tests.unit.fake_core import Does
from tests.unit.heart import ROUTE, Heart, OpenHeart
from tests.unit.troubled_store import Trouble, TroubledStore

US = 1_000_000
NOBODY = Figures(by_state={}, by_channel={})


def outage(**changes: object) -> Outage:
    """An outage that began at second 10."""
    usual: dict[str, object] = {
        "number": 1,
        "route": ROUTE,
        "began_us": 10 * US,
        "seen_us": 9 * US,
        "cause": "dns",
        "before": NOBODY,
        "looked_us": 10 * US,
    }
    return Outage(**usual | changes)  # type: ignore[arg-type]  # of the fields' own types


def look(
    second: int, *, passes: bool = False, waiting: int = 0, empty_s: int | None = None, cause: str = "dns"
) -> Look:
    """What is so at a second."""
    figures = Figures(by_state={int(State.READY): (waiting, 100 * waiting)}, by_channel={})
    return Look(now_us=second * US, passes=passes, cause=cause, figures=figures, empty_s=empty_s)


# Pure


def test_causes_are_told_by_how_long_each_was_named() -> None:
    """An outage may begin as one thing and go on as another."""
    found = outage()
    for second, cause in ((12, "dns"), (15, "answer_timeout"), (16, "answer_timeout")):
        found = went_on(found, look(second, cause=cause))
    assert found.causes == {"dns": 2 * US, "answer_timeout": 4 * US}


def test_a_relapse_before_all_is_settled_is_the_same_outage() -> None:
    """It ends when it ends for good."""
    found = went_on(outage(), look(20, waiting=5))
    found = went_on(found, look(30, passes=True, waiting=4))
    assert (found.ended_us, found.at_end) == (30 * US, 4)
    found = went_on(found, look(31, waiting=4))
    assert (found.ended_us, found.relapses) == (0, 1)
    found = went_on(found, look(40, passes=True, waiting=9))
    assert (found.ended_us, found.relapses, found.peak) == (40 * US, 1, (9, 900))


def test_the_estimate_is_judged_from_half_way_on() -> None:
    """As it was then, against what came."""
    found = went_on(outage(), look(30, passes=True, waiting=100))
    found = went_on(found, look(40, passes=True, waiting=60, empty_s=12))
    assert found.half_us == 0
    found = went_on(found, look(50, passes=True, waiting=50, empty_s=22))
    found = went_on(found, look(55, passes=True, waiting=30, empty_s=5))
    assert (found.half_us, found.estimate_s) == (50 * US, 22)
    assert is_settled(found, NOBODY)
    report = report_of(found, NOBODY, Written("night", "RUB", 70 * US))
    assert (report.estimate_s, report.took_s, report.error_percent) == (22, 20, 10)
    assert report.detection_us == US


def test_what_was_drained_at_once_has_no_estimate() -> None:
    """None is made up."""
    found = went_on(outage(), look(30, passes=True))
    report = report_of(found, NOBODY, Written("night", "RUB", 31 * US))
    assert (report.estimate_s, report.took_s, report.error_percent) == (None, None, None)


def test_the_curve_of_what_waited_is_bounded_however_long_it_gets() -> None:
    """A day of seconds: the first and the shape stay, steps grow."""
    found = outage()
    for second in range(10, 86_410):
        found = went_on(found, look(second, waiting=second))
    assert POINTS_MAX / 2 <= len(found.curve) <= POINTS_MAX
    assert found.curve[0] == (10 * US, 10, 1_000)
    gaps = {after[0] - before[0] for before, after in pairwise(found.curve)}
    assert max(gaps) <= 2 * found.step_us
    report = report_of(found, NOBODY, Written("night", "RUB", 86_500 * US))
    assert report.curve[-1] == (86_500 * US, 0, 0)


def test_each_time_the_core_was_away_is_told_apart_up_to_a_bound() -> None:
    """A second outage is what the ramp must not cause."""
    found = went_on(outage(), look(20, waiting=5))
    for second in range(30, 30 + 20 * AWAY_MAX, 10):
        found = went_on(found, look(second, passes=second % 20 == 10, waiting=5))
    assert found.relapses >= AWAY_MAX - 1
    assert len(found.away) == AWAY_MAX
    assert found.away[:2] == ((10 * US, 30 * US), (40 * US, 50 * US))
    found = went_on(found, look(9_000, passes=True))
    report = report_of(found, NOBODY, Written("night", "RUB", 9_001 * US))
    assert report.away[-1][1] == report.ended_us


def test_figures_of_answers_are_at_most_a_sixth_too_high() -> None:
    """Of a thousand answers, one a millisecond longer than the other."""
    meter = Meter()
    for millisecond in range(1, 1_001):
        meter.answered("kiosk", AnswerKind.POSTED, millisecond / 1_000)
    found = spread({at: count for at, count in enumerate(meter.answered_within(["kiosk", "bank"])) if count})
    assert found is not None
    assert found.count == 1_000
    assert 0.5 <= found.median_s <= 0.5 * 7 / 6
    assert 0.99 <= found.p99_s <= 0.99 * 7 / 6


def test_what_takes_longer_than_anything_is_told_as_the_longest_there_is() -> None:
    """And nothing has no figures."""
    meter = Meter()
    meter.answered("kiosk", AnswerKind.POSTED, 3_600.0)
    found = spread({at: count for at, count in enumerate(meter.answered_within(["kiosk"])) if count})
    assert found == Spread(count=1, median_s=60.0, p99_s=60.0)
    assert spread({}) is None


def test_parts_of_nodes_add_up_and_those_of_other_outages_are_left_out() -> None:
    """A node that was away in between left an old one."""
    some = Part(number=2, before={1: 4}, during={3: 1}, turned_away={"storage": 2})
    more = Part(number=2, during={3: 2, 5: 1}, after={1: 1}, turned_away={"storage": 1, "rule": 5})
    both = joined([some, Part(number=1, during={9: 9}), more], 2)
    assert (both.before, both.during, both.after) == ({1: 4}, {3: 3, 5: 1}, {1: 1})
    assert both.turned_away == {"storage": 3, "rule": 5}


_CELLS = st.dictionaries(
    st.tuples(st.sampled_from(list(State)), st.sampled_from(["kiosk", "bank"])),
    st.tuples(st.integers(1, 1_000), st.integers(1, 10**9)),
)


def cells_of(found: dict[tuple[State, str], tuple[int, int]]) -> list[tuple[Cell, Sum]]:
    """Cells of payments told provisional."""
    return [
        (Cell(ROUTE, channel, "RUB", Kind.PAYMENT, state, Told.PROVISIONAL), Sum(*total))
        for (state, channel), total in found.items()
    ]


@given(_CELLS, _CELLS)
def test_in_every_report_nothing_is_lost_in_count_and_in_money(
    before: dict[tuple[State, str], tuple[int, int]], now: dict[tuple[State, str], tuple[int, int]]
) -> None:
    """Carried and taken are somewhere at the end."""
    was, is_ = (figures_of(cells_of(each), ROUTE, "RUB") for each in (before, now))
    report = report_of(outage(before=was), is_, Written("night", "RUB", 70 * US))
    for place in (0, 1):
        ends = (report.posted, report.refused, report.returned, report.cancelled, report.left)
        assert report.carried[place] + report.taken[place] == sum(each[place] for each in ends)


def test_only_what_was_told_provisional_on_the_route_is_counted() -> None:
    """Neither reversals, nor other routes, nor what billing answered itself."""
    strangers = [
        Cell("other", "kiosk", "RUB", Kind.PAYMENT, State.READY, Told.PROVISIONAL),
        Cell(ROUTE, "kiosk", "USD", Kind.PAYMENT, State.READY, Told.PROVISIONAL),
        Cell(ROUTE, "kiosk", "RUB", Kind.REVERSAL, State.READY, Told.PROVISIONAL),
        Cell(ROUTE, "kiosk", "RUB", Kind.PAYMENT, State.POSTED, Told.POSTED),
    ]
    assert figures_of([(cell, Sum(1, 1)) for cell in strangers], ROUTE, "RUB") == NOBODY


# On a running route


def recorder_of(heart: Heart, *, planned: bool = False, **more: Any) -> Recorder:
    """A recorder of a heart's one route."""
    return Recorder(
        heart.store,
        [heart.route],
        "night",
        heart.clock,
        estimate_s=lambda _route: math.inf,
        planned=lambda _route: planned,
        **more,
    )


async def test_a_report_is_written_when_all_is_settled(heart: Heart) -> None:
    """One payment waited before, four were taken, one of them is refused and one is parked."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await heart.pay("0", account="0")
    await recorder.look()
    for number in range(1, 5):
        await heart.pay(str(number), account=str(number), channel="bank" if number == 4 else "kiosk")
    await heart.spool.move([Move(entry=await heart.entry("3"), transition=PARK, at_us=heart.clock.now_us())])
    await heart.clock.advance(60)
    await recorder.look()
    assert [each.peak for each in recorder.current.values()] == [(4, 4_000)]
    heart.core.will(Does(Refused(refusal=Refusal.UNKNOWN_ACCOUNT)))
    heart.close_route()
    await recorder.look()
    await heart.forwards(4)
    await heart.clock.advance(2)
    await recorder.look()
    (report,) = await recorder.reports()
    assert (report.number, report.route, report.cause, report.planned) == (1, ROUTE, "forced", False)
    assert (report.carried, report.taken, report.left) == ((1, 1_000), (4, 4_000), (1, 1_000))
    assert (report.posted, report.refused, report.cancelled) == ((3, 3_000), (1, 1_000), (0, 0))
    assert report.channels == {"kiosk": (3, 3_000), "bank": (1, 1_000)}
    assert (report.ended_us - report.began_us, report.drained_us - report.ended_us) == (60 * US, 2 * US)
    assert recorder.current == {}


async def test_what_came_before_it_was_looked_at_is_taken_in_it(heart: Heart) -> None:
    """An outage is found at the next look; what it had until then did not wait when it began. So with the next one."""
    recorder = recorder_of(heart)
    await recorder.open()
    for number in range(2):
        await recorder.look()
        heart.open_route()
        await heart.pay(f"soon {number}", account=str(number))
        await recorder.look()
        await heart.pay(f"later {number}", account=f"1{number}")
        heart.close_route()
        await recorder.look()
        await heart.forwards(2)
        await recorder.look()
        heart.open_route()
        await heart.pay(f"again {number}", account=f"2{number}")
        await recorder.look()
        heart.close_route()
        await recorder.look()
        await heart.forwards(1)
        await recorder.look()
    found = [(report.carried[0], report.taken[0], report.posted[0]) for report in await recorder.reports()]
    assert found == [(0, 1, 1), (0, 2, 2), (0, 1, 1), (0, 2, 2)]


async def test_what_came_since_the_first_call_that_met_it_is_taken_in_it(heart: Heart) -> None:
    """Also where there was a look before evidence had gathered."""
    recorder = recorder_of(heart)
    await recorder.open()
    await recorder.look()
    heart.core.will(*[Does(NotSent(cause=Cause.REFUSED_CONNECTION))] * 3)
    await heart.clock.advance(1)
    for number in range(3):
        await heart.pay(str(number), account=str(number))
        await heart.clock.advance(0.4)
        await recorder.look()
    (current,) = recorder.current.values()
    assert (current.cause, current.before.of(State)) == ("refused_connection", Sum(0, 0))


async def test_what_another_node_followed_is_none_of_the_last_look(heart: Heart) -> None:
    """Whoever takes over has looked too long ago to say what came since."""
    tells = [True]
    recorder = recorder_of(heart, tells=lambda: tells[0])
    await recorder.open()
    await recorder.look()
    tells[0] = False
    heart.open_route()
    await heart.pay("0", account="0")
    await recorder.look()
    tells[0] = True
    await recorder.look()
    (current,) = recorder.current.values()
    assert current.before.of(State) == Sum(1, 1_000)


async def test_how_soon_it_was_noticed_is_counted_from_the_first_call_that_met_it(heart: Heart) -> None:
    """An error of a minute ago, among good answers, is none of it."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.health.report(admitted(heart), Unknown(cause=Cause.ANSWER_TIMEOUT), 1.0)
    heart.health.report(admitted(heart), Posted(), 1.0)
    await heart.clock.advance(60)
    waiting = [admitted(heart) for _ in range(5)]
    await heart.clock.advance(1.0)
    heart.health.watch_once()
    await heart.clock.advance(0.1)
    heart.health.watch_once()
    await recorder.look()
    (current,) = recorder.current.values()
    assert (current.cause, current.began_us - current.seen_us, len(waiting)) == ("answer_timeout", 1_100_000, 5)


def admitted(heart: Heart) -> Permit:
    """Leave to send."""
    permit = heart.health.admit()
    assert permit is not None
    return permit


async def test_answers_are_told_from_before_during_and_after_and_who_was_turned_away(heart: Heart) -> None:
    """Over a restart of the process too, in which its counters begin anew."""

    def measured(of: Heart) -> Measured:
        return Measured(of.meter.answered_within(["kiosk"]), of.meter.turned_away_by_why(ROUTE))

    def recorder(of: Heart) -> Recorder:
        return recorder_of(of, measure=lambda _route: measured(of))

    def answers(of: Heart, count: int, seconds: float) -> None:
        for _ in range(count):
            of.meter.answered("kiosk", AnswerKind.PROVISIONAL, seconds)

    first = recorder(heart)
    await first.open()
    await first.look()
    answers(heart, 7, 0.001)
    await first.look()
    heart.open_route()
    await first.look()
    answers(heart, 3, 0.1)
    heart.meter.turned_away(ROUTE, "kiosk", "route_limit")
    await heart.clock.advance(20)
    await first.look()
    again = await heart.restarted()
    again.open_route()
    second = recorder(again)
    await second.open()
    await second.look()
    answers(again, 2, 0.1)
    again.meter.turned_away(ROUTE, "kiosk", "route_limit")
    await second.look()
    await again.pay()
    again.close_route()
    await second.look()
    answers(again, 5, 10.0)
    await again.forwards(3)
    await second.look()
    (report,) = await second.reports()
    assert report.part is not None
    found = answers_of(report.part)
    assert (found.before, found.during) == (
        Spread(count=7, median_s=0.001, p99_s=0.001),
        Spread(count=5, median_s=0.1, p99_s=0.1),
    )
    assert found.after is not None
    assert (found.after.count, found.after.p99_s) == (5, 10.0)
    assert report.part.turned_away == {"route_limit": 2}


async def test_an_outage_in_which_nobody_pays_lasts_until_billing_is_back(heart: Heart) -> None:
    """That nothing waits ends none."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    await heart.clock.advance(60)
    await recorder.look()
    assert (list(recorder.current), await recorder.reports()) == ([ROUTE], [])


async def test_a_report_is_told_while_it_is_new(heart: Heart) -> None:
    """Of a planned window it is no news."""
    recorder = recorder_of(heart, planned=True)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    heart.close_route()
    await recorder.look()
    await recorder.look()
    (told,) = recorder.conditions()
    assert (told.severity, told.facts["number"], told.facts["taken_sum"]) == (Severity.INFO, 1, "0.00 RUB")
    await heart.clock.advance(TOLD_FOR_US / US)
    assert list(recorder.conditions()) == []


async def test_a_restart_in_an_outage_is_the_same_outage(heart: Heart, open_heart: OpenHeart) -> None:
    """It began when it began: for the report, and for how long payments are taken in it."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    await heart.pay()
    began_us = heart.route.outage.began_us
    await heart.clock.advance(3_600)
    again = await heart.restarted()
    again.open_route()
    assert again.route.outage.began_us > began_us
    second = recorder_of(again)
    await second.open()
    assert again.route.outage.began_us == began_us
    await again.clock.advance(60)
    again.close_route()
    await second.look()
    await again.forwards(3)
    await second.look()
    (report,) = await second.reports()
    assert (report.began_us, report.taken, report.posted) == (began_us, (1, 1_000), (1, 1_000))
    assert open_heart is not None


async def test_payments_are_not_taken_for_longer_because_of_a_restart(open_heart: OpenHeart) -> None:
    """`outage_max_s` counts from the outage's beginning, whichever process saw it."""
    heart = await open_heart(standin=StandinSettings(outage_max_s=600))
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    assert (await heart.pay("1")).kind.value == "provisional"
    await heart.clock.advance(500)
    again = await heart.restarted()
    again.open_route()
    await recorder_of(again).open()
    assert (await again.pay("2", account="2")).kind.value == "provisional"
    await again.clock.advance(101)
    assert (await again.pay("3", account="3")).kind.value == "try_later"


async def test_an_outage_that_ended_while_the_service_was_away_does_not_go_on(heart: Heart) -> None:
    """A closed route has none."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    again = await heart.restarted()
    second = recorder_of(again)
    await second.open()
    assert again.route.outage.began_us == 0
    await second.look()
    await second.look()
    assert [each.number for each in await second.reports()] == [1]


async def test_reports_are_bounded_and_numbered_on(heart: Heart) -> None:
    """The oldest make room."""
    recorder = recorder_of(heart)
    await recorder.open()
    for _ in range(KEPT_MAX + 2):
        heart.open_route()
        await recorder.look()
        heart.close_route()
        await recorder.look()
        await recorder.look()
    numbers = [each.number for each in await recorder.reports()]
    assert numbers == list(range(KEPT_MAX + 2, 2, -1))
    again = recorder_of(heart)
    await again.open()
    heart.open_route()
    await again.look()
    assert again.current[ROUTE].number == KEPT_MAX + 3


@pytest.mark.parametrize("trouble", [Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST])
async def test_a_report_that_the_disk_did_not_take_is_written_at_the_next_look(heart: Heart, trouble: Trouble) -> None:
    """Once."""
    recorder = recorder_of(heart)
    await recorder.open()
    heart.open_route()
    await recorder.look()
    heart.close_route()
    assert isinstance(heart.store, TroubledStore)
    heart.store.will("remember", trouble)
    with pytest.raises(Exception, match=r"commit|open"):
        await recorder.look()
    await recorder.look()
    assert [each.number for each in await recorder.reports()] == [1]


async def test_what_another_version_wrote_is_left_out(heart: Heart) -> None:
    """It hinders nothing."""
    await heart.store.remember(f"outage/{ROUTE}", b'{"number": "x"}')
    await heart.store.remember("outages/0001", b"[]")
    recorder = recorder_of(heart)
    await recorder.open()
    assert (recorder.current, await recorder.reports()) == ({}, [])
