"""Every command that the documents show is one that there is: its verbs, options and arguments, and every address by curl.

They are parsed by the command's own parser and not run. What a document shows as a placeholder counts as given, a file
that only its reader has as there.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import typer

from adapters.channels.openapi import document
from gateway.admin.http.description import description
from gateway.cli.app import app
from tests.tidy.house import ROOT

PAGES: Final = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
COMMAND: Final = typer.main.get_command(app)
PORTS: Final = {8080: "channels", 8081: "admin"}
"""Of the configuration that the documents go by; others are of other programs."""

OSMP: Final = {"/osmp/{channel}": {"get": "it is told in docs/reference/channels.md"}}

_BLOCK: Final = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TICKED: Final = re.compile(r"`(?:\$ )?(nightsafe [^`]+)`")
_VERB: Final = re.compile(
    r"(?:^|[|;&(]\s*|ExecStart=)\s*(?:[a-z_]+\(\) \{ )?(?:sudo(?: -u \w+)? )?(?:\S*/)?nightsafe (?=[a-z])"
)
_CURL: Final = re.compile(r"\bcurl ")
_END: Final = re.compile(r"^(\||\|\||&&|&|;|>|>>|<|2>|\)|\})$")
_ELLIPSIS: Final = re.compile(r"\.\.\.|…")


def shown(page: Path) -> Iterator[str]:
    """Lines of a page's blocks, those that go on joined."""
    for block in _BLOCK.findall(page.read_text()):
        yield from block.replace("\\\n", " ").splitlines()


def words(line: str) -> list[str]:
    """A shell's words of one command, up to where the next one begins."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found = list[str]()
    for word in lexer:
        if _END.match(word):
            break
        found.append(word)
    return found


def commands() -> list[Any]:
    """Every command line of ours, by where it is shown."""
    return [
        pytest.param(line[found.end() :], id=f"{page.relative_to(ROOT)}: {line[found.start() :].strip()}"[:150])
        for page in PAGES
        for line in dict.fromkeys(line.removeprefix("$ ") for line in shown(page))
        for found in _VERB.finditer(line)
        if not _ELLIPSIS.search(line)
    ]


def mentions() -> list[Any]:
    """Every command that is named in the midst of a sentence, with what is said of its options there."""
    return [
        pytest.param(mention, id=f"{page.relative_to(ROOT)}: {mention}"[:150])
        for page in PAGES
        for mention in dict.fromkeys(
            " ".join(each.split()) for each in _TICKED.findall(_BLOCK.sub("", page.read_text()))
        )
    ]


def addresses() -> list[Any]:
    """Every address of ours that is asked by curl, with the method, by where it is shown."""
    found = list[Any]()
    for page in PAGES:
        for line in shown(page):
            for curl in _CURL.finditer(line):
                told = words(line[curl.end() :])
                address = next((each for each in told if each.startswith("http")), "")
                side = PORTS.get(urlsplit(address.replace("$", "1")).port or 0)
                method = told[told.index("-X") + 1] if "-X" in told else "POST" if "-d" in told else "GET"
                if side is not None:
                    found.append(
                        pytest.param(side, method, address, id=f"{page.relative_to(ROOT)}: {method} {address}"[:150])
                    )
    return found


def verb_of(told: list[str]) -> tuple[Any, list[str]]:
    """The verb that is meant, and what comes after its name."""
    command: Any = COMMAND
    while told and hasattr(command, "commands") and not told[0].startswith("-") and told[0] != "VERB":
        assert told[0] in command.commands, f"there is no {told[0]}"
        command, told = command.commands[told[0]], told[1:]
    return command, told


@pytest.mark.parametrize("line", commands())
def test_a_command_that_is_shown_is_one(line: str) -> None:
    """Whoever types it as it stands there is not told that there is no such thing."""
    verb, rest = verb_of(words(line))
    assert not hasattr(verb, "commands"), "it goes down to a verb"
    verb.make_context(verb.name, rest)


@pytest.mark.parametrize("mention", mentions())
def test_a_command_that_is_named_is_one(mention: str) -> None:
    """With what it is said to take; what else it needs goes without saying there."""
    verb, rest = verb_of(words(mention)[1:])
    known = {"--help", *(name for each in verb.params for name in (*each.opts, *each.secondary_opts))}
    assert {each.partition("=")[0] for each in rest if each.startswith("-")} <= known


@pytest.mark.parametrize(("side", "method", "address"), addresses())
def test_an_address_that_is_shown_is_one(side: str, method: str, address: str) -> None:
    """The description of its listener has it, with this method."""
    paths = {"channels": document()["paths"] | OSMP, "admin": description()["paths"]}[side]
    path = urlsplit(address).path
    fitting = [each for each in paths if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", each), path)]
    assert any(method.lower() in paths[each] for each in fitting)
