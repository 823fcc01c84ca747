"""On which line of a TOML text does each key stand?

The standard library's `tomllib` checks a text and gives its data, but no lines. This scanner does the rest and nothing
more: it walks a text that `tomllib` has already accepted and notes the line of every table, key and array item. It
decides nothing about validity, so it can't disagree with `tomllib` about what is allowed (source: TOML 1.0.0).
"""

import bisect
import re
import tomllib
from collections.abc import Mapping
from typing import Final

Place = tuple[str | int, ...]
"""A path into the data: names of tables and keys, numbers of array items."""

_BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_KEY_PART: Final = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*'""")
_STRING: Final = re.compile(
    r'''"""(?:[^\\]|\\.)*?"""(?:"{0,2})'''  # multi-line; up to two quotes may touch its end from inside
    r"""|'''.*?'''(?:'{0,2})"""
    r'''|"(?:[^"\\\n]|\\.)*"'''
    r"""|'[^'\n]*'""",
    re.DOTALL,
)
_BARE: Final = re.compile(r"[^,\]}#\n]*")


def lines_of(text: str) -> dict[Place, int]:
    """The line (from 1) of every table, key and array item of a text that `tomllib.loads` accepts."""
    scan = _Scan(text.replace("\r\n", "\n"))
    scan.document()
    return scan.lines


def line_of(lines: Mapping[Place, int], place: Place) -> int:
    """The line of a place, or of the nearest thing around it that is written; 0 when nothing around it is."""
    while place:
        if place in lines:
            return lines[place]
        place = place[:-1]
    return 0


class _Scan:
    """One pass over one text; `at` only goes forward."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Place, int] = {}
        self._text = text
        self._at = 0
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._items: dict[Place, int] = {}

    def document(self) -> None:
        """Headers and keys up to the end."""
        table: Place = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            table = self._header() if self._peek("[") else self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> Place:
        line, of_array = self._line(), self._peek("[[")
        self._at += 2 if of_array else 1
        name = self._key()
        self._at += 2 if of_array else 1
        place: Place = ()
        for part in name[:-1]:
            place = self._inside((*place, part), line)
        place = (*place, name[-1])
        if of_array:
            self.lines.setdefault(place, line)
            self._items[place] = self._items.get(place, -1) + 1
            place = (*place, self._items[place])
        self.lines[place] = line
        return place

    def _inside(self, place: Place, line: int) -> Place:
        """Go into a table that a longer name passes through; of an array of tables, into the last one."""
        self.lines.setdefault(place, line)
        return (*place, self._items[place]) if place in self._items else place

    def _pair(self, table: Place) -> Place:
        """One `key = value`; gives the table back, which goes on."""
        line, place = self._line(), table
        for part in self._key():
            place = (*place, part)
            self.lines.setdefault(place, line)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(place)
        return table

    def _key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            parts.append(_plain(self._take(_KEY_PART)))
            self._skip(_SPACE)
            if not self._peek("."):
                return parts
            self._at += 1

    def _value(self, place: Place) -> None:
        if self._peek("["):
            self._array(place)
        elif self._peek("{"):
            self._inline_table(place)
        elif self._peek('"') or self._peek("'"):
            self._take(_STRING)
        else:
            self._take(_BARE)

    def _array(self, place: Place) -> None:
        item = 0
        self._step()
        while not self._peek("]"):
            self.lines[(*place, item)] = self._line()
            self._value((*place, item))
            item += 1
            self._skip(_BLANK)
            if self._peek(","):
                self._step()
        self._at += 1

    def _inline_table(self, place: Place) -> None:
        self._step()
        while not self._peek("}"):
            self._pair(place)
            self._skip(_BLANK)
            if self._peek(","):
                self._step()
        self._at += 1

    def _step(self) -> None:
        """Over one bracket or comma and the blanks behind it."""
        self._at += 1
        self._skip(_BLANK)

    def _line(self) -> int:
        return bisect.bisect_right(self._starts, self._at)

    def _peek(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _skip(self, blanks: re.Pattern[str]) -> None:
        self._take(blanks)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, "tomllib has accepted the text, so what must come here does"
        self._at = match.end()
        return match.group()


def _plain(part: str) -> str:
    """A key's part as its data has it; quoted ones are read by tomllib itself."""
    if part[0] not in "\"'":
        return part
    value: str = tomllib.loads(f"key = {part}")["key"]
    return value
