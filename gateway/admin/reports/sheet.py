"""A table as a spreadsheet's file, in which nothing is ever run and no digit lost.

Text is written as text, whatever it begins with: no formula, no link. An amount of money is text too, with exactly the digits
it has here, as a spreadsheet's numbers are binary fractions of fifteen digits. Counts are whole numbers.
"""

import asyncio
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

ROWS_MAX: Final = 100_000
"""Rows of one file: a spreadsheet takes ten times as many, and making these takes a second or two of a processor."""

_SAFE: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


class Sheet:
    """One table, row by row."""

    def __init__(self, name: str, head: Sequence[str], made_at: datetime) -> None:
        """Begin with the names of its columns."""
        # A twentieth of all that a service imports, and most services never write one.
        from xlsxwriter import Workbook  # type: ignore[import-untyped]  # noqa: PLC0415 - see above; it brings no types

        self._file = io.BytesIO()
        self._book: Any = Workbook(self._file, _SAFE)
        self._book.set_properties({"title": name, "created": made_at.replace(tzinfo=None)})
        self._text = self._book.add_format({"num_format": "@"})
        self._sheet = self._book.add_worksheet(name[:31])
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, max(0, len(head) - 1), 18)
        bold = self._book.add_format({"bold": True, "num_format": "@"})
        for column, text in enumerate(head):
            self._sheet.write_string(0, column, text, bold)
        self._columns = len(head)
        #: How many rows it has, without the head.
        self.rows = 0

    def add(self, row: Sequence[str | int]) -> None:
        """One more row."""
        self.rows += 1
        assert self.rows <= ROWS_MAX, "whoever fills it counts first"
        for column, cell in enumerate(row):
            if isinstance(cell, int):
                self._sheet.write_number(self.rows, column, cell)
            else:
                self._sheet.write_string(self.rows, column, cell, self._text)

    async def written(self) -> bytes:
        """The file; packed in a thread, as that takes a moment. Nothing more is added then."""
        if self.rows:
            # Amounts are text on purpose: no mark in each cell's corner.
            area = f"A2:{_column(self._columns)}{self.rows + 1}"
            self._sheet.ignore_errors({"number_stored_as_text": area})
        await asyncio.to_thread(self._book.close)
        return self._file.getvalue()


def _column(number: int) -> str:
    """A column's letters: 1 is A, 27 is AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
