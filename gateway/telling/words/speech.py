"""Events as sentences of a language.

Templates are Jinja2's, in its sandbox: what fills them came over wires, and what an operator writes for his own texts is
no program of ours. A name that isn't there is an error, found by the tests of every line and not by a person at night.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapters.amount import BadAmount, UnknownCurrency, write_amount
from gateway.route.diagnosis import WORDS
from gateway.telling.event import US, Event, Phase, Severity

Language = Literal["en", "ru"]

_FOLDER: Final = Path(__file__).parent
_LASTING: Final = frozenset({Phase.REPEATED, Phase.ESCALATED})
_UNITS: Final[Mapping[str, tuple[tuple[int, str], ...]]] = {
    "en": ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")),
    "ru": ((86_400, "сут"), (3_600, "ч"), (60, "мин"), (1, "с")),  # noqa: RUF001 - Russian for a second
}
_UNITS_SAID: Final = 2


class Speech:
    """One language."""

    def __init__(self, language: Language) -> None:
        """Read its words."""
        self._units = _UNITS[language]
        self._words: Mapping[str, Any] = tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
        self._templates = sandbox()
        # Its type lists its own filters' types and no others.
        filters: Any = self._templates.filters
        filters.update(span=self.span, money=_money, cause=self._cause)
        self._made: dict[str, Template] = {}

    def line(self, event: Event) -> str:
        """An event in one sentence."""
        lines: Mapping[str, str] = self._words["lines"][event.kind.value]
        phase = event.phase
        named = "cleared" if phase is Phase.CLEARED else "lasting" if phase in _LASTING else "raised"
        template = lines.get(named, lines["raised"])
        lasted_s = (event.at_us - event.since_us) // US
        facts: dict[str, Any] = {"lasted_s": lasted_s, **event.facts, "subject": event.subject or event.node}
        for name, group in (("stage", "stages"), ("operation", "operations")):
            if name in facts:
                facts[name] = self._words.get(group, {}).get(facts[name], facts[name])
        before: str = self._words["phase"][phase.value]
        by_whom = self.piece("seen", **facts) if "nodes" in facts else ""
        return before + self._said(template, facts) + by_whom

    def severity(self, severity: Severity) -> str:
        """How urgent it is."""
        word: str = self._words["severity"][severity.word]
        return word

    def piece(self, name: str, **facts: Any) -> str:
        """A piece of a letter's frame."""
        return self._said(self._words["digest"][name], facts)

    def payer_text(self, name: str) -> str:
        """The template of what payers are told: `accepted`, `credited` or `refused`."""
        text: str = self._words["payers"][name]
        return text

    def _said(self, text: str, facts: Mapping[str, Any]) -> str:
        template = self._made.get(text)
        if template is None:
            template = self._made[text] = self._templates.from_string(text)
        return template.render(facts)

    def span(self, seconds: int) -> str:
        """A span of time in its two largest units."""
        left, said = max(0, int(seconds)), list[str]()
        for size, unit in self._units:
            if (left >= size or (not said and size == 1)) and len(said) < _UNITS_SAID:
                said.append(f"{left // size} {unit}")
                left %= size
        return " ".join(said)

    def _cause(self, cause: str) -> str:
        found: str = self._words["causes"].get(cause) or _ENGLISH.get(cause, cause)
        return found


_ENGLISH: Final[Mapping[str, str]] = {cause.value: words.partition(":")[0] for cause, words in WORDS.items()}


def sandbox() -> ImmutableSandboxedEnvironment:
    """Where templates run: with no way to anything but what fills them."""
    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


def _money(minor: int, currency: str) -> str:
    try:
        return f"{write_amount(int(minor), currency)} {currency}"
    except (BadAmount, UnknownCurrency):
        return f"{minor} {currency}"


@cache
def speech(language: Language) -> Speech:
    """A language, read once."""
    return Speech(language)
