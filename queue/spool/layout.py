"""What a start would change of a spool's layout, so that it can be known before."""

from collections.abc import Iterable
from itertools import takewhile
from typing import Final, NamedTuple

_NOT_WORDS: Final = ("works beside", "outside a transaction")


class Step(NamedTuple):
    """A migration that a spool has not seen."""

    version: int
    #: What it is for, in a sentence.
    about: str


class Outlook(NamedTuple):
    """Where a spool is, and where a start would bring it."""

    #: Of its layout; 0 where there is none yet.
    version: int
    #: Of the newest layout this program knows.
    known: int
    #: In this order; empty where a start changes nothing.
    steps: list[Step]


def ahead(version: int, scripts: Iterable[tuple[int, str]]) -> Outlook:
    """The outlook of a spool of this version, of all migrations there are."""
    known = list(scripts)
    return Outlook(version, known[-1][0], [Step(at, _about(script)) for at, script in known if at > version])


def _about(script: str) -> str:
    """The first sentence of a migration's first comment that isn't about how it is applied."""
    comment = takewhile(lambda line: line.startswith("--"), script.splitlines())
    said = (line.removeprefix("--").strip() for line in comment)
    words = [each for each in said if not each.startswith(_NOT_WORDS)]
    return " ".join(words).partition(". ")[0].rstrip(".")
