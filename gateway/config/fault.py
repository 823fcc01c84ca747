"""What is wrong with a configuration, said so that it can be mended: where it stands, what it is, what to write.

A fault never repeats a value: what stands in the wrong place may be a secret.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.config.lines import Place


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fault before its line is known."""

    place: Place
    found_kind: str
    what_to_write: str


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to mend."""

    #: Line of the file, from 1; of the table around it, or the last one, for what is missing; 0 when there is no file.
    line: int
    #: The key as written in TOML: `routes.main.channels[1]`.
    where: str
    #: What is there, in a few words: `unknown key`, `text, not a whole number`.
    found_kind: str
    #: What would be right, with an example where there is one.
    what_to_write: str

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line else ""
        return f"{line}{self.where}: {self.found_kind}; {self.what_to_write}"


class ConfigUnfit(Exception):
    """The configuration can't be used; nothing was opened. It names every fault at once."""

    def __init__(self, path: Path, faults: Sequence[Fault]) -> None:
        #: The file.
        self.path = path
        #: By line.
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line, fault.where)))
        super().__init__("\n".join([f"{path}: {counted(len(self.faults), 'fault')}", *map(str, self.faults)]))


def counted(count: int, noun: str) -> str:
    """So many of something: `1 fault`, `2 faults`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def written(place: Place) -> str:
    """A place as an operator would write it; names that need quotes get them."""
    from gateway.config.toml import toml_key  # noqa: PLC0415 - the command's help is there without pydantic

    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += "." * bool(text) + toml_key(part)
    return text
