"""The command as people and supervisors use it: a real service, real signals, exit codes that mean something.

Services are processes; verbs that speak to them are called where the test runs (`command`), which starts no interpreter.
"""

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.cli.exits import Exit
from spool.masters import make_key_file
from spool.sqlite.reading import SqliteReading
from spool.store import Filter
from tests.integration.command import Said, nightsafe

pytestmark = pytest.mark.process

WAIT_S: Final = 60
COMMAND: Final = (sys.executable, "-m", "gateway")


def process(*arguments: str | Path, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a process to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], input=told, capture_output=True, text=True, timeout=WAIT_S, check=False
    )


@dataclass
class House:
    """A configuration of its own, and the services started on it."""

    folder: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """The configuration that init made, on free ports."""
        return self.folder / "nightsafe.toml"

    @property
    def token(self) -> Path:
        """The operator's token."""
        return self.folder / "secrets/admin.token"

    def serve(self) -> "Served":
        """Start the service and wait until it says where it listens."""
        process = subprocess.Popen(
            [*COMMAND, "serve", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.running.append(process)
        assert process.stdout is not None
        lines = dict(process.stdout.readline().rstrip("\n").split(": ", 1) for _ in range(3))
        return Served(self, process, lines)

    def close(self) -> None:
        """End whatever still runs."""
        for process in self.running:
            process.kill()
            process.wait(WAIT_S)
            assert process.stdout is not None
            process.stdout.close()


@dataclass
class Served:
    """A running service."""

    house: House
    process: subprocess.Popen[str]
    said: dict[str, str]

    def ask(self, *arguments: str | Path) -> Said:
        """Run a verb against it."""
        return nightsafe(*arguments, "--url", self.said["admin"], "--token-file", self.house.token)

    def read(self, *arguments: str) -> Any:
        """What a verb says to programs."""
        answer = self.ask(*arguments, "--json")
        assert answer.returncode == Exit.DONE, answer.stderr
        return json.loads(answer.stdout)

    def pay(self, key: str) -> str:
        """A payment of 10.00 by OSMP, on an account of its own."""
        query = f"command=pay&txn_id={key}&txn_date=20260115120000&account={key}&sum=10.00"
        with urllib.request.urlopen(f"{self.said['channels']}/osmp/kiosk?{query}", timeout=WAIT_S) as answer:  # noqa: S310 - our own service on loopback
            text: str = answer.read().decode()
        assert "<result>0</result>" in text
        return text

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Have it end; its exit code."""
        self.process.send_signal(sign)
        return self.process.wait(WAIT_S)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """What `nightsafe init` makes."""
    made = nightsafe("init", "--dir", tmp_path / "var")
    assert made.returncode == Exit.DONE, made.stderr
    place = House(tmp_path / "var")
    text = place.config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    place.config.write_text(text.replace("127.0.0.1:8090", "127.0.0.1:1"))
    try:
        yield place
    finally:
        place.close()


@pytest.fixture
def served(house: House) -> Served:
    """A service with its route kept open, so that it stands in."""
    running = house.serve()
    assert running.ask("route", "open", "main", "--for", "1h", "--reason", "a drill").returncode == Exit.DONE
    return running


def test_the_first_start_says_what_it_found_and_where_it_listens(house: House) -> None:
    """The three lines a person needs."""
    said = house.serve().said
    assert said["found"] == "an empty spool"
    assert said["channels"].startswith("http://127.0.0.1:")
    assert said["admin"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_when_asked(house: House, sign: signal.Signals) -> None:
    """A supervisor sees success, not a crash."""
    assert house.serve().stop(sign) == Exit.DONE


def test_a_signal_has_it_read_anew_who_may_come_in(house: House, served: Served, tmp_path: Path) -> None:
    """SIGHUP, as `systemctl reload` sends it; nothing else begins anew."""
    made = nightsafe("token", "make", "vera", "--role", "viewer", "--file", tmp_path / "vera.token")
    house.config.write_text(f"{house.config.read_text()}\n{made.stdout}")
    served.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + WAIT_S
    while "vera" not in str(served.read("access", "list")) and time.monotonic() < end:
        pass
    told = nightsafe("status", "--url", served.said["admin"], "--token-file", tmp_path / "vera.token")
    assert told.returncode == Exit.DONE, told.stderr


def test_what_was_taken_is_found_at_the_next_start(house: House, served: Served) -> None:
    """Count and sum, by state."""
    served.pay("1")
    served.pay("2")
    served.stop()
    assert house.serve().said["found"] == "ready 2 (20.00 RUB)"


def test_what_was_taken_survives_a_kill(house: House, served: Served) -> None:
    """The yes was on disk before it was said."""
    served.pay("1")
    served.stop(signal.SIGKILL)
    assert house.serve().said["found"] == "ready 1 (10.00 RUB)"


def test_a_second_service_on_one_spool_is_refused_naming_the_holder(house: House, served: Served) -> None:
    """Two writers would undo each other; the person is told which process it is."""
    second = process("serve", "--config", house.config)
    assert (second.returncode, second.stdout) == (Exit.CANNOT_START, "")
    assert f"in use by process {served.process.pid}" in second.stderr


def test_a_key_file_that_wrapped_nothing_here_is_refused(house: House, served: Served) -> None:
    """Nothing of this spool can be opened with it."""
    served.stop()
    key = house.folder / "keys/nightsafe.key"
    key.unlink()
    make_key_file(key, 1)
    start = process("serve", "--config", house.config)
    assert start.returncode == Exit.CANNOT_START
    assert "index key 1: the master key local:" in start.stderr
    assert "is not here" in start.stderr


def test_another_key_store_is_refused(house: House, served: Served) -> None:
    """Sealing under its keys would make a spool that no single key store opens."""
    served.stop()
    (house.folder / "keys/nightsafe.key.store").unlink()
    start = process("serve", "--config", house.config)
    assert start.returncode == Exit.CANNOT_START
    assert "there is no key store" in start.stderr
    assert "put the key store back" in start.stderr


def test_a_missing_key_is_a_fault_of_the_configuration(house: House) -> None:
    """With its line, before anything opens."""
    (house.folder / "keys/nightsafe.key").unlink()
    start = process("serve", "--config", house.config)
    assert start.returncode == Exit.UNFIT
    assert "spool.key_file: no such file" in start.stderr


def test_a_port_in_use_is_said_in_one_sentence(house: House) -> None:
    """No traceback; the address is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        house.config.write_text(house.config.read_text().replace("port = 0", f"port = {port}", 1))
        start = process("serve", "--config", house.config)
    assert start.returncode == Exit.CANNOT_START
    assert start.stderr.splitlines()[-1].startswith("nightsafe: can't listen")
    assert str(port) in start.stderr
    assert start.stderr.endswith("; stop who listens there, or name another port under [listen]\n")


def test_every_fault_of_a_configuration_is_listed(house: House) -> None:
    """With lines and what to write; nothing was opened."""
    house.config.write_text(house.config.read_text().replace('role = "operator"', 'role = "king"') + "\ncolour = 1\n")
    start = process("serve", "--config", house.config)
    assert start.returncode == Exit.UNFIT
    assert "2 faults" in start.stderr
    assert not (house.folder / "spool").exists()


def test_status_for_people_and_for_programs(served: Served) -> None:
    """The same facts."""
    served.pay("1")
    shown = served.read("status")
    assert (shown["running"], shown["ready"], shown["routes"][0]["zone"]) == (True, True, "open")
    text = served.ask("status").stdout
    assert "a drill" in text
    assert "payments accepted 1 (10.00 RUB) = posted 0 (0.00 RUB) + waiting 1 (10.00 RUB)" in text


def test_a_route_is_opened_and_left_to_itself_again(served: Served) -> None:
    """Its core is dead, so by the evidence it stays open."""
    assert served.read("status")["routes"][0]["forced"]["actor"] == "admin"
    assert served.ask("route", "auto", "main", "--reason", "over").returncode == Exit.DONE
    assert served.read("status")["routes"][0]["forced"] is None


def test_one_is_held_and_released(served: Served) -> None:
    """By number; the history says who and why."""
    served.pay("1")
    (number,) = (json.loads(line)["number"] for line in served.ask("list", "--json").stdout.splitlines())
    assert served.ask("hold", number, "--reason", "dispute").stdout == f"{number} is held\n"
    again = served.ask("hold", number, "--reason", "dispute")
    assert (again.returncode, "it is held" in again.stderr) == (Exit.NO, True)
    assert served.ask("release", number, "--reason", "settled").stdout == f"{number} is ready\n"
    history = served.read("show", "--channel", "kiosk", "--key", "1")["history"]
    assert [(each["name"], each["note"]) for each in history[1:]] == [("hold", "dispute"), ("release", "settled")]


def test_many_are_held_once_the_person_agrees_to_count_and_sum(served: Served) -> None:
    """No answer is a no, and nothing happens."""
    served.pay("1")
    served.pay("2")
    unsure = served.ask("hold", "--route", "main", "--reason", "drill")
    assert "hold 2 entries (20.00 RUB)?" in unsure.stderr
    assert unsure.returncode == Exit.NO
    sure = served.ask("hold", "--route", "main", "--reason", "drill", "--yes")
    assert (sure.returncode, sure.stdout) == (Exit.DONE, "hold: changed 2 (20.00 RUB)\n")


def test_everything_is_only_meant_when_it_is_said(served: Served) -> None:
    """A forgotten filter holds nothing."""
    assert served.ask("hold", "--reason", "drill", "--yes").returncode == Exit.UNFIT


def test_while_it_is_stopped_its_spool_answers(house: House, served: Served) -> None:
    """Looking works without the service; acting does not."""
    served.pay("1")
    served.stop()
    port = served.said["admin"].rpartition(":")[2]
    head = '[listen.admin]\nhost = "127.0.0.1"\nport = '
    house.config.write_text(house.config.read_text().replace(f"{head}0", f"{head}{port}"))
    by = ("--config", house.config)
    status = nightsafe("status", "--json", *by)
    assert json.loads(status.stdout)["states"]["ready"][0]["amount"] == "10.00"
    assert "not running" in status.stderr
    (entry,) = map(json.loads, nightsafe("list", "--json", *by).stdout.splitlines())
    assert entry["state"] == "ready"
    assert len(json.loads(nightsafe("show", entry["number"], "--json", *by).stdout)["history"]) == 1
    assert nightsafe("show", "5", *by).returncode == Exit.NO
    assert nightsafe("list", "--state", "asleep", *by).returncode == Exit.UNFIT
    assert nightsafe("hold", entry["number"], "--reason", "x", *by).returncode == Exit.NOT_REACHED


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_everything_is_exported_with_its_history(house: House, served: Served, *, running: bool) -> None:
    """For checkers outside: a line an entry, oldest first, without account or anybody's free words."""
    for key in ("1", "2"):
        served.pay(key)
    number = served.read("list", "--oldest-first", "-n", "1")["number"]
    assert served.ask("hold", number, "--reason", "the payer, +7 900 000").returncode == Exit.DONE
    {True: lambda: 0, False: served.stop}[running]()
    said = nightsafe("export", "--config", house.config)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert said.returncode == Exit.DONE, said.stderr
    assert [(line["entry"]["key"], line["entry"]["state"]) for line in lines] == [("1", "held"), ("2", "ready")]
    turns = [(turn["name"], turn["source"], turn["target"]) for turn in lines[0]["history"]]
    assert turns == [("record", "", "ready"), ("hold", "ready", "held")]
    assert lines[0]["history"][1]["actor"] != ""
    assert "+7 900" not in said.stdout


def test_an_export_may_be_of_some(house: House, served: Served) -> None:
    """By the same filter as a list."""
    served.pay("1")
    assert nightsafe("export", "--state", "posted", "--config", house.config).stdout == ""
    assert nightsafe("export", "--state", "nowhere", "--config", house.config).returncode == Exit.UNFIT


def test_without_a_spool_there_is_nothing_to_export(house: House) -> None:
    """Said in one sentence."""
    said = nightsafe("export", "--config", house.config)
    assert said.returncode == Exit.CANNOT_START
    assert "there is no spool at" in said.stderr


def test_verify_says_that_all_is_sound(served: Served) -> None:
    """Every seal opened, every entry counted."""
    served.pay("1")
    found = served.read("verify")
    assert (found["ok"], found["counted"], found["opened"]) == (True, 1, 1)


def test_verify_exits_1_when_a_record_was_tampered_with(
    house: House, served: Served, tamper: Callable[[], None]
) -> None:
    """One bit of one sealed record, changed while the service was stopped."""
    served.pay("1")
    served.stop()
    tamper()
    running = house.serve()
    answer = running.ask("verify")
    assert answer.returncode == Exit.NO
    assert "1 records do not open" in answer.stdout
    unopened = running.ask("verify", "--quick")
    assert unopened.returncode == Exit.NO
    assert "entry_edited" in unopened.stdout


@pytest.fixture
def tamper(house: House) -> Callable[[], None]:
    """Changes one bit of the one sealed record in the file, as somebody with the disk in hand may."""
    path = house.folder / "spool/nightsafe.db"

    async def sealed() -> bytes:
        store = SqliteReading(path)
        await store.open()
        (entry,) = await store.page(Filter(), 10)
        await store.close()
        return entry.sealed

    def spoil() -> None:
        record, file = asyncio.run(sealed()), path.read_bytes()
        assert file.count(record) == 1
        path.write_bytes(file.replace(record, bytes([record[0], record[1] ^ 1, *record[2:]])))

    return spoil


def test_a_wrong_token_is_told_so(served: Served, tmp_path: Path) -> None:
    """And how to name the right one."""
    file = tmp_path / "token"
    file.write_text("nobody-we-know-of")
    answer = nightsafe("status", "--url", served.said["admin"], "--token-file", file)
    assert answer.returncode == Exit.NOT_REACHED
    assert (
        "A known bearer token is needed: nobody has the one that was sent, or its time is over; name" in answer.stderr
    )
    assert "its file by --token-file" in answer.stderr
    none = nightsafe("status", "--url", served.said["admin"], "--token-file", os.devnull)
    assert "A known bearer token is needed; name its file by --token-file" in none.stderr


def test_nobody_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    """And by the exit code."""
    answer = nightsafe("status", "--url", "http://127.0.0.1:1", "--config", tmp_path / "none.toml")
    assert answer.returncode == Exit.NOT_REACHED
    assert answer.stderr.count("\n") == 1


def test_init_never_writes_over_what_is_there(house: House) -> None:
    """A key that seals payments must not be replaced by a slip."""
    before = house.config.read_bytes()
    assert nightsafe("init", "--dir", house.folder).returncode == Exit.UNFIT
    assert nightsafe("init", "--dir", house.folder, "--if-missing").returncode == Exit.DONE
    assert house.config.read_bytes() == before


def test_the_configuration_is_checked_and_shown_without_secrets(house: House) -> None:
    """Hashes are cut short."""
    assert "no faults" in nightsafe("config", "check", "--config", house.config).stdout
    shown = json.loads(nightsafe("config", "show", "--config", house.config).stdout)
    assert shown["admin"]["tokens"]["admin"]["sha256"].endswith("...")


def test_a_token_is_hashed_from_standard_input() -> None:
    """As an argument every user of the machine would see it."""
    answer = process("token", "hash", told="nightsafe_example_0123456789\n")
    assert answer.stdout.strip() == hashlib.sha256(b"nightsafe_example_0123456789").hexdigest()


def test_a_short_token_is_not_hashed() -> None:
    """A plain hash gives away what a person made up."""
    assert nightsafe("token", "hash", told="secret\n").returncode == Exit.UNFIT


def test_the_scripted_core_has_a_help_of_its_own() -> None:
    """By the name it was called by, and nothing is required that is at hand."""
    answer = nightsafe("core", "--help")
    assert answer.returncode == Exit.DONE
    words = " ".join(answer.stdout.split())
    assert words.startswith("usage: nightsafe core [-h] [--ledger LEDGER]")
    assert "(var/core/ledger.db)" in words
    assert "(8090)" in words


@pytest.mark.parametrize("verbs", [(), ("keys",), ("policy",)], ids=["all", "keys", "policy"])
def test_each_verb_is_listed_with_a_whole_sentence(verbs: tuple[str, ...]) -> None:
    """On a narrow screen on two lines, and not cut off."""
    answer = nightsafe(*verbs, "--help")
    assert "Commands:" in answer.stdout
    assert "..." not in answer.stdout.partition("Commands:")[2]


def test_it_says_which_version_it_is() -> None:
    """With what it stands on."""
    assert process("version").stdout.startswith("nightsafe 0.")
    assert process("--version").stdout.startswith("nightsafe 0.")
