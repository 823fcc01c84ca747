"""Somebody at a terminal: the installed command, typed as its user would, and what the documents show of it."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.cli.exits import Exit
from tests.acceptance.stage import WAIT_S
from tests.integration.house import House
from tests.tidy.house import ROOT

BIN: Final = Path(sys.executable).parent
PAGE: Final = ROOT / "docs/how-to/use-the-command-line.md"
INTERRUPTED: Final = 128 + signal.SIGINT
"""How a shell calls what Ctrl-C ended."""

_VARIES: Final = (
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(\.[0-9]+)?Z?", "<time>"),
    (r"\b[0-9]+ +<time>", "<event> <time>"),
    (r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "<id>"),
    (r"\b[0-9]{15,}\b", "<number>"),
    (r"\b[0-9a-f]{8}\b|\b[0-9a-f]{12}\b", "<hash>"),
    (r"root \S+", "root <hash>"),
    (r"\b[0-9]+ (times|events)\b", r"<some> \1"),
    (r"\b[0-9]+ of [0-9]+\b", "<pace>"),
    (r"\b[0-9.]+ (ms|s|min|h|d)\b", "<span>"),
    (r"\b[0-9.]+ MiB\b", "<size>"),
    (r"[ \u2581-\u2588]*[\u2581-\u2588][ \u2581-\u2588]*", " <curve> "),
    (r"127\.0\.0\.1(:|', )[0-9]+", "<address>"),
)
"""What is another each time: it is shown in the documents as it once was."""


@dataclass
class Terminal:
    """A person of a role at a shell, whose environment says which service is meant."""

    house: House
    role: str
    #: Everything typed in a story and what was printed, whoever typed it.
    typed: list[tuple[str, str]] = field(default_factory=list)

    def other(self, role: str) -> "Terminal":
        """Somebody else, in the same story."""
        return Terminal(self.house, role, self.typed)

    async def types(self, line: str, *, exits: int = Exit.DONE, told: str = "") -> str:
        """Type a line, answer `told` to what it asks; what it printed, once it has ended as expected."""
        process = await self._starts(line)
        printed, complained = await process.communicate(told.encode())
        text = printed.decode() + complained.decode()
        assert process.returncode == exits, text
        self.typed.append((line, text))
        return text

    async def reads(self, line: str, *, exits: int = Exit.DONE) -> Any:
        """The same for a program: what it says as JSON."""
        return json.loads(await self.types(f"{line} --json", exits=exits))

    async def _starts(self, line: str) -> asyncio.subprocess.Process:
        url = f"http://127.0.0.1:{self.house.service.admin_listener.port}"
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "NIGHTSAFE_URL": url, "NIGHTSAFE_TOKEN": self.role}
        program, *arguments = shlex.split(line)
        return await asyncio.create_subprocess_exec(
            str(BIN / program),
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def watches(self, line: str) -> "Watch":
        """Type a line that goes on until Ctrl-C."""
        return Watch(await self._starts(line))


@dataclass
class Watch:
    """A command that goes on."""

    process: asyncio.subprocess.Process

    async def until(self, words: str) -> None:
        """Wait until it prints a line with these words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WAIT_S):
            while line := await self.process.stdout.readline():
                if words in line.decode():
                    return
        raise AssertionError(f"it ended without: {words}")

    async def ends(self) -> None:
        """Ctrl-C: it ends at once, and complains of nothing."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(WAIT_S):
            _, complained = await self.process.communicate()
        assert (self.process.returncode, complained) == (INTERRUPTED, b"")


def untrue(story: str, typed: Sequence[tuple[str, str]]) -> list[str]:
    """What the documents show under a story's heading and was not printed when it was gone through; none is as it should be.

    A line `...` there stands for any that are left out.
    """
    printed = [(_steady(line), _steady(text)) for line, text in typed]
    shown = _shown(story)
    assert shown, f"{PAGE.name} shows nothing of: {story}"
    return [
        line
        for line, parts in shown
        if not any(line == each and _is_in(parts, text) for each, text in printed)
    ]  # fmt: skip


def _shown(story: str) -> list[tuple[str, list[str]]]:
    """Each command under a heading, and the parts of what it prints."""
    section = PAGE.read_text("utf-8").partition(f"\n## {story}\n")[2].partition("\n## ")[0]
    found = list[tuple[str, list[str]]]()
    for block in re.findall(r"^```console\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        for each in block.removeprefix("$ ").split("\n$ "):
            line, _, text = each.partition("\n")
            parts = [_steady(part) for part in re.split(r"^\.\.\.$", text, flags=re.MULTILINE)]
            found.append((_steady(line), [part for part in parts if part]))
    return found


def _is_in(parts: list[str], text: str) -> bool:
    for part in parts:
        _, found, text = text.partition(part)
        if found != part:
            return False
    return True


def _steady(text: str) -> str:
    """Text without what is another each time, and without the widths of columns and of the screen."""
    for pattern, word in _VARIES:
        text = re.sub(pattern, word, text)
    return " ".join(text.split())
