"""What people read: every event can be said in every language, a storm is one letter, and nothing of it is a program."""

import itertools
from typing import Final

import pytest
from jinja2.exceptions import SecurityError, UndefinedError

from adapters.outcome import Cause
from gateway.route.diagnosis import OwnCause
from gateway.telling.condition import MANNERS
from gateway.telling.event import Event, Facts, Kind, Phase, Severity
from gateway.telling.letter import Foot, gathered, letter_of
from gateway.telling.words.speech import Language, sandbox, speech
from tests.unit.telling import AWAY, event

FACTS: Final[dict[Kind, Facts]] = {
    Kind.ROUTE_OPEN: AWAY,
    Kind.ROUTE_SOFT: AWAY,
    Kind.LIMIT_NEAR: {"share_percent": 83, "held": 5, "held_sum": "50.00 RUB", "full_in_s": 600},
    Kind.LIMIT_REACHED: {"share_percent": 100, "held": 5, "held_sum": "50.00 RUB", "full_in_s": 0},
    Kind.WINDOW_AHEAD: {"route": "main", "begins": "2026-01-18T02:00:00Z", "ends": "2026-01-18T04:00:00Z"},
    Kind.WINDOW_CANCELLED: {"route": "main", "begins": "2026-01-18T02:00:00Z", "ends": "2026-01-18T04:00:00Z"},
    Kind.WINDOW_BEGUN: {"ends": "2026-01-18T04:00:00Z"},
    Kind.WINDOW_OVERRUN: {},
    Kind.RETURN_DUE: {"count": 2, "sum": "20.00 RUB", "oldest": "2026-01-15T07:00:00Z", "stage": "late"},
    Kind.CHANNEL_RETURNS: {
        "count": 2,
        "sum": "20.00 RUB",
        "more": 1,
        "oldest": "2026-01-15T07:00:00Z",
        "stage": "late",
        "returned": 3,
    },
    Kind.ENTRIES_PARKED: {"count": 2, "sum": "20.00 RUB", "oldest": "2026-01-15T07:00:00Z"},
    Kind.OPERATION_OPEN: {"operation": "check", "route": "main"},
    Kind.PROPOSALS_WAITING: {"count": 2, "oldest": "2026-01-15T07:00:00Z", "ends": "2026-01-16T07:00:00Z"},
    Kind.ENTRIES_QUARANTINED: {"count": 2, "sum": "20.00 RUB"},
    Kind.ENTRIES_DOUBTFUL: {"count": 2, "sum": "20.00 RUB"},
    Kind.DISK_TROUBLE: {"trouble": "closed"},
    Kind.DATABASE_AWAY: {"kept": 3, "trouble": "connecting again"},
    Kind.KEYS_TROUBLE: {},
    Kind.EVIDENCE_TROUBLE: {"trouble": "the last audit found 2 faults"},
    Kind.SINK_TROUBLE: {"trouble": "answered 500", "waiting": 3},
    Kind.NODE_GONE: {},
    Kind.OUTAGE_OVER: {
        "number": 3,
        "route": "main",
        "cause": "dns",
        "lasted_s": 3_600,
        "taken": 7,
        "taken_sum": "70.00 RUB",
        "posted": 5,
        "refused": 1,
        "parked": 1,
        "drain_s": 61,
    },
    Kind.TEST: {"actor": "operator"},
}
"""The facts of each kind, as the watch makes them."""


@pytest.mark.parametrize(("language", "kind", "phase"), list(itertools.product(("en", "ru"), Kind, Phase)))
def test_every_event_can_be_said(language: Language, kind: Kind, phase: Phase) -> None:
    """In one line, with nothing left of the template."""
    line = speech(language).line(event(4_000, kind, phase, facts=FACTS[kind]))
    assert line == " ".join(line.split())
    assert not set(line) & set("{}%") - {"%"}


def test_of_several_nodes_it_is_said_which_see_it() -> None:
    """Whoever tells may find billing well."""
    seen = event(4_000, facts={**AWAY, "nodes": "one, two"})
    assert speech("en").line(seen).endswith(" (seen by one, two)")
    assert "one, two" in speech("ru").line(seen)


@pytest.mark.parametrize(
    ("language", "kind"),
    list(itertools.product(("en", "ru"), [kind for kind, manner in MANNERS.items() if not manner.endless])),
)
def test_every_end_has_words_of_its_own(language: Language, kind: Kind) -> None:
    """It is never told as if it began."""
    said = {
        speech(language).line(event(4_000, kind, phase, facts=FACTS[kind])) for phase in (Phase.RAISED, Phase.CLEARED)
    }
    assert len(said) == 2


