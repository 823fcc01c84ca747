"""The judge holds the spool's export against diary and ledger: every kind of violation is found, and named as what it is."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters.judge
from adapters.judge.__main__ import main
from adapters.judge.verdict import Verdict, judge
from tests.unit.histories import FATES, History, history_of

LISTS: Final = sorted(each.name for each in fields(Verdict) if each.type == list[str] and each.name != "books")
ONE: Final = ("stood in", "live", "undone")


def judged(history: History, *, blind: bool = False) -> Verdict:
    """The verdict over all three records."""
    return judge(*history.lines(), blind=blind)


def found(verdict: Verdict) -> set[str]:
    """Names of the kinds of violations there are."""
    return {name for name in LISTS if getattr(verdict, name)}


@given(fates=st.lists(st.sampled_from(FATES), max_size=12), accounts=st.integers(min_value=1, max_value=4))
def test_whatever_happens_soundly_is_sound(fates: list[str], accounts: int) -> None:
    """Every fate a payment can have without anything being wrong, mixed, on shared accounts."""
    history = History()
    for place, fate in enumerate(fates):
        history.live_through(fate, f"k{place}", str(place % accounts))
    assert judged(history).faults() == Verdict.faults(judged(History()))


def test_a_blind_core_s_payments_are_sound_when_the_unclear_ones_are_parked() -> None:
    """And only they: what was heard is posted or refused, what was not sent waits."""
    blind = [fate for fate in FATES if fate != "live, unclear"]
    verdict = judged(history_of(*blind), blind=True)
    assert found(verdict) == set()
    assert verdict.waiting == {"ready": 1, "parked": 2}
    assert verdict.returns_due == 1


def test_the_books_are_shown_beside_the_ledger() -> None:
    """Accepted by state, in count and in minor units, and what was booked."""
    assert judged(history_of("live", "netted", "waits")).books == [
        "payments RUB: accepted 3 (3003) = 1 cancelled (1001) + 1 posted (1000) + 1 ready (1002); booked 1 (1000)",
        "reversals RUB: accepted 1 (1001) = 1 cancelled (1001); booked 0 (0)",
    ]


def set_in_entry(key: str, **changes: object) -> Callable[[History], None]:
    """Something else stands in an entry."""
    return lambda history: history.entry(key)["entry"].update(changes)


def forget_entry(key: str) -> Callable[[History], None]:
    """The spool has lost an entry."""
    return lambda history: history.entries.remove(history.entry(key))


def cancel_unasked(history: History) -> None:
    """The spool ended a payment nobody wanted undone."""
    entry = history.entry("k0")
    entry["entry"].update(state="cancelled", core_id="")
    entry["history"] = [{"name": "record", "source": "", "target": "ready", "attempt": 0}]
    entry["history"].append({"name": "cancel", "source": "ready", "target": "cancelled", "attempt": 0})
    entry["entry"]["attempts"] = 0
    history.bookings.pop(0)


def skip_a_turn(history: History) -> None:
    """A line of history is gone."""
    del history.entry("k0")["history"][1]


def leave_a_final_state(history: History) -> None:
    """Posted, and then sent again."""
    turns = history.entry("k1")["history"]
    turns += [
        {"name": "retry", "source": "posted", "target": "in_doubt", "attempt": 1},
        {"name": "post", "source": "in_doubt", "target": "posted", "attempt": 1},
    ]


def seal_anew(history: History, target: str) -> None:
    """Posted, and its record sealed anew since."""
    turns = history.entry("k1")["history"]
    turns += [{"name": "reseal", "source": "posted", "target": target, "attempt": 1}]


def book_the_first_last(history: History) -> None:
    """On one account, against the order of acceptance."""
    for line in (*history.diary, *history.bookings):
        line["account"] = "100"
    for line in history.entries:
        line["entry"]["lane"] = "lane-100"
    history.bookings.append(history.bookings.pop(0))


PLANTED: Final[dict[str, tuple[tuple[str, ...], Callable[[History], object], set[str]]]] = {
    "a yes the spool knows nothing of": (("waits",), forget_entry("k0"), {"lost"}),
    "a booked payment the spool knows nothing of": (ONE, forget_entry("k1"), {"lost"}),
    "a yes ended on nobody's word": (ONE, cancel_unasked, {"lost"}),
    "posted, and not in the ledger": (ONE, lambda history: history.bookings.pop(0), {"lost", "unbalanced"}),
    "posted under another id": (ONE, set_in_entry("k0", core_id="77"), {"unbalanced"}),
    "posted with another sum": (ONE, set_in_entry("k0", amount="10.01"), {"unbalanced", "wrong_effect"}),
    "waiting, and in the ledger": (
        ("waits",),
        lambda history: history.books("k0", "100", 1000),
        {"unbalanced"},
    ),
    "refused, and in the ledger": (
        ("refused",),
        lambda history: history.books("k0", "100", 1000),
        {"unbalanced", "credited_after_negative"},
    ),
    "an entry nobody asked for": (
        ONE,
        lambda history: history.keep(5000, "k9", "109", 1000, ("record>ready",), told="provisional"),
        {"ghost"},
    ),
    "two entries for one key": (
        ("waits",),
        lambda history: history.keep(999, "k0", "100", 1000, ("record>ready",), told="provisional"),
        {"ghost", "inconsistent_answers"},
    ),
    "another receipt than the entry's": (ONE, set_in_entry("k1", number="4711"), {"inconsistent_answers"}),
    "a yes that will be a no": (("waits",), set_in_entry("k0", told="refused"), {"inconsistent_answers"}),
    "a no that will be a yes": (("refused",), set_in_entry("k0", told="posted"), {"inconsistent_answers"}),
    "a provisional that will be posted": (("waits",), set_in_entry("k0", told="posted"), {"inconsistent_answers"}),
    "a reversal of another payment": (("undone", "live"), set_in_entry("undo-k0", reverses="1002"), {"wrong_effect", "unbalanced"}),
    "a gap in a history": (ONE, skip_a_turn, {"broken_history"}),
    "a record sealed anew that moved": (ONE, lambda history: seal_anew(history, "ready"), {"broken_history"}),
    "a history that leaves a final state": (ONE, leave_a_final_state, {"broken_history"}),
    "attempts that were not counted": (ONE, set_in_entry("k0", attempts=5), {"broken_history"}),
    "one account in two lanes": (
        ("live", "live"),
        lambda history: [line.update(account="100") for line in (*history.diary, *history.bookings)],
        {"mixed_lanes"},
    ),
    "two accounts in one lane": (("live", "live"), set_in_entry("k1", lane="lane-100"), {"mixed_lanes"}),
    "booked against the order of acceptance": (("waits", "stood in", "live"), book_the_first_last, {"out_of_order"}),
}  # fmt: skip
"""What goes wrong -> the fates it goes wrong among, how, and what it must be called."""


@pytest.mark.parametrize("case", PLANTED)
def test_what_is_planted_is_found_and_named(case: str) -> None:
    """And nothing beside it."""
    fates, plant, named = PLANTED[case]
    history = history_of(*fates)
    assert found(judged(history)) == set()
    plant(history)
    assert found(judged(history)) == named


def test_a_record_sealed_anew_stays_where_it_is() -> None:
    """Even where it is at its end: its history is whole."""
    history = history_of(*ONE)
    seal_anew(history, "posted")
    assert found(judged(history)) == set()


BLIND: Final[dict[str, tuple[str, Callable[[History], object], set[str]]]] = {
    "sent again after silence": (
        "parked, not booked",
        lambda history: history.arrives(1000, "100", "nothing", fault="hang"),
        {"guessed"},
    ),
    "sent again after a booking": (
        "parked, booked",
        lambda history: history.arrives(1000, "100", "nothing", fault="reset_before"),
        {"guessed"},
    ),
    "resent by its own history": ("live, unclear", lambda _: None, {"guessed"}),
    "unclear, and waiting to be sent again": (
        "waits",
        lambda history: history.arrives(1000, "100", "nothing", fault="reset_before"),
        {"guessed"},
    ),
    "called refused without the core's word": (
        "refused",
        lambda history: history.arrivals[0].update(done="nothing", fault="error_before"),
        {"guessed"},
    ),
    "left in doubt": (
        "parked, not booked",
        lambda history: (
            history.entry("k0")["entry"].update(state="in_doubt"),
            history.entry("k0")["history"][-1].update(name="doubt", target="in_doubt"),
        ),
        {"unparked"},
    ),
}


@pytest.mark.parametrize("case", BLIND)
def test_a_guess_at_a_blind_core_is_found(case: str) -> None:
    """By the core's own log of attempts, or by what the entry itself says was done."""
    fate, plant, named = BLIND[case]
    history = history_of(fate)
    plant(history)
    assert found(judged(history, blind=True)) == named


