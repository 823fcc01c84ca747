"""The sliding window and the rules over it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.route.evidence import ANSWERED, FAILED, Evidence
from gateway.route.settings import BreakerSettings
from gateway.route.window import FORGOTTEN_S, Figures, Silence, Window, decide
from gateway.route.zone import Trip

SETTINGS = BreakerSettings()
QUIET = Figures(
    calls=0,
    failed=0,
    slow=0,
    sluggish=0,
    unreached_in_a_row=0,
    failed_in_a_row=0,
    overdue=0,
    hung=0,
    silent_s=0.0,
    unheard_s=0.0,
    latest_unheard_s=0.0,
)

evidences = st.sampled_from(Evidence)
histories = st.lists(st.tuples(st.floats(0, 4), evidences), max_size=60)


def replay(
    settings: BreakerSettings, history: list[tuple[float, Evidence]]
) -> tuple[Window, list[tuple[float, Evidence]]]:
    """A window after `history` (pauses and kinds), and the same with absolute times."""
    window, now, told = Window(settings, 0.0), 0.0, list[tuple[float, Evidence]]()
    for pause, kind in history:
        now += pause
        window.record(kind, now)
        told.append((now, kind))
    return window, told


@given(histories, st.floats(0, 15), st.integers(1, 20))
def test_the_window_holds_the_latest_calls_of_the_latest_seconds(
    history: list[tuple[float, Evidence]], later: float, most: int
) -> None:
    """Both measures hold exactly: never an older call, never one too many, none forgotten."""
    settings = BreakerSettings(window_calls=most, minimum_calls=1)
    window, told = replay(settings, history)
    now = (told[-1][0] if told else 0.0) + later
    counted = [(at, kind) for at, kind in told if kind in ANSWERED | FAILED][-most:]
    inside = [kind for at, kind in counted if at > now - settings.window_s]
    figures = window.figures(now)
    assert figures.calls == len(inside)
    assert figures.failed == sum(kind in FAILED for kind in inside)
    assert figures.slow == sum(kind is Evidence.SLOW for kind in inside)


@given(histories)
def test_streaks_run_from_the_last_proper_answer(history: list[tuple[float, Evidence]]) -> None:
    """However long ago: on a quiet route the window is empty and the streak is all there is."""
    window, told = replay(SETTINGS, history)
    kinds = [kind for _, kind in told]
    last = max((place for place, kind in enumerate(kinds) if kind in ANSWERED), default=-1)
    since = kinds[last + 1 :]
    figures = window.figures(told[-1][0] + 1000 if told else 0.0)
    assert figures.failed_in_a_row == sum(kind in FAILED for kind in since)
    assert figures.unreached_in_a_row == since.count(Evidence.DID_NOT_REACH)


@given(histories, histories)
def test_a_cleared_window_is_as_new(before: list[tuple[float, Evidence]], after: list[tuple[float, Evidence]]) -> None:
    """Nothing of one zone counts in the next."""
    window, told = replay(SETTINGS, before)
    start = told[-1][0] if told else 0.0
    window.begin("old call", start)
    window.clear(start)
    fresh, now = Window(SETTINGS, start), start
    for pause, kind in after:
        now += pause
        window.record(kind, now)
        fresh.record(kind, now)
    assert window.figures(now) == fresh.figures(now)


@given(st.lists(st.floats(0, 2), max_size=30), st.floats(0, 10))
def test_overdue_counts_the_calls_that_wait_too_long(pauses: list[float], later: float) -> None:
    """A hanging core shows itself by calls that do not end, before any of them ends."""
    window, now, begun = Window(SETTINGS, 0.0), 0.0, list[float]()
    for call, pause in enumerate(pauses):
        now += pause
        window.begin(call, now)
        begun.append(now)
    now += later
    assert window.overdue(now, 3.0) == sum(now - at >= 3.0 for at in begun)


def test_a_call_that_ended_waits_no_more() -> None:
    """Neither as overdue nor to be ended twice."""
    window = Window(SETTINGS, 0.0)
    window.begin("call", 0.0)
    assert window.end("call")
    assert not window.end("call")
    assert window.overdue(100.0, 1.0) == 0


def test_a_call_its_caller_lost_is_dropped_in_the_end() -> None:
    """A bug elsewhere must not count against the core for ever, nor fill memory."""
    window = Window(SETTINGS, 0.0)
    window.begin("lost", 0.0)
    assert window.figures(FORGOTTEN_S - 1).overdue == 1
    assert window.figures(FORGOTTEN_S).overdue == 0
    assert window.waiting == 0


@pytest.mark.parametrize("kind", [Evidence.NOTHING, Evidence.MISCONFIGURED])
def test_what_says_nothing_of_health_leaves_no_trace(kind: Evidence) -> None:
    """It neither fills the window nor breaks a streak."""
    window = Window(SETTINGS, 0.0)
    window.record(Evidence.DID_NOT_REACH, 1.0)
    before = window.figures(2.0)
    window.record(kind, 2.0)
    assert window.figures(2.0) == before


@pytest.mark.parametrize(
    ("figures", "trip"),
    [
        (QUIET, None),
        (QUIET._replace(calls=2, failed=2, unreached_in_a_row=2, failed_in_a_row=2), None),
        (QUIET._replace(calls=3, failed=3, unreached_in_a_row=3, failed_in_a_row=3), Trip.UNREACHED),
        (QUIET._replace(calls=0, failed_in_a_row=4), None),
        (QUIET._replace(calls=0, failed_in_a_row=5), Trip.FAILING),
        (QUIET._replace(calls=9, failed=9), None),
        (QUIET._replace(calls=10, failed=4), None),
        (QUIET._replace(calls=10, failed=5), Trip.FAILURE_RATE),
        (QUIET._replace(calls=10, slow=4), None),
        (QUIET._replace(calls=10, slow=5), Trip.SLOW_RATE),
        (QUIET._replace(calls=6, slow=1, overdue=4), Trip.SLOW_RATE),
        (QUIET._replace(calls=8, slow=0, overdue=4), None),
        (QUIET._replace(hung=4, silent_s=30.0), None),
        (QUIET._replace(hung=5, silent_s=0.9), None),
        (QUIET._replace(calls=100, hung=5, silent_s=1.0), Trip.HUNG),
    ],
)
def test_the_rules_open_at_their_figures_and_not_before(figures: Figures, trip: Trip | None) -> None:
    """Each default from both sides of its edge."""
    assert decide(figures, SETTINGS) is trip


@pytest.mark.parametrize(("unheard_s", "latest_s", "trip"), [(0.4, 0.4, None), (0.5, 0.1, Trip.HUNG), (0.5, 0.0, None)])
def test_silence_opens_by_what_the_core_is_known_for(unheard_s: float, latest_s: float, trip: Trip | None) -> None:
    """The first call for so long, and the last for as long as such answers take; where nothing is known, not by this."""
    figures = QUIET._replace(hung=0, silent_s=unheard_s, unheard_s=unheard_s, latest_unheard_s=latest_s)
    assert decide(figures, SETTINGS, Silence(5, 0.5, 0.1)) is trip
    assert decide(figures, SETTINGS) is None


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_more_failures_never_speak_for_the_core(calls: int, failed: int, more: int) -> None:
    """If a window opens the route, the same window with more failures does too."""
    calls = max(calls, failed)
    mild = QUIET._replace(calls=calls + more, failed=failed)
    worse = QUIET._replace(calls=calls + more, failed=failed + more)
    assert decide(mild, SETTINGS) is None or decide(worse, SETTINGS) is not None
