"""A rehearsal over loopback: an outage played against a configuration, and what it says and ends with."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.payment import AnswerKind
from gateway.cli import rehearsing
from gateway.cli.exits import Exit, Failure
from gateway.cli.tables import show
from gateway.clock import SystemClock
from gateway.config.fault import ConfigUnfit
from gateway.config.init import make
from gateway.config.load import load
from gateway.rehearse.kinds import Rehearsed, Seen
from gateway.rehearse.payers import Paid
from gateway.rehearse.play import Pace, judged, nearest
from gateway.rehearse.scratch import on_scratch
from spool.lifecycle import State
from tests.contracts.spool_examples import draft
from tests.integration.engine import both_engines, on_engine
from tests.unit.heart import kept

PACE = Pace(before_s=0.5, outage_s=2.0, after_s=0.5, rate=8.0, patience_s=60.0)
SEEN = Seen(
    kind="hangs",
    route="main",
    core="billing",
    level="A",
    payments=2,
    posted=1,
    provisional=1,
    try_later=0,
    refused=0,
    unclear=0,
    slowest_before_s=0.1,
    slowest_s=2.0,
    deadline_s=15.0,
    turned_away={},
    known_after_s=1.2,
    back_after_s=None,
    drained_after_s=3.0,
    booked=2,
    lost=0,
    doubled=0,
    booked_after_no=0,
    for_a_person=0,
    diagnosis="no answer",
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """What init makes; where it is on a database, that is left alone."""
    made = make(tmp_path / "own", SystemClock()).config
    made.write_text(on_engine(made.read_text(), tmp_path))
    return made


def names_in(folder: Path) -> list[str]:
    """All that is there."""
    return sorted(path.name for path in folder.rglob("*"))


def closed(config: Path) -> None:
    """A configuration that stands in for nobody."""
    head = "[routes.main.standin]\n"
    config.write_text(config.read_text().replace(head, f"{head}enabled = false\n"))


async def rehearsed(config: Path, capsys: pytest.CaptureFixture[str], kind: str) -> tuple[int, Any]:
    """Its exit code and what it says, as JSON."""
    code = await asyncio.to_thread(rehearsing.rehearse, config, [kind], PACE, json=True)
    return code, json.loads(capsys.readouterr().out)


async def test_an_outage_in_which_answers_are_lost_books_each_payment_once(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Billing booked them and nobody heard of it: each is there once, and its payer has a yes."""
    before = names_in(config.parent)
    code, told = await rehearsed(config, capsys, "lost")
    (seen,) = told["seen"]
    assert (code, told["ok"]) == (Exit.DONE, True)
    assert seen["payments"] == seen["posted"] + seen["provisional"] + seen["unclear"] == seen["booked"] > 10
    assert seen["provisional"] > 0
    assert (seen["lost"], seen["doubled"], seen["for_a_person"]) == (0, 0, 0)
    assert seen["known_after_s"] < PACE.outage_s
    assert names_in(config.parent) == before


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("reset", "breaks connections"),
        ("garbage", "can't be read"),
        ("throttled", ""),
        ("credentials", "refuses our credentials"),
    ],
)
async def test_whatever_billing_does_each_payment_is_booked_once_and_the_cause_is_named(
    config: Path, capsys: pytest.CaptureFixture[str], kind: str, words: str
) -> None:
    """Payers have a yes throughout; of a billing that asks to be sent less nothing is wrong."""
    code, told = await rehearsed(config, capsys, kind)
    (seen,) = told["seen"]
    assert (code, seen["payments"]) == (Exit.DONE, seen["booked"])
    assert seen["provisional"] > 0
    assert words in seen["diagnosis"]