def test_what_a_blind_core_clearly_refused_to_do_may_be_sent_again() -> None:
    """503 with a date to come back is no guess."""
    history = history_of("stood in")
    history.arrives(1000, "100", "nothing", fault="maintenance")
    history.arrivals.reverse()
    assert found(judged(history, blind=True)) == set()


@given(
    fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=8),
    lucky=st.integers(min_value=0, max_value=7),
    times=st.integers(min_value=1, max_value=3),
)
def test_a_second_booking_is_found_wherever_it_hides(fates: list[str], lucky: int, times: int) -> None:
    """Whatever else happened, and however often it happened."""
    history = history_of(*fates, "live")
    twice = history.bookings[lucky % len(history.bookings)]
    for _ in range(times):
        history.bookings.append(twice | {"sequence": len(history.bookings) + 1})
    assert judged(history).doubled == [twice["service"]]


@given(before=st.lists(st.sampled_from(FATES), max_size=6), after=st.lists(st.sampled_from(FATES), max_size=6))
def test_a_lost_payment_is_found_wherever_it_hides(before: list[str], after: list[str]) -> None:
    """Told yes, and neither entry nor booking is there any more; its fellows are not accused."""
    history = history_of(*before)
    history.live_through("stood in", "gone", "999")
    history.entries.remove(history.entry("gone"))
    history.bookings.pop()
    for place, fate in enumerate(after):
        history.live_through(fate, f"later-{place}", f"later-{place}")
    assert judged(history).lost == ["bank.gone"]


