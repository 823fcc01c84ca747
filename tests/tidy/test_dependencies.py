"""What we lean on: declared, explained, imported and locked, each saying the same."""

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.house import PRODUCT, ROOT, sources

PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

RUN: Final = [Requirement(line) for line in PROJECT["dependencies"]]
DEV: Final = [Requirement(line) for line in PROJECT["optional-dependencies"]["dev"]]

OURS: Final = {"gateway", "adapters", "spool"}

LOCKS: Final = sorted((ROOT / "requirements").glob("*.txt"))

COMPANIONS: Final = {
    "annotated-types": "pydantic",
    "multidict": "aiohttp",
    "pydantic-core": "pydantic",
    "yarl": "aiohttp",
}
"""Packages that come along with another as part of what it offers: its own pages tell to import them."""

UNIMPORTED: Final = {
    "smpplib": "imported by name, as it has no types (gateway/telling/sinks/smpp.py)",
    "pysqlite3": "imported by name, where its wheel exists (queue/spool/sqlite/connection.py)",
    "tzdata": "data that the standard library's zoneinfo finds by itself",
}
"""Runtime dependencies that no import statement names, and why they are declared."""


EXTRAS: Final = {"opentelemetry": "gateway/tracing/"}
"""Packages of an extra, and the one room that imports them, which nothing imports unless it is asked for."""


def names(requirements: list[Requirement]) -> set[str]:
    """Their names as the packages' index spells them."""
    return {canonicalize_name(requirement.name) for requirement in requirements}


def locked(name: str) -> dict[str, str]:
    """Version of each package in one lock."""
    text = (ROOT / "requirements" / name).read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[[^\]]+\])?==([^ ]+)", text, re.MULTILINE))


def direct(name: str) -> set[str]:
    """Packages that a lock has because we asked for them."""
    text = (ROOT / "requirements" / name).read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9-]+(?:\[[^\]]+\])?==)", text, flags=re.MULTILINE)[1:]
    return {re.split(r"\[|==", entry)[0] for entry in entries if "nightsafe (pyproject.toml)" in entry}


def imported() -> Iterator[str]:
    """Top-level names of other people's packages that our code imports."""
    for source in sources(*PRODUCT):
        for _, target in source.imports:
            top = target.partition(".")[0]
            if EXTRAS.get(top, "nowhere") in source.path:
                continue
            if top not in OURS | sys.stdlib_module_names:
                yield top


def distributions() -> set[str]:
    """The packages behind these names; a companion counts as its owner."""
    of = metadata.packages_distributions()
    found = {canonicalize_name(of.get(name, [name])[0]) for name in imported()}
    return {COMPANIONS.get(name, name) for name in found}


def explained() -> list[str]:
    """What the page on dependencies has a row for."""
    text = (ROOT / "docs/explanation/dependencies.md").read_text("utf-8")
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def test_what_is_imported_is_declared() -> None:
    """A package that came along with another may leave with it."""
    assert distributions() - names(RUN) == set()


def test_what_is_declared_is_imported() -> None:
    """Each dependency is a risk; one that nothing uses is a risk for nothing."""
    assert names(RUN) - distributions() - set(UNIMPORTED) == set()


def test_each_dependency_is_explained_once_and_none_besides() -> None:
    """Why this and not another is asked again with each new pair of eyes."""
    assert sorted(explained()) == sorted(names(RUN) | names(DEV))


@pytest.mark.parametrize(("lock", "wanted"), [("run.txt", RUN), ("dev.txt", RUN + DEV)])
def test_a_lock_has_what_is_declared(lock: str, wanted: list[Requirement]) -> None:
    """Run `make lock` after changing a dependency."""
    versions = locked(lock)
    unmet = [str(each) for each in wanted if versions.get(canonicalize_name(each.name), "0") not in each.specifier]
    assert unmet == []


@pytest.mark.parametrize(("lock", "wanted"), [("run.txt", RUN), ("dev.txt", RUN + DEV)])
def test_a_lock_has_nothing_that_is_no_longer_declared(lock: str, wanted: list[Requirement]) -> None:
    """Run `make lock` after removing a dependency."""
    assert direct(lock) == names(wanted)


def test_the_locks_agree() -> None:
    """What was tested is what runs."""
    run, dev, build = locked("run.txt"), locked("dev.txt"), locked("build.txt")
    shared = (run.items() | build.items()) & {(name, version) for name, version in dev.items()}
    assert {name for name, _ in shared} == (run.keys() | build.keys()) & dev.keys()
    assert run.keys() <= dev.keys()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_locked_package_has_hashes(lock: Path) -> None:
    """Pip checks them, so that what is installed is what was locked."""
    text = lock.read_text("utf-8")
    assert re.findall(r"^[a-z0-9-]+(?:\[[^\]]+\])?==[^\\\n]*$", text, re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_names_no_place(lock: Path) -> None:
    """Where packages come from is the machine's to say."""
    assert re.findall(r"^\s*-(?!-hash=).*|://|file:", lock.read_text("utf-8"), re.MULTILINE) == []
