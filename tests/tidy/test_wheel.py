"""What is installed is what was tested: the wheel holds every file of the packages and starts without the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.house import ROOT

FROM: Final = {"gateway": ROOT / "gateway", "adapters": ROOT / "adapters", "spool": ROOT / "queue/spool"}
"""Where each installed package lies in the checkout."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once, from this tree, with the build tools already installed (nothing is fetched)."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As installed, but in a folder of its own."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def start(unpacked: Path, *arguments: str) -> str:
    """What Python prints when the unpacked wheel comes before the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "COLUMNS": "100"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=unpacked, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("package", FROM)
def test_the_wheel_holds_every_file_of(package: str, unpacked: Path) -> None:
    """Also the ones that are no code: .sql, .toml, py.typed."""
    folder = FROM[package]
    wanted = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {
        path.relative_to(unpacked / package) for path in (unpacked / package).rglob("*") if path.is_file()
    } == wanted


def test_the_wheel_holds_nothing_else(unpacked: Path) -> None:
    """No tests, no benches, no `queue`: that name belongs to the standard library."""
    assert {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")} == set(FROM)


@pytest.mark.parametrize("package", FROM)
def test_the_wheel_is_importable(package: str, unpacked: Path) -> None:
    """Without the checkout beside it."""
    found = start(unpacked, "-B", "-c", f"import {package}; print({package}.__file__)")
    assert found == str(unpacked / package / "__init__.py")


def test_the_wheel_s_command_answers(unpacked: Path) -> None:
    """It has every module that the command needs."""
    assert "serve" in start(unpacked, "-B", "-c", "from gateway.cli import main; main()", "--help")
