"""The house stands as the design lays it out (decision 0002)."""

import ast
import re
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.house import FOLDERS, PRODUCT, ROOT, files

MADE: Final = {"var", "build", "dist", "htmlcov", "__pycache__"}
"""What commands leave in the checkout; not tracked."""

PACKAGES: Final = ("gateway", "adapters", "queue/spool")

LAYERS: Final = {
    "acceptance",
    "contracts",
    "faults",
    "hostile",
    "integration",
    "mutation",
    "powercut",
    "simulation",
    "tidy",
    "unit",
}

SCROLLS: Final = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "config.example.toml",
    "Makefile",
    ".ci/run",
)


ELSEWHERE: Final = {
    "test_core_connections": "a core's connections alone: there is no spool",
    "test_core_wire": "a core alone: there is no spool",
    "test_full_disk": "the disk under SQLite's file; PostgreSQL's is full in test_database_troubles and ..._full_in_window",
    "test_kill_storm": "make storm ENGINE=postgres",
    "test_store_accounts": "each engine by itself",
    "test_store_ranks": "each engine by itself",
    "test_several_nodes": "several nodes, always on PostgreSQL",
}
"""Tests of the brain over sockets that `make brain` doesn't run on the engine it is given, and why."""


def python(folder: Path, program: str) -> str:
    """What this program prints when Python is started in the folder."""
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_queue_is_the_standard_library_s() -> None:
    """Our `queue/` must never hide it: asyncio, logging and urllib3 all import it."""
    found = python(ROOT, "import queue; print(queue.__file__)")
    assert Path(found).parent == Path(sysconfig.get_path("stdlib"))


def test_queue_is_no_package() -> None:
    """An `__init__.py` here is how it would hide the standard library's."""
    assert list((ROOT / "queue").glob("*.py")) == []


@pytest.mark.parametrize("name", ["gateway", "adapters", "spool"])
def test_a_package_is_importable_from_anywhere(name: str, tmp_path: Path) -> None:
    """It is installed, not found by luck in the working folder."""
    assert python(tmp_path, f"import {name}; print({name}.__name__)") == name


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed(package: str) -> None:
    """Without the marker, who uses it loses the types."""
    assert (ROOT / package / "py.typed").is_file()


def test_the_root_holds_the_folders_of_the_design() -> None:
    """A new folder at the root is a decision, not an accident."""
    found = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    assert found - MADE == set(FOLDERS) - {".ci"}


def test_the_root_holds_no_code() -> None:
    """Every module has a package it belongs to."""
    assert list(ROOT.glob("*.py")) == []


@pytest.mark.parametrize("name", SCROLLS)
def test_the_root_holds(name: str) -> None:
    """What a newcomer looks for first."""
    assert (ROOT / name).is_file()


def test_a_test_belongs_to_a_layer() -> None:
    """Each layer has its own promise about speed and means (CONTRIBUTING.md)."""
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders <= LAYERS


def test_test_folders_are_no_packages() -> None:
    """Pytest imports by path (importlib mode); an `__init__.py` would change every name."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_test_files_have_names_of_their_own() -> None:
    """So that a report names one file."""
    names = Counter(path.name for path in files() if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []


def test_the_ci_script_can_be_started() -> None:
    """It is run as a program."""
    assert (ROOT / ".ci/run").stat().st_mode & 0o111


def test_product_code_lies_in_its_packages() -> None:
    """Only what lies in a package is installed."""
    code = [path.relative_to(ROOT).as_posix() for path in files() if path.suffix == ".py"]
    product = [path for path in code if path.startswith(PRODUCT)]
    assert [path for path in product if not path.startswith(tuple(f"{package}/" for package in PACKAGES))] == []


def test_every_target_of_make_is_told_of() -> None:
    """A campaign that nobody knows of is not run."""
    targets = re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert "simulate" in targets
    assert [target for target in targets if not re.search(rf"\bmake {target}(?![a-z-])", told)] == []


def test_what_shows_the_brain_over_sockets_is_run_on_either_engine() -> None:
    """Whatever the table of its behaviours names: else a behaviour would hold on SQLite alone, and nobody would know."""
    page = (ROOT / "docs/explanation/outages.md").read_text(encoding="utf-8")
    table = page.partition("## Each behaviour")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"(test_\w+)\.py", row[2])}
    brain = re.search(r"^BRAIN := ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert brain is not None
    run = {f"test_{name}" for name in re.findall(r"\w+", brain[1])} | {"test_command_stories", "test_page_stories"}
    assert len(named) > 20
    assert sorted(named - run - {*ELSEWHERE}) == []
    assert sorted({*ELSEWHERE} - named) == []


def test_the_judge_leans_on_nothing_that_it_judges() -> None:
    """Only on the standard library and itself: a checker that shares code with the gateway shares its mistakes."""
    foreign = {
        f"{path.name}: {name}"
        for path in (ROOT / "adapters/judge").glob("*.py")
        for name in _imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("adapters.judge")
    }
    assert foreign == set()


def _imported(path: Path) -> Iterator[str]:
    """Every module a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."
