"""From what stands to what is told: begun once, ended once, more urgent when it is, and again while it lasts."""

import msgspec
import pytest
from pydantic import ValidationError

from gateway.telling.condition import NO_TOTALS, Condition, News, Stand, Times, Totals, compare, manners_of
from gateway.telling.event import Kind, Phase, Severity
from gateway.telling.settings import TimesSettings
from tests.unit.telling import NEVER, US, condition


def told(news: list[News]) -> list[tuple[Kind, Phase, Severity]]:
    """What is told, in short."""
    return [(each.kind, each.phase, each.severity) for each in news]


def after(
    stand: Stand,
    seconds: int,
    *found: Condition,
    times: Times = NEVER,
    totals: Totals = NO_TOTALS,
    before: Totals = NO_TOTALS,
) -> tuple[Stand, list[News]]:
    """A look at a time."""
    return compare(stand, found, seconds * US, times, totals=totals, before=before)


def test_what_lasts_is_told_once() -> None:
    """However often it is looked at."""
    stand, first = after({}, 0, condition())
    stand, second = after(stand, 1, condition())
    assert told(first) == [(Kind.ROUTE_OPEN, Phase.RAISED, Severity.CRITICAL)]
    assert second == []
    assert stand["route.open main"].since_us == 0


def test_two_routes_are_told_apart() -> None:
    """Each by its own beginning."""
    _, news = after({}, 0, condition(), condition(subject="internet"))
    assert [each.subject for each in news] == ["main", "internet"]


def test_an_end_is_told_with_how_long_it_was_and_how_much_came_meanwhile() -> None:
    """Counts only rise; what is told is by how much since it began."""
    stand, _ = after({}, 0, condition(counts={"taken": 100}), before={"route.open main": {"taken": 97}})
    stand, _ = after(stand, 50, condition(counts={"taken": 107}))
    stand, news = after(stand, 60, totals={"route.open main": {"taken": 109}})
    assert news == []
    stand, news = after(stand, 61, totals={"route.open main": {"taken": 150}})
    assert news == []
    stand, news = after(stand, 80)
    assert told(news) == [(Kind.ROUTE_OPEN, Phase.CLEARED, Severity.CRITICAL)]
    assert (news[0].facts["lasted_s"], news[0].facts["taken"]) == (60, 12)
    assert stand == {}


def test_what_flaps_is_told_once() -> None:
    """It is gone for a moment and there again: neither an end nor another beginning."""
    stand, first = after({}, 0, condition())
    for second in range(1, 100, 10):
        stand, gone = after(stand, second)
        stand, back = after(stand, second + 5, condition())
        assert gone + back == []
    assert len(first) == 1


def test_what_does_not_last_is_not_told_at_all() -> None:
    """A soft zone of a few seconds interests nobody, nor does its end."""
    stand, first = after({}, 0, condition(Kind.ROUTE_SOFT, severity=Severity.WARNING))
    stand, second = after(stand, 10)
    assert (first, second, stand) == ([], [], {})


def test_what_has_to_last_is_told_when_it_has() -> None:
    """From when it began, not from when it is told."""
    soft = condition(Kind.ROUTE_SOFT, severity=Severity.WARNING)
    stand, _ = after({}, 0, soft)
    _, news = after(stand, 15, soft)
    assert [(each.phase, each.since_us) for each in news] == [(Phase.RAISED, 0)]


def test_a_duty_that_becomes_more_urgent_is_told_again() -> None:
    """To whoever hears of the greater urgency; and what becomes less urgent is not told for that."""
    stand, _ = after({}, 0, condition(Kind.RETURN_DUE, severity=Severity.INFO))
    stand, late = after(stand, 10, condition(Kind.RETURN_DUE, severity=Severity.WARNING))
    stand, over = after(stand, 20, condition(Kind.RETURN_DUE, severity=Severity.CRITICAL))
    stand, less = after(stand, 30, condition(Kind.RETURN_DUE, severity=Severity.INFO))
    assert told(late) == [(Kind.RETURN_DUE, Phase.ESCALATED, Severity.WARNING)]
    assert told(over) == [(Kind.RETURN_DUE, Phase.ESCALATED, Severity.CRITICAL)]
    assert less == []
    _, ended = after(stand, 40)
    assert told(ended) == [(Kind.RETURN_DUE, Phase.CLEARED, Severity.CRITICAL)]


