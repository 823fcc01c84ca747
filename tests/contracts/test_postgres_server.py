"""The tests' own PostgreSQL ends with them, however they end."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.contracts.postgres_server import watched

WAIT_S = 20.0


def test_a_server_is_ended_and_its_folder_removed_when_its_starter_is_gone(tmp_path: Path) -> None:
    """A killed worker runs nothing at its exit; what it started once ran on for days."""
    folder = tmp_path / "server"
    folder.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as server:
        watch = watched(server.pid, folder)
        assert watch.stdin is not None
        watch.stdin.close()
        assert server.wait(WAIT_S) == -signal.SIGQUIT
    watch.wait(WAIT_S)
    assert not folder.exists()


def test_one_that_was_ended_in_order_is_left_alone(tmp_path: Path) -> None:
    """Its number may be another process's by then."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        watched(other.pid, tmp_path).communicate(b"over\n", WAIT_S)
        assert other.poll() is None
        other.communicate(b"\n", WAIT_S)
        assert other.returncode == 0
    assert tmp_path.exists()
