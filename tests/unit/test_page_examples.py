"""What the pages tell people to type is something the program takes: commands and configurations are tried as written."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from gateway.cli.app import app
from gateway.config.model import Config

ROOT: Final = Path(__file__).parents[2]

PAGES: Final = [
    ROOT / "README.md",
    *sorted((ROOT / "docs/tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]

FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

COMMAND: Final = re.compile(
    r"""(?:^|[ $(])(?:[\w./]+/)?nightsafe ([a-z](?:[^|;&#\n'"]|'[^']*'|"[^"]*")+)""", re.MULTILINE
)

SHELL: Final = {"sh", "console"}


def blocks(*languages: str) -> list[tuple[str, str]]:
    """Every example in one of these languages: its page, and its text."""
    pages = ((page.name, page.read_text("utf-8")) for page in PAGES)
    return [(name, text) for name, page in pages for language, text in FENCE.findall(page) if language in languages]


def typed(language_block: tuple[str, str]) -> list[str]:
    """The lines a person types, as far as the example tells them from answers."""
    lines = language_block[1].replace("\\\n", " ").splitlines()
    prompted = [line for line in lines if line.startswith("$ ")]
    return prompted or lines


COMMANDS: Final = sorted(
    {(block[0], words.strip()) for block in blocks(*SHELL) for line in typed(block) for words in COMMAND.findall(line)}
)


def test_there_are_commands_to_try() -> None:
    """A pattern that finds nothing finds no faults either."""
    assert {words.split()[0] for _, words in COMMANDS} >= {"core", "status", "list", "show", "verify", "hold", "route"}


@pytest.mark.parametrize(("page", "words"), COMMANDS)
def test_every_command_is_one_the_program_takes(page: str, words: str) -> None:
    """Who types it at night has no time for a verb or an option that isn't there."""
    assert page
    group: Any = typer.main.get_command(app)
    verb, *rest = shlex.split(words)
    command = group.commands[verb]
    nested = getattr(command, "commands", {})
    chosen, arguments = (nested[rest[0]], rest[1:]) if nested else (command, rest)
    chosen.make_context(verb, arguments)


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_every_configuration_is_one_the_program_takes(page: str, text: str) -> None:
    """Each stands for itself, so a part of it can be copied."""
    assert page
    Config.model_validate(tomllib.loads(text))
