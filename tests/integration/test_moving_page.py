"""The page on moving between engines, walked through: its own commands, in its own order, as processes."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.contracts.postgres_server import SHARED, free_port
from tests.integration.postgres_house import node_file
from tests.tidy.house import ROOT

pytestmark = pytest.mark.process

PAGE: Final = ROOT / "docs/how-to/move-between-engines.md"
WAIT_S: Final = 60


def commands() -> list[str]:
    """The page's, in order."""
    return re.findall(r"^ *\$ nightsafe (.+)$", PAGE.read_text(), re.MULTILINE)


class Walk:
    """A folder with the two configurations that the page speaks of."""

    def __init__(self, folder: Path) -> None:
        """A spool in a file, and an empty schema it is to go to."""
        self.folder = folder
        self.running: list[subprocess.Popen[str]] = []
        new = node_file(folder, SHARED.schema(), "http://127.0.0.1:1", "new")
        for _ in range(2):
            new.write_text(new.read_text().replace("port = 0", f"port = {free_port()}", 1))
        old = new.read_text().replace('engine = "postgres"', 'engine = "sqlite"').replace("/new/", "/old/")
        (folder / "old.toml").write_text(f'{old}\n[keys]\nstore_file = "{folder}/old.store"\n')

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """One of the commands, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", *command.split()],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
            cwd=self.folder,
        )

    def serve(self, command: str) -> str:
        """The service, in the background; what it found."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *command.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
        )
        self.running.append(process)
        assert process.stdout is not None
        return next(line for line in process.stdout if line.startswith("found: "))

    def stop(self) -> int:
        """The service that was started last, in good order; its exit code."""
        process = self.running.pop()
        process.terminate()
        process.communicate(timeout=WAIT_S)
        return process.returncode


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Whatever still runs at its end is ended."""
    walk = Walk(tmp_path)
    yield walk
    while walk.running:
        walk.stop()


def test_the_page_s_commands_move_a_spool_and_the_old_one_starts_no_more(walk: Walk) -> None:
    """As whoever is on duty types them."""
    check, move, serve, verify, _ = commands()
    walk.serve("serve --config old.toml")
    assert walk.stop() == 0

    assert "no faults" in walk.run(check).stdout
    moved = walk.run(move)
    found = walk.serve(serve)
    assert walk.stop() == 0
    verified, again = walk.run(verify), walk.run("serve --config old.toml")

    assert (moved.returncode, "counted and proven anew" in moved.stdout) == (0, True), moved.stderr
    assert found == "found: an empty spool\n"
    assert verified.returncode == 0, verified.stderr
    assert (again.returncode, "this spool was moved away" in again.stderr) == (3, True)


def test_the_page_s_restart_moves_a_spool_once(walk: Walk) -> None:
    """By one command, at each start."""
    *_, verify, restart = commands()
    walk.serve("serve --config old.toml")
    assert walk.stop() == 0

    found = [walk.serve(restart)]
    first = walk.stop()
    found.append(walk.serve(restart))
    second = walk.stop()
    verified, again = walk.run(verify), walk.run("serve --config old.toml")

    assert found == ["found: an empty spool\n"] * 2
    assert (first, second, verified.returncode) == (0, 0, 0), verified.stderr
    assert (again.returncode, "this spool was moved away" in again.stderr) == (3, True)