async def test_a_policy_that_takes_nothing_shows_in_whom_it_turned_away(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configuration's own rules are what is rehearsed."""
    closed(config)
    _, told = await rehearsed(config, capsys, "refused")
    (seen,) = told["seen"]
    assert seen["try_later"] > 5
    assert seen["turned_away"] == {"standin_off": seen["try_later"]}
    assert seen["provisional"] == 0
    assert seen["booked"] == seen["posted"]


def test_a_kind_that_does_not_exist_is_said_so(config: Path) -> None:
    """With those that do."""
    with pytest.raises(Failure, match="no kind of outage: earthquake; there are: refused, hangs") as failed:
        rehearsing.rehearse(config, ["hangs", "earthquake"], PACE, json=False)
    assert failed.value.exit is Exit.UNFIT


def test_the_scratch_has_the_rules_and_none_of_the_places_and_secrets(config: Path, tmp_path: Path) -> None:
    """Nothing of the operator's is opened, read or told."""
    own = load(config)
    made = on_scratch(own, tmp_path / "scratch", {"billing": "http://127.0.0.1:1"})
    assert made.routes == own.routes
    assert {name: each.deadline_s for name, each in made.channels.items()} == {
        name: each.deadline_s for name, each in own.channels.items()
    }
    assert (made.cores["billing"].level, made.cores["billing"].url) == (
        own.cores["billing"].level,
        "http://127.0.0.1:1",
    )
    assert str(own.spool.path.parent) not in repr(made.model_dump(include={"spool", "keys", "evidence", "telling"}))
    assert (made.admin.tokens, made.listen.channels.port, made.listen.admin.port) == ({}, 0, 0)


@pytest.mark.parametrize(
    ("told", "state", "times", "found"),
    [
        (AnswerKind.POSTED, State.POSTED, 1, {"booked": 1}),
        (AnswerKind.PROVISIONAL, State.POSTED, 2, {"booked": 1, "doubled": 1}),
        (AnswerKind.PROVISIONAL, State.CANCELLED, 0, {"lost": 1}),
        (AnswerKind.POSTED, State.POSTED, 0, {"lost": 1}),
        (AnswerKind.PROVISIONAL, State.REFUSED, 0, {}),
        (AnswerKind.PROVISIONAL, State.PARKED, 0, {"for_a_person": 1}),
        (AnswerKind.TRY_LATER, State.CANCELLED, 1, {"booked": 1, "booked_after_no": 1}),
        (AnswerKind.REFUSED, State.REFUSED, 0, {}),
    ],
)
def test_what_was_told_is_held_against_billings_own_ledger(
    told: AnswerKind, state: State, times: int, found: dict[str, int]
) -> None:
    """Not against what the spool says it did."""
    paid = Paid(channel="kiosk", key="k", at=0.0, took_s=0.1, told=told)
    entry = kept(draft(5), state=state)
    nothing = dict.fromkeys(("booked", "doubled", "lost", "booked_after_no", "for_a_person"), 0)
    assert judged([paid], [entry], Counter({"5": times})) == nothing | found


@pytest.mark.parametrize(
    ("off", "words"),
    [
        ({"lost": 1}, "1 lost"),
        ({"doubled": 1}, "1 booked twice"),
        ({"booked_after_no": 1}, "1 booked after a no"),
        ({"drained_after_s": None}, "not all through in time"),
        ({"lost": 2, "drained_after_s": None}, "2 lost, not all through in time"),
    ],
)
def test_whatever_is_off_is_said_and_is_a_no(off: dict[str, Any], words: str) -> None:
    """And nothing else is."""
    assert SEEN.is_well
    seen = Seen(**{name: getattr(SEEN, name) for name in Seen.__struct_fields__} | off)
    assert not seen.is_well
    told = rehearsing.sentence(Rehearsed(ok=False, seen=(SEEN, seen))).splitlines()
    assert told == ["SOMETHING IS OFF", f"hangs on main: {words}"]


def test_the_tables_have_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    """What isn't known is a dash."""
    show(rehearsing.view(Rehearsed(ok=True, seen=(SEEN, SEEN))))
    said = capsys.readouterr().out
    assert said.count("hangs") == 6
    assert "2.00 s of 15 s (0.10 s in health)" in said
    assert said.count("1.2 s") == said.count("no answer") == 2


def test_whom_a_policy_turned_away_is_said_with_the_reasons() -> None:
    """The operator is to know which limit it was."""
    reasons = {"account_limit": 1, "route_limit": 3, "": 2, "newer": 1}
    seen = msgspec.structs.replace(SEEN, try_later=7, turned_away=reasons)
    said = rehearsing.turned_away(Rehearsed(ok=True, seen=(SEEN, seen)))
    reached = "3 (the route's limit was reached), 2 (billing said so), 1 (the account's limit of the day was reached)"
    assert said == [f"hangs on main turned 7 away: {reached}, 1 (newer)"]


def test_a_route_that_was_never_opened_is_said_so() -> None:
    """A dash in the table, and what payers were answered by; billing that asks to be sent less is up."""
    up = msgspec.structs.replace(SEEN, kind="throttled", known_after_s=None)
    (said,) = rehearsing.never_opened(Rehearsed(ok=True, seen=(SEEN, up)))
    assert said.startswith("throttled on main: billing was never taken for down")


def test_a_route_that_nobody_was_left_to_try_is_said_so() -> None:
    """A dash in the table, and why; not where payments passed again, nor where something is left."""
    back, left = (msgspec.structs.replace(SEEN, **it) for it in ({"back_after_s": 1.0}, {"drained_after_s": None}))
    (said,) = rehearsing.left_on_trial(Rehearsed(ok=True, seen=(SEEN, back, left)))
    assert said.startswith("hangs on main: ")


def test_the_slowest_answer_is_the_one_nearest_to_its_own_deadline() -> None:
    """Thirty seconds of a terminal's fifty-five are less than nine of a bank's ten."""
    kiosk, bank = (
        Paid(channel=channel, key="k", at=0.0, took_s=took_s, told=AnswerKind.IN_PROGRESS)
        for channel, took_s in (("kiosk", 30.0), ("bank", 9.0))
    )
    assert nearest([kiosk, bank], {"kiosk": 55.0, "bank": 10.0}) == (9.0, 10.0)
    assert nearest([], {"kiosk": 55.0, "bank": 10.0}) == (0.0, 10.0)


@both_engines
async def test_a_rehearsal_needs_neither_keys_nor_secrets(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever tries a configuration out may not be who has them, and none is used."""
    load(config).spool.key_file.unlink()
    with pytest.raises(ConfigUnfit):
        load(config)
    code, told = await rehearsed(config, capsys, "refused")
    assert (code, told["ok"]) == (Exit.DONE, True)
