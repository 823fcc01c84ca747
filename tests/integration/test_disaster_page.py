"""The page for the worst day, walked through: its own commands, in its own order, on a real service."""

import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.house import ROOT

pytestmark = pytest.mark.process

PAGE: Final = ROOT / "docs/how-to/restore-after-disaster.md"
WAIT_S: Final = 60
WANTED: Final = ["backup", "restore", "serve", "status", "verify", "evidence accept", "verify"]


def commands() -> list[str]:
    """The page's, in order."""
    return re.findall(r"^ *\$ nightsafe (.+)$", PAGE.read_text(), re.MULTILINE)


class Walk:
    """A site on which the page's commands are run."""

    def __init__(self, folder: Path) -> None:
        """Made by init, with a witness, on free ports; its copies have a folder."""
        self.folder = folder
        self.config = folder / "var/nightsafe.toml"
        self.running: list[subprocess.Popen[str]] = []
        self.admin = ""
        assert self._run(f"init --dir {folder}/var").returncode == 0
        (folder / "backups").mkdir()
        text = self.config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
        witness = f'[evidence]\nwitness_files = ["{folder}/checkpoint"]'
        self.config.write_text(text.replace("[evidence]", witness).replace("127.0.0.1:8090", "127.0.0.1:1"))

    def step(self, command: str) -> subprocess.CompletedProcess[str]:
        """One of the page's commands, with this site's places."""
        told = command.replace("/backups", str(self.folder / "backups"))
        return self._run(told, "--config", str(self.config))

    def ask(self, command: str) -> subprocess.CompletedProcess[str]:
        """One that asks the service."""
        return self._run(command, "--url", self.admin, "--token-file", str(self.folder / "var/secrets/admin.token"))

    def serve(self) -> list[str]:
        """The service, in the background; what it says."""
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.running.append(process)
        assert process.stdout is not None
        said = [process.stdout.readline().rstrip("\n") for _ in range(3)]
        self.admin = said[2].removeprefix("admin: ")
        return said

    def lose(self) -> None:
        """The service stops, with a last checkpoint, and then the disk is gone."""
        self.running[-1].terminate()
        assert self.running[-1].wait(WAIT_S) == 0
        self.close()
        shutil.rmtree(self.folder / "var/spool")

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.running:
            process.kill()
            process.wait(WAIT_S)
            assert process.stdout is not None
            process.stdout.close()
        self.running.clear()

    def _run(self, command: str, *more: str) -> subprocess.CompletedProcess[str]:
        words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)]
        return subprocess.run(
            [sys.executable, "-m", "gateway", *words, *more],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A site."""
    walk = Walk(tmp_path)
    yield walk
    walk.close()


def test_the_page_has_the_steps_this_test_walks() -> None:
    """Who changes the one changes the other."""
    assert [" ".join(each.split()[: 2 if each.startswith("evidence") else 1]) for each in commands()] == WANTED


def test_the_page_leads_through_the_disaster(walk: Walk) -> None:
    """A payment that waited comes back in doubt, one that was taken since is counted as missing, and it goes on."""
    backup, restore, _, status, verify, accept, again = commands()
    channels = walk.serve()[1].removeprefix("channels: ")
    assert walk.ask('route open main --reason "billing is away"').returncode == 0
    pay(channels, "1")
    assert walk.step(backup).returncode == 0
    pay(channels, "2")
    walk.lose()

    restored = walk.step(restore)
    said = walk.serve()
    shown, verdict = walk.ask(status), walk.ask(verify)
    accepted = walk.ask(accept)
    sound = walk.ask(again)

    assert "missing: 1 events at least (compared with: " in restored.stdout
    assert said[1].startswith("channels: not yet")
    assert "NOTHING IS TAKEN OR SENT: 1 events are known to be missing" in shown.stdout
    assert (verdict.returncode, "rolled_back" in verdict.stdout) == (1, True)
    assert (accepted.returncode, "taking payments" in accepted.stdout) == (0, True)
    assert (sound.returncode, sound.stdout.startswith("sound")) == (0, True)


def pay(channels: str, key: str) -> None:
    """A payment of 10.00; billing is down, so it waits."""
    query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={key}&sum=10.00"
    with urllib.request.urlopen(f"{channels}/osmp/kiosk?{query}", timeout=WAIT_S) as answer:  # noqa: S310 - our own service on loopback
        assert b"<result>0</result>" in answer.read()