@pytest.mark.parametrize("kind", [Kind.ENTRIES_DOUBTFUL, Kind.KEYS_TROUBLE])
def test_what_lasts_for_too_long_becomes_critical_by_itself(kind: Kind) -> None:
    """As an operator says: told after a minute, critical after an hour."""
    own = TimesSettings(
        doubtful_after_s=60, doubtful_critical_after_s=3_600, keys_after_s=60, keys_critical_after_s=3_600
    )
    times = msgspec.structs.replace(NEVER, manners=manners_of(own))
    found = condition(kind, severity=Severity.WARNING)
    stand, news = after({}, 0, found, times=times)
    said = [told(news)]
    for second in (59, 60, 3_599, 3_600, 9_999):
        stand, news = after(stand, second, found, times=times)
        said.append(told(news))
    raised, escalated = (kind, Phase.RAISED, Severity.WARNING), (kind, Phase.ESCALATED, Severity.CRITICAL)
    assert said == [[], [], [raised], [], [escalated], []]


@pytest.mark.parametrize("name", ["doubtful", "keys"])
def test_what_is_critical_before_it_is_told_is_refused(name: str) -> None:
    """Before anything opens."""
    with pytest.raises(ValidationError, match="must not exceed"):
        TimesSettings.model_validate({f"{name}_after_s": 100, f"{name}_critical_after_s": 99})


@pytest.mark.parametrize(
    ("severity", "second", "phases"),
    [
        (Severity.CRITICAL, 58, []),
        (Severity.CRITICAL, 60, [Phase.REPEATED]),
        (Severity.WARNING, 60, []),
        (Severity.WARNING, 600, [Phase.REPEATED]),
        (Severity.INFO, 6_000, []),
    ],
)
def test_what_lasts_is_told_again_by_its_urgency(severity: Severity, second: int, phases: list[Phase]) -> None:
    """So that nobody forgets it, and nobody is worn out."""
    times = Times(critical_s=60, warning_s=600, clear_s=20)
    stand, _ = after({}, 0, condition(severity=severity), times=times)
    stand, news = after(stand, second, condition(severity=severity), times=times)
    assert [each.phase for each in news] == phases
    _, again = after(stand, second + 1, condition(severity=severity), times=times)
    assert again == []


def test_an_announcement_has_no_end() -> None:
    """That a window is not ahead any more, its beginning tells."""
    ahead = condition(Kind.WINDOW_AHEAD, severity=Severity.INFO)
    stand, news = after({}, 0, ahead)
    stand, none = after(stand, 10_000, ahead)
    gone, nothing = after(stand, 20_000)
    assert [each.phase for each in news] == [Phase.TOLD]
    assert (none, nothing, gone) == ([], [], {})


def test_what_grew_is_told_again_after_a_while_and_what_did_not_is_not() -> None:
    """By how much there was when it was told last, over restarts of whoever tells."""
    times = msgspec.structs.replace(NEVER, manners=manners_of(TimesSettings(returns_again_s=60)))
    two, three = (condition(Kind.CHANNEL_RETURNS, size=size) for size in (2, 3))
    stand, _ = after({}, 0, two, times=times)
    stand = msgspec.json.decode(msgspec.json.encode(stand), type=Stand)
    stand, same = after(stand, 100, two, times=times)
    stand, more = after(stand, 101, three, times=times)
    stand, less = after(stand, 300, two, times=times)
    _, again = after(stand, 400, three, times=times)
    assert told(more) == [(Kind.CHANNEL_RETURNS, Phase.REPEATED, Severity.CRITICAL)]
    assert same + less + again == []


def test_a_clock_that_is_set_back_holds_up_nothing() -> None:
    """What has to last, or to be gone, is counted from then on; nothing lasted for less than no time."""
    soft = condition(Kind.ROUTE_SOFT, severity=Severity.WARNING)
    stand, _ = after({}, 7_200, soft)
    stand, early = after(stand, 3_600, soft)
    stand, news = after(stand, 3_615, soft)
    assert (early, told(news)) == ([], [(Kind.ROUTE_SOFT, Phase.RAISED, Severity.WARNING)])
    stand, gone = after(stand, 3_620)
    stand, back = after(stand, 60)
    _, ended = after(stand, 80)
    assert (gone, back) == ([], [])
    assert [(each.phase, each.facts["lasted_s"]) for each in ended] == [(Phase.CLEARED, 0)]