@pytest.mark.parametrize("cause", [*Cause, *OwnCause])
def test_every_cause_has_words(cause: Cause | OwnCause) -> None:
    """In both languages, and no two are the same."""
    said = {language: speech(language).line(event(facts={**AWAY, "cause": cause.value})) for language in ("en", "ru")}
    assert f"({cause.value})" not in said["en"]
    assert f"({cause.value})" not in said["ru"]


def test_an_end_tells_how_long_how_many_and_how_much() -> None:
    """What a person asks first."""
    over = event(4_000, Kind.ROUTE_OPEN, Phase.CLEARED, facts={**AWAY, "lasted_s": 3_725})
    assert speech("en").line(over) == (
        "route main: billing is back after 1 h 2 min; 7 payments, 70.00 RUB were taken in its place; 4 wait, 1 in doubt"
    )
    assert "1 ч 2 мин" in speech("ru").line(over)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_599, "59 min 59 s"), (3_600, "1 h"), (90_061, "1 d 1 h")],
)
def test_spans_are_told_in_their_two_largest_units(seconds: int, words: str) -> None:
    """Nobody needs the seconds of a day."""
    assert speech("en").span(seconds) == words


def test_a_storm_is_one_letter_with_a_line_for_each_thing() -> None:
    """The most urgent first; what came and went is told by its end, what came often by its last."""
    storm = [event(each, subject=f"route{each % 3}") for each in range(1, 31)]
    soft = event(31, Kind.ROUTE_SOFT, severity=Severity.WARNING)
    over = event(32, Kind.ROUTE_OPEN, Phase.CLEARED, subject="route0", facts={**AWAY, "lasted_s": 9})
    lines = gathered([soft, *storm, over])
    assert [(each.event.sequence, each.times) for each in lines] == [(28, 10), (29, 10), (32, 10), (31, 1)]
    letter = letter_of([soft, *storm, over], speech("en"))
    assert letter.title.startswith("CRITICAL night: route route1: billing is away")
    assert letter.title.endswith("(and 3 more)")
    assert letter.text.count("(10 times)") == 3
    assert (letter.payload["type"], len(letter.payload["data"]["events"])) == ("digest", 32)


def test_what_is_beyond_a_letter_is_counted() -> None:
    """So is what was never told."""
    letter = letter_of([event(each, subject=f"r{each}") for each in range(1, 51)], speech("en"), lines_max=10, lost=4)
    assert "and 40 more events, left out here" in letter.text
    assert letter.text.startswith("4 events before these were never told")
    assert letter.payload["data"]["lost"] == 4


THEIRS: Final = {
    "en": ("go back to the payers: more than 2, 20.00 RUB, the oldest since", "(late)", "Times are UTC."),
    "ru": ("вернуть плательщикам: более 2 на 20.00 RUB, самый старый", "(опаздывает)", "Время UTC."),
}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_channel_reads_what_it_has_to_do_and_no_verb_of_ours(language: Language) -> None:
    """By mail and, but for its foot, by SMS."""
    due = event(4, Kind.CHANNEL_RETURNS, subject="kiosk", facts=FACTS[Kind.CHANNEL_RETURNS], severity=Severity.WARNING)
    letter = letter_of([due], speech(language), foot=Foot.CHANNEL)
    how_much, how_urgent, foot = THEIRS[language]
    assert how_much in letter.short
    assert letter.short.endswith(how_urgent)
    assert how_much in letter.text
    assert letter.text.endswith(f"{foot}\n")
    assert "nightsafe" not in letter.text


def test_one_event_has_its_own_type_and_the_same_id_each_time() -> None:
    """As Standard Webhooks wants it."""
    first, again = (letter_of([event(3)], speech(each)) for each in ("en", "ru"))
    assert first.payload["type"] == "route.open.raised"
    assert first.id == again.id == "night-3000000-3-3"
    assert first.payload["data"]["events"][0]["at"] == "1970-01-01T00:00:03Z"


def test_a_letter_shows_nothing_of_itself() -> None:
    """It may be to a payer."""
    assert repr(letter_of([event(1)], speech("en"))) == "Letter(night-1000000-1-1)"


@pytest.mark.parametrize(
    "template", ["{{ ''.__class__.__mro__ }}", "{{ items.append(1) }}", "{{ ().__class__.__base__.__subclasses__() }}"]
)
def test_a_template_is_no_program(template: str) -> None:
    """It reads what it is given, and changes nothing."""
    with pytest.raises(SecurityError):
        sandbox().from_string(template).render(items=[])


def test_a_name_that_is_not_there_is_a_fault() -> None:
    """And not an empty place in a message at night."""
    nameless: Event = event(facts={})
    with pytest.raises(UndefinedError):
        speech("en").line(nameless)
