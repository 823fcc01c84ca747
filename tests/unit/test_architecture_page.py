"""The page that explains the house draws the lifecycle as it is."""

import re
from pathlib import Path
from typing import Final

import pytest

from spool.lifecycle import FINAL, TRANSITIONS, State

ROOT: Final = Path(__file__).parents[2]

PAGE: Final = ROOT / "docs/explanation/architecture.md"

DIAGRAM: Final = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```", re.MULTILINE | re.DOTALL)

ARROW: Final = re.compile(r"^    (\S+) --> ([^\s:]+)(?:: (\w+))?$")

STARTS: Final = ("ready", "in_flight", "cancelled")
"""States an entry may be recorded in (`spool.entry.Draft.state`)."""


@pytest.fixture(name="arrows")
def read_arrows() -> list[tuple[str, str, str]]:
    """Each line of the diagram as (from, to, name)."""
    (lines,) = DIAGRAM.findall(PAGE.read_text("utf-8"))
    found = [ARROW.fullmatch(line) for line in lines.splitlines()]
    assert None not in found, "every line is an arrow"
    return [(arrow[1], arrow[2], arrow[3] or "") for arrow in found if arrow]


def test_the_diagram_draws_every_transition_once_and_no_other(arrows: list[tuple[str, str, str]]) -> None:
    """An operator who plans a repair by it must not look for a way that isn't there."""
    drawn = sorted(arrow for arrow in arrows if "[*]" not in arrow)
    assert drawn == sorted(
        (source.word, each.target.word, each.name) for each in TRANSITIONS for source in each.sources
    )


def test_the_diagram_begins_where_entries_are_recorded(arrows: list[tuple[str, str, str]]) -> None:
    """A new entry is waiting, on its way, or (a reversal netted at once) over."""
    assert sorted(arrow for arrow in arrows if arrow[0] == "[*]") == sorted(
        ("[*]", start, "record") for start in STARTS
    )


def test_the_diagram_ends_in_the_final_states_alone(arrows: list[tuple[str, str, str]]) -> None:
    """Nothing else is ever the last word about somebody's money."""
    assert sorted(arrow for arrow in arrows if arrow[1] == "[*]") == sorted((state.word, "[*]", "") for state in FINAL)


def test_the_page_names_every_state() -> None:
    """What `status` shows is explained."""
    page = PAGE.read_text("utf-8")
    assert [state.word for state in State if f"`{state.word}`" not in page] == []


def test_every_file_the_page_names_is_there() -> None:
    """It is read beside the code."""
    named = set(re.findall(r"`((?:gateway|adapters|queue|accept|forward|route)/[\w/]+\.py)`", PAGE.read_text("utf-8")))
    places = {path: (ROOT / path, ROOT / "gateway" / path) for path in named}
    assert sorted(path for path, (whole, inner) in places.items() if not (whole.exists() or inner.exists())) == []