# As a command


@pytest.fixture
def records(tmp_path: Path) -> Callable[[History], list[str]]:
    """Writes a history down; the judge's arguments."""

    def written(history: History) -> list[str]:
        diary, bookings, arrivals, entries = history.lines()
        for name, lines in (("diary", diary), ("ledger", bookings + arrivals), ("export", entries)):
            tmp_path.joinpath(name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return [str(tmp_path / name) for name in ("diary", "ledger", "export")]

    return written


def test_the_command_says_that_nothing_is_wrong(
    records: Callable[[History], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits with 0."""
    assert main(records(history_of(*ONE))) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sound: nothing is wrong"


def test_the_command_says_what_is_wrong(
    records: Callable[[History], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits with 1; as JSON every mark is named."""
    history = history_of("waits")
    forget_entry("k0")(history)
    assert main([*records(history), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["sound"], told["lost"]) == (False, ["bank.k0"])


@pytest.mark.parametrize("text", ["{", "[]\n", '{"event": "hears", "channel": "a", "key": "b"}\n'])
def test_the_command_says_that_a_record_can_t_be_read(
    records: Callable[[History], list[str]], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits with 2: no verdict is no acquittal."""
    diary, ledger, export = records(History())
    Path(diary).write_text(text, encoding="utf-8")
    assert main([diary, ledger, export]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_it_runs_with_nothing_but_the_standard_library(records: Callable[[History], list[str]]) -> None:
    """Without any installed package, as a process of its own."""
    house = Path(adapters.judge.__file__).parents[2]
    program = f"import runpy, sys; sys.path.insert(0, {str(house)!r}); runpy.run_module('adapters.judge', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *records(history_of(*ONE))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted(Path(adapters.judge.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_it_imports_neither_gateway_nor_spool_nor_core(path: Path) -> None:
    """What is judged has no hand in the judging."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name for name in plain | named if name.partition(".")[0] not in sys.stdlib_module_names}
    assert {name for name in foreign if not name.startswith("adapters.judge.")} == set()


def test_the_order_that_senders_know_of_holds_among_several_nodes_too() -> None:
    """Who was told yes before he began the next is booked first, whichever nodes they came to."""
    history = history_of("waits", "stood in", "live")
    book_the_first_last(history)

    assert found(judge(*history.lines(), several=True)) == {"out_of_order"}


def test_among_several_nodes_numbers_are_no_order() -> None:
    """Two payments that were under way at two nodes at once: the lower number may be the later one in the log."""
    history = history_of("waits", "stood in", "live")
    book_the_first_last(history)
    asked = [line for line in history.diary if line["event"] == "asks"]
    history.diary[:] = asked + [line for line in history.diary if line not in asked]

    assert found(judge(*history.lines())) == {"out_of_order"}
    assert found(judge(*history.lines(), several=True)) == set()


# What was over and has left the spool


def forgotten(history: History, *keys: str) -> list[str]:
    """The lines of these keys' entries, which leave the export."""
    gone = [line for line in history.entries if line["entry"]["key"] in keys]
    history.entries[:] = [line for line in history.entries if line not in gone]
    return [json.dumps(line) for line in gone]


def test_what_was_forgotten_when_it_was_over_is_not_lost() -> None:
    """What was said of it holds as well; whoever forgets without telling has lost it."""
    history = history_of("live", "stood in", "refused", "waits")
    gone = forgotten(history, "k0", "k1", "k2")

    verdict = judge(*history.lines(), forgotten=gone)

    assert (found(verdict), verdict.forgotten) == (set(), 3)
    assert found(judge(*history.lines())) == {"lost"}


def test_a_repeat_of_what_was_forgotten_is_another_payment() -> None:
    """With a receipt and a booking of its own; one more than there were lives is a doubled one."""
    history = history_of("live")
    gone = forgotten(history, "k0")
    for _ in range(4):  # numbers go on
        history.entries.append({})
    history.live_through("stood in", "k0", "100")
    history.entries[:] = history.entries[4:]

    assert found(judge(*history.lines(), forgotten=gone)) == set()
    assert "doubled" in found(judge(*history.lines()))
    history.bookings.append(history.bookings[0] | {"sequence": 3})
    assert found(judge(*history.lines(), forgotten=gone)) == {"doubled"}


def test_a_receipt_that_no_life_had_is_found() -> None:
    """Forgetting excuses no number that nobody gave out."""
    history = history_of("live")
    history.hears("k0", "yes", "77", "posted")
    gone = forgotten(history, "k0")

    assert found(judge(*history.lines(), forgotten=gone)) == {"inconsistent_answers"}


def test_what_is_said_of_what_was_forgotten_is_held_against_it() -> None:
    """Told yes, and it was refused when it left."""
    history = history_of("live", "refused")
    history.entry("k0")["entry"].update(state="refused", told="refused", core_id="")
    history.entry("k0")["history"][-1].update(name="refuse", target="refused")
    gone = forgotten(history, "k0")

    assert {"inconsistent_answers", "unbalanced"} <= found(judge(*history.lines(), forgotten=gone))


def test_nobody_forgets_what_nobody_asked_for() -> None:
    """An entry that was made up and removed."""
    history = history_of("live")
    history.live_through("live", "made-up", "5")
    history.diary[:] = history.diary[:2]
    gone = forgotten(history, "made-up")

    assert found(judge(*history.lines(), forgotten=gone)) == {"ghost"}


def test_a_reversal_that_comes_again_when_both_are_forgotten_may_be_told_no() -> None:
    """It was done, and then nobody knows its payment."""
    history = history_of("undone")
    gone = forgotten(history, "k0", "undo-k0")
    history.hears("undo-k0", "no", "", "")

    assert found(judge(*history.lines(), forgotten=gone)) == set()
    assert found(judge(*history.lines())) != set()


def test_the_command_takes_what_was_forgotten(
    records: Callable[[History], list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a file of its own."""
    history = history_of("live", "waits")
    path = tmp_path / "forgotten"
    path.write_text("".join(f"{line}\n" for line in forgotten(history, "k0")), encoding="utf-8")

    assert main([*records(history), "--forgotten", str(path)]) == 0
    assert "over and forgotten: 1" in capsys.readouterr().out
