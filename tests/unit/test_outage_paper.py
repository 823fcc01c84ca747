"""The report of an outage as a page of its own: whole, in each language, and it loads nothing and runs nothing."""

import re
from html.parser import HTMLParser
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from gateway.admin.steering.outage_side import outage_shown
from gateway.outages.record import Part, Report
from gateway.page.chart import HEIGHT, WIDTH, drained
from gateway.page.look import Look
from gateway.page.paper import paper
from gateway.page.words import Language

US: Final = 1_000_000
BEGAN_US: Final = 1_767_225_600 * US


def report(**changes: Any) -> Report:
    """Ten minutes away, twice; three turned away; drained in a minute."""
    usual: dict[str, Any] = {
        "number": 7,
        "node": "night",
        "route": "main",
        "currency": "RUB",
        "began_us": BEGAN_US,
        "ended_us": BEGAN_US + 600 * US,
        "drained_us": BEGAN_US + 660 * US,
        "detection_us": 300_000,
        "cause": "answer_timeout",
        "causes": {"answer_timeout": 500 * US, "server_error": 100 * US},
        "planned": False,
        "relapses": 1,
        "carried": (1, 1_000),
        "taken": (1_204, 1_204_000),
        "channels": {"kiosk": (1_204, 1_204_000)},
        "posted": (1_200, 1_200_000),
        "refused": (3, 3_000),
        "returned": (0, 0),
        "cancelled": (1, 1_000),
        "left": (1, 1_000),
        "peak": (1_100, 1_100_000),
        "estimate_s": 31,
        "took_s": 29,
        "curve": tuple(
            (BEGAN_US + at * US, entries, 1_000 * entries) for at, entries in ((0, 1), (600, 1_100), (660, 0))
        ),
        "away": ((BEGAN_US, BEGAN_US + 300 * US), (BEGAN_US + 330 * US, BEGAN_US + 600 * US)),
        "part": Part(number=7, before={20: 99, 40: 1}, during={12: 50}, turned_away={"route_limit": 3}),
    }
    return Report(**usual | changes)


class Reading(HTMLParser):
    """What a page holds: its text, its tags, and what they point to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said, self.tags, self.points = list[str](), list[str](), list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.points += [value or "" for name, value in attrs if name in {"src", "href", "action", "data", "onload"}]

    def handle_data(self, data: str) -> None:
        """Note it."""
        self.said.append(data)

    @property
    def text(self) -> str:
        """In one line."""
        return " ".join(" ".join(self.said).split())


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_is_whole_and_loads_nothing(language: Language) -> None:
    """It may be sent by mail, kept for years, and opened where our page can't be reached."""
    page = paper(outage_shown(report()), language, "Asia/Dushanbe")
    read = Reading(page)
    assert read.points == []
    assert not {"script", "link", "img", "iframe", "form"} & set(read.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert {"svg", "polyline", "style"} <= set(read.tags)
    assert "2026-01-01 05:00:00" in read.text
    assert "{{" not in page


def test_it_says_what_came_of_it() -> None:
    """In words that whoever pays for the outage understands."""
    text = Reading(paper(outage_shown(report()), "en", "UTC")).text
    for said in (
        "Outage 7 of main",
        "1,204",
        "12,040.00",
        "Billing went away more than once",
        "the route's limit was reached 3",
        "nobody asked",
        "In the hour before 100",
        "Lost or booked twice: nothing",
    ):
        assert said in text


def test_what_a_name_holds_is_text_and_no_page() -> None:
    """Names come from the configuration, causes from a newer version."""
    page = paper(outage_shown(report(node="<script>x</script>", cause="<b>")), "en", "UTC")
    assert "<script>" not in page
    assert "<b>" not in re.sub(r"<b>[0-9,]+</b>", "", page)


def test_the_curve_is_drawn_from_its_beginning_to_its_end() -> None:
    """In the picture's units, with when billing was away behind it."""
    drawn = drained(outage_shown(report()))
    assert drawn is not None
    assert drawn.points == f"0,100 545.5,45 {WIDTH},{HEIGHT}"
    assert [(band.x, band.width) for band in drawn.bands] == [(0, 272.7), (300.0, 245.5)]
    assert (drawn.top, drawn.span_s) == (2000.0, 660)


@pytest.mark.parametrize("curve", [(), ((BEGAN_US, 0, 0),), ((BEGAN_US, 0, 0), (BEGAN_US, 0, 0))])
def test_what_was_over_at_once_has_no_picture(curve: tuple[tuple[int, int, int], ...]) -> None:
    """And a report of a former version has none either; both are pages all the same."""
    shown = outage_shown(report(curve=curve, away=(), part=None))
    assert drained(shown) is None
    assert "<svg" not in paper(shown, "ru", "UTC")


@pytest.mark.parametrize(("seconds", "said"), [(0.0012, "1.2 ms"), (0.25, "250 ms"), (1.2, "1.2 s"), (12.0, "12 s")])
def test_times_of_answers_are_short(seconds: float, said: str) -> None:
    """Milliseconds below a second."""
    assert Look("en", ZoneInfo("UTC"), 0).quick(seconds) == said
