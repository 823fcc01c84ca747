"""A spreadsheet's file: text stays text, whatever it begins with, and no digit of money is lost."""

import zipfile
from datetime import UTC, datetime
from io import BytesIO
from typing import Final

import pytest
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]  # it has no stubs

from gateway.admin.reports.sheet import Sheet, _column

MADE: Final = datetime(2026, 1, 15, 7, tzinfo=UTC)
MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

Cells = list[list[tuple[str, str]]]


def cells_of(file: bytes) -> Cells:
    """Rows of cells, each as its type (`n` a number) and its text; a formula would be an `f`."""
    with zipfile.ZipFile(BytesIO(file)) as parts:
        assert not [name for name in parts.namelist() if "externalLink" in name or "vba" in name]
        root = fromstring(parts.read("xl/worksheets/sheet1.xml"), forbid_dtd=True)
    assert root.find(f".//{MAIN}f") is None
    return [
        [(cell.get("t", "n"), "".join(cell.itertext())) for cell in row] for row in root.find(f"{MAIN}sheetData") or ()
    ]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+7 900", "-1", "@SUM(A1)", '=HYPERLINK("http://a")', "http://a.example", "{=1}", "1e5", "007", "<&>"],
)
async def test_text_is_written_as_text(text: str) -> None:
    """No formula, no link, no number: what a channel sent can't run in an accountant's program."""
    sheet = Sheet("entries", ["key"], MADE)
    sheet.add([text])
    assert cells_of(await sheet.written()) == [[("inlineStr", "key")], [("inlineStr", text)]]


async def test_money_keeps_every_digit_and_counts_are_numbers() -> None:
    """Sixteen digits are more than a spreadsheet's own numbers hold."""
    sheet = Sheet("day", ["count", "sum"], MADE)
    sheet.add([3, "99999999999999.99"])
    assert cells_of(await sheet.written())[1] == [("n", "3"), ("inlineStr", "99999999999999.99")]


async def test_an_empty_one_has_its_head() -> None:
    """Nothing passed; that is an answer too."""
    assert cells_of(await Sheet("day", ["a", "b"], MADE).written()) == [[("inlineStr", "a"), ("inlineStr", "b")]]


@pytest.mark.parametrize(("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (703, "AAA")])
def test_columns_have_letters(number: int, letters: str) -> None:
    """As spreadsheets count."""
    assert _column(number) == letters
