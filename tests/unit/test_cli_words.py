"""What the command makes of words and figures, without a process."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.admin.state.shown import SpoolShown, Status
from gateway.admin.views import conservation
from gateway.cli import completing, tables
from gateway.cli.client import admin_client
from gateway.cli.exits import Failure
from gateway.cli.options import Scope
from gateway.cli.verbs import rates, seconds_of, told_of
from spool.lifecycle import Kind, State, Told
from spool.tally import Cell, Sum
from tests.unit.statuses import REFUSED


def books(*, posted: int, ready: int, node: str = "night") -> Status:
    """A status with so many entries posted and ready."""
    cells = [
        (Cell("main", "kiosk", "RUB", Kind.PAYMENT, state, Told.PROVISIONAL), Sum(count, 100 * count))
        for state, count in ((State.POSTED, posted), (State.READY, ready))
    ]
    spool = SpoolShown(
        engine="sqlite", version="3", accepting=True, trouble="", free_bytes=1, reserve_bytes=1, size_bytes=1
    )
    return Status(
        node=node,
        running=True,
        ready=True,
        now="",
        started="",
        routes=(),
        states={},
        conservation=conservation(cells),
        spool=spool,
        custody=None,
        keys=(),
    )


def test_rates_say_when_nothing_waits_any_more() -> None:
    """Came 10, ended 30 in two seconds: 20 fewer wait, 40 still do."""
    before, now = books(posted=0, ready=60), books(posted=30, ready=40)
    assert rates(before, now, 2.0) == "in 5.0/s, out 15.0/s, empty in about 4 s"


def test_a_growing_backlog_has_no_end_in_sight() -> None:
    """Nothing is promised."""
    assert rates(books(posted=0, ready=0), books(posted=1, ready=9), 1.0) == "in 10.0/s, out 1.0/s"


def test_what_a_terminal_would_obey_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing foreign is taken for a command or for markup."""
    tables.show(tables.status_view(books(posted=1, ready=0), rates="\x1b[2J[bold]x[/bold]"))
    assert "\N{REPLACEMENT CHARACTER}[2J[bold]x[/bold]" in capsys.readouterr().out


def test_the_status_comes_back_as_it_was_sent() -> None:
    """The command reads what the admin side writes."""
    status = books(posted=1, ready=2)
    assert msgspec.json.decode(msgspec.json.encode(status), type=Status) == status


def test_the_help_needs_nothing_heavy() -> None:
    """It is there at once: no database, no web server is imported for it."""
    program = "import sys, gateway.cli; print(sorted({'aiohttp', 'pydantic', 'aiosqlite'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("span", "seconds"), [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400)])
def test_a_span_is_written_as_people_do(span: str, seconds: int) -> None:
    """Units of one letter."""
    assert seconds_of(span) == seconds


@pytest.mark.parametrize("span", ["", "0", "-1", "1.5h", "1w", "h", "٣m"])
def test_another_span_is_refused(span: str) -> None:
    """Never a guess."""
    with pytest.raises(Failure):
        seconds_of(span)


LISTENERS: Final = [
    ('host = "127.0.0.1"\nport = 9', "http://127.0.0.1:9"),
    ('host = "0.0.0.0"\nport = 9\nallow_plain = true', "http://127.0.0.1:9"),
    ('host = "::"\nport = 9\nallow_plain = true', "http://[::1]:9"),
    ("", "http://127.0.0.1:8081"),
]


@pytest.mark.parametrize(("listener", "url"), LISTENERS)
def test_the_address_comes_from_the_configuration(tmp_path: Path, listener: str, url: str) -> None:
    """Whatever else is wrong in it: an operator may not read every file it names."""
    file = tmp_path / "nightsafe.toml"
    file.write_text(f'[listen.admin]\n{listener}\n[spool]\nkey_file = "/nowhere"\n')
    assert admin_client(None, None, file).url == url


@pytest.mark.parametrize(
    ("words", "word", "offered"),
    [
        ("nightsafe st", 1, {"status", "stuck"}),
        ("nightsafe jobs p", 2, {"pause"}),
        ("nightsafe list --amount", 2, {"--amount", "--amount-from", "--amount-to"}),
        ("nightsafe find --tok", 2, {"--token-file"}),
    ],
)
def test_a_shell_is_told_what_may_come_next(words: str, word: int, offered: set[str]) -> None:
    """Verbs, and the options that several verbs share."""
    asked = {"_NIGHTSAFE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(word)}
    told = subprocess.run([sys.executable, "-m", "gateway"], env=asked, capture_output=True, text=True, check=True)
    assert set(told.stdout.split()) == offered


def test_there_is_no_completion_for_a_shell_nobody_knows() -> None:
    """It is said so, with those there are."""
    with pytest.raises(Failure, match="bash, zsh, fish"):
        completing.script("csh")


def test_ages_count_back_from_now() -> None:
    """Older is a time before, younger one after; a time beside an age is one too many."""
    now_us = 1_800_000_000_000_000
    assert told_of(Scope(older="2h", younger="1d", why="conflict", state=["held", "parked"]), now_us) == {
        "accepted_before": "2027-01-15T06:00:00.000000Z",
        "accepted_from": "2027-01-14T08:00:00.000000Z",
        "reason": "conflict",
        "state": "held,parked",
    }
    with pytest.raises(Failure, match="not both"):
        told_of(Scope(older="2h", accepted_before="2026-01-01T00:00:00Z"), now_us)


def test_what_was_seen_once_is_said_so() -> None:
    """And not "1 times"."""
    once = msgspec.structs.replace(REFUSED, seen=1)
    assert tables.how_often(once) == "once, 2026-01-15 02:47:00Z"
    assert tables.how_often(REFUSED).startswith(f"{REFUSED.seen} times since 2026-01-15 02:47:00Z, last ")
