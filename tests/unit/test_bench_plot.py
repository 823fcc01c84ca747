"""The drawings of what was measured: whole, readable, and of the newest run alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]  # it has no stubs

from bench.plot import Bar, Line, bars, lines, marks, number, write
from bench.rig import kept


def words(svg: str) -> list[str]:
    """Every text in a drawing."""
    root: Element = fromstring(svg)
    return [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]


def lay(folder: Path, name: str, *rows: Mapping[str, Any]) -> None:
    """Put raw results where the bench keeps them."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def taken(run: str, case: str, cpu_us: float) -> dict[str, Any]:
    """A raw result of taking payments."""
    return {"run": run, "case": case, "round": 0, "cpu_us": cpu_us, "per_s": 1e6 / cpu_us}


def test_every_bar_has_its_name_and_its_median() -> None:
    """A reader without colours, or with a machine's voice, gets the same."""
    said = words(bars("Cost", "Less is better.", [Bar(label="us", values=[90.0, 100.0, 140.0], kind="ours")]))
    assert "us" in said
    assert "100" in said


def test_a_name_with_marks_of_xml_stays_a_name() -> None:
    """Names of cases are free text."""
    svg = bars("a < b & c", "Note.", [Bar(label='<"peer" & co>', values=[1.0, 2.0])])
    assert '<"peer" & co>' in words(svg)


@pytest.mark.parametrize("values", [[5.0], [1.0, 1.0], [0.02, 9000.0], [1000.0, 1000.0]])
def test_bars_stand_within_the_drawing(values: list[float]) -> None:
    """Whatever the spread, a power of ten included, no bar has a length below nothing."""
    root: Element = fromstring(bars("Any", "Note.", [Bar(label="x", values=values)]))
    rects = root.iter("{http://www.w3.org/2000/svg}rect")
    assert all(float(each.get("width", "").replace("%", "")) > 0 for each in rects)


def test_a_line_says_where_it_begins_and_ends() -> None:
    """What ten thousand times the backlog costs is read off its label."""
    line = Line(label="accept", points={1_000.0: [30.0], 10_000_000.0: [36.0]})
    assert "accept: 30.0 to 36.0" in words(lines("Cost", "Note.", [line]))


def test_lines_that_end_at_one_place_have_labels_apart() -> None:
    """Labels that cover each other can't be read."""
    drawn = [Line(label=name, points={1.0: [5.0], 10.0: [5.0]}) for name in ("one", "two")]
    root: Element = fromstring(lines("Same", "Note.", drawn))
    places = [each.get("y") for each in root.iter() if (each.text or "").startswith(("one", "two"))]
    assert len(set(places)) == 2


@pytest.mark.parametrize(("most", "found"), [(72.0, [0, 20, 40, 60]), (1.0, [0, 0.5, 1.0]), (9.0, [0, 5])])
def test_marks_are_round_figures(most: float, found: list[float]) -> None:
    """An axis is read by round figures."""
    assert marks(most) == found


@pytest.mark.parametrize(("value", "said"), [(12_345.6, "12,346"), (45.67, "45.7"), (0.333, "0.33")])
def test_figures_have_the_digits_that_count(value: float, said: str) -> None:
    """More would be noise."""
    assert number(value) == said


def test_only_the_newest_run_counts(tmp_path: Path) -> None:
    """Figures of different runs don't compare."""
    lay(tmp_path, "peers", taken("old", "B", 40), taken("new", "B", 50), taken("new", "NATS", 300))
    assert [row["cpu_us"] for row in kept("peers", tmp_path)] == [50, 300]


def test_what_was_measured_is_drawn_and_the_rest_is_not(tmp_path: Path) -> None:
    """A bench that measured one thing draws one thing."""
    lay(tmp_path, "peers", taken("new", "B: bare aiohttp", 50), taken("new", "NATS JetStream", 300))
    written = write(tmp_path, tmp_path / "plots")
    assert sorted(path.name for path in written) == ["peers-cpu.svg", "peers-rate.svg"]


def test_drawings_have_a_dark_side(tmp_path: Path) -> None:
    """They bring their own ground, and words to be read on it."""
    lay(tmp_path, "peers", taken("new", "B: bare aiohttp", 50))
    drawn = [path.read_text() for path in write(tmp_path, tmp_path / "plots")]
    assert all("prefers-color-scheme: dark" in svg and 'class="ground"' in svg for svg in drawn)
