"""Every text of the page, in each language: one catalogue, `words.toml`, read and checked whole.

A text is found by its key. One that depends on a number has a form for each of the language's plurals: one and many in
English; one, few and many in Russian.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, Literal

Language = Literal["en", "ru"]

LANGUAGES: Final[Mapping[Language, str]] = {"en": "English", "ru": "Русский"}
"""Each language by what those who speak it call it."""

FORMS: Final[Mapping[Language, int]] = {"en": 2, "ru": 3}
"""Plural forms of a text with a number."""

FIELD: Final = re.compile(r"\{([a-z_]+)\}")

Text = str | Sequence[str]


class Unworded(Exception):
    """The catalogue lacks something; the message says all that it lacks."""


def catalogue(text: str) -> Mapping[str, Mapping[Language, Text]]:
    """The texts by their keys.

    Raises:
        Unworded: a text is missing in a language, has other fields there, or not each plural.
    """
    found = _flat(tomllib.loads(text))
    if faults := [fault for key, entry in found.items() for fault in _faults(key, entry)]:
        raise Unworded("; ".join(faults))
    return found


def _flat(table: Mapping[str, Any], above: str = "") -> dict[str, Mapping[Language, Text]]:
    found: dict[str, Mapping[Language, Text]] = {}
    for name, value in table.items():
        key = f"{above}{name}"
        if set(LANGUAGES) & value.keys():
            found[key] = value
        else:
            found |= _flat(value, f"{key}.")
    return found


def _faults(key: str, entry: Mapping[Language, Text]) -> list[str]:
    if set(entry) != set(LANGUAGES):
        return [f"{key} is not in each language"]
    fields = {frozenset(FIELD.findall(form)) for text in entry.values() for form in _forms(text)}
    counts = {len(_forms(text)) == FORMS[language] for language, text in entry.items() if not isinstance(text, str)}
    mixed = len({isinstance(text, str) for text in entry.values()}) > 1
    return [
        *([f"{key} has other fields in one language"] if len(fields) > 1 else []),
        *([f"{key} has not each plural"] if mixed or counts - {True} else []),
    ]


def _forms(text: Text) -> Sequence[str]:
    return [text] if isinstance(text, str) else text


WORDS: Final = catalogue((files("gateway.page") / "words.toml").read_text("utf-8"))


def say(language: Language, key: str, /, **fields: object) -> str:
    """The text of a key; `n` among the fields chooses the plural.

    Raises:
        KeyError: there is no such text, or a field of it is missing: our own bug.
    """
    text = WORDS[key][language]
    if not isinstance(text, str):
        number = fields["n"]
        assert isinstance(number, int), "a plural depends on a whole number"
        text = text[_plural(language, number)]
        fields["n"] = grouped(str(number), language)
    return FIELD.sub(lambda found: str(fields[found[1]]), text)


def _plural(language: Language, number: int) -> int:
    """Which form: https://unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html."""
    if language == "en":
        return int(number != 1)
    tens, ones = number % 100, number % 10
    if ones == 1 and tens != 11:  # noqa: PLR2004 - the rule's own figures
        return 0
    return 1 if ones in {2, 3, 4} and tens not in {12, 13, 14} else 2


def grouped(decimal: str, language: Language) -> str:
    """Decimal text with its thousands apart, as the language writes it: `1,234.50`, `1 234,50`."""
    sign, digits = ("-", decimal[1:]) if decimal.startswith("-") else ("", decimal)
    whole, dot, decimals = digits.partition(".")
    gap, point = (",", ".") if language == "en" else ("\N{NO-BREAK SPACE}", ",")
    parted = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", gap, whole)
    return f"{sign}{parted}{point if dot else ''}{decimals}"


def chosen(cookie: str, accepts: str, otherwise: Language) -> Language:
    """The language of who asks: what was chosen, else the first of ours the browser names, else `otherwise`."""
    for name in (cookie, *(each.split(";")[0].strip()[:2].lower() for each in accepts.split(",")[:20])):
        for language in LANGUAGES:
            if name == language:
                return language
    return otherwise
