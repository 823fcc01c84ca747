"""The table of threats on its page is whole, and each test it names is there."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/explanation/threats.md").read_text(encoding="utf-8")
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| T")
]
TESTS: Final = sorted({test for row in ROWS for test in re.findall(r"`(tests/[^`]+)`", row[3])})


def test_every_threat_has_its_row() -> None:
    """T1 to T29, once each, in order."""
    assert [row[0] for row in ROWS] == [f"T{number}" for number in range(1, 30)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_threat_is_tested_or_said_not_to_be_met(row: list[str]) -> None:
    """Nothing in between."""
    assert "`tests/" in row[3] or "ot built" in row[2]


@pytest.mark.parametrize("test", TESTS)
def test_a_named_test_is_there(test: str) -> None:
    """By file and by name."""
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not name or re.search(rf"^(async )?def {name}\(", text, re.MULTILINE)


def test_what_is_fuzzed_by_coverage_is_what_there_is_to_fuzz() -> None:
    """The Makefile's list is the targets'."""
    from tests.hostile.targets import TARGETS  # noqa: PLC0415 - the page's tests need no parsers

    listed = re.search(r"^FUZZED = ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed is not None
    assert listed[1].replace("\\", "").split() == list(TARGETS)
