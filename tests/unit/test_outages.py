"""Outages are followed from their beginning until all they left is settled, over restarts, and reported."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.outcome import Refused
from adapters.payment import Refusal
from gateway.outages.record import Figures, Look, Outage, figures_of, is_settled, report_of, went_on
from gateway.outages.recorder import KEPT_MAX, TOLD_FOR_US, Recorder
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
    report = report_of(found, NOBODY, "night", "RUB", 70 * US)
    assert (report.estimate_s, report.took_s, report.error_percent) == (22, 20, 10)
    assert report.detection_us == US


def test_what_was_drained_at_once_has_no_estimate() -> None:
    """None is made up."""
    found = went_on(outage(), look(30, passes=True))
    report = report_of(found, NOBODY, "night", "RUB", 31 * US)
    assert (report.estimate_s, report.took_s, report.error_percent) == (None, None, None)


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
    report = report_of(outage(before=was), is_, "night", "RUB", 70 * US)
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


def recorder_of(heart: Heart, *, planned: bool = False) -> Recorder:
    """A recorder of a heart's one route."""
    return Recorder(
        heart.store,
        [heart.route],
        "night",
        heart.clock,
        estimate_s=lambda _route: math.inf,
        planned=lambda _route: planned,
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
