"""How the bench compares: inside one round, in turns, and loudly where something is missing."""

import contextlib
from collections.abc import Generator
from pathlib import Path

import pytest

from bench.beside import HEALTH, OUTAGE, PEERS, Beside, case_of, speeds, versions, words
from bench.case import Setting
from bench.peers.peer import Missing, Peer, program, said_by
from bench.rig import Trouble
from bench.rounds import Result, insist, rotated


@contextlib.contextmanager
def nowhere(_folder: Path) -> Generator[Setting]:
    """A setting nobody starts."""
    raise AssertionError("nothing is measured in a test")
    yield


def absent() -> str:
    """The version of what isn't there."""
    raise Missing("peerd is not here: make bench-peers")


def peer(name: str = "Peer") -> Peer:
    """A peer that isn't installed."""
    return Peer(name=name, does="takes", keeps="synced", version=absent, setting=nowhere)


def result(case: str, number: int, per_s: float, cpu_us: float) -> Result:
    """One case in one round."""
    return Result(
        case=case,
        round=number,
        requests=1,
        per_s=per_s,
        cpu_us=cpu_us,
        p50_ms=1.0,
        p99_ms=2.0,
        p999_ms=3.0,
        failed=0,
        memory_mib=10.0,
    )


ROUNDS = [
    result(OUTAGE, 0, 10_000, 100),
    result("Peer", 0, 2_000, 400),
    result(OUTAGE, 1, 5_000, 200),
    result("Peer", 1, 1_000, 600),
]


def test_every_case_is_first_in_its_turn() -> None:
    """What runs first in a round meets another machine than what runs last."""
    assert [rotated("abc", number)[0] for number in range(4)] == ["a", "b", "c", "a"]


def test_a_turn_leaves_nothing_out() -> None:
    """Each case runs once in every round."""
    assert rotated("abc", 5) == ["c", "a", "b"]


def test_rates_are_compared_inside_a_round() -> None:
    """Ours was halved in the second round, and so was the machine."""
    assert Beside(ROUNDS).by_rate("Peer") == [5, 5]


def test_cpu_is_compared_inside_a_round() -> None:
    """What the peer costs, by what we cost at that time."""
    assert Beside(ROUNDS).by_cpu("Peer") == [4, 3]


def test_a_round_without_ours_compares_nothing() -> None:
    """A ratio to another round's would be one of two machines."""
    assert Beside([result("Peer", 2, 1_000, 600)]).by_cpu("Peer") == []


def test_the_table_says_what_is_wanted() -> None:
    """So that a missed aim can be seen beside its figure."""
    assert "| 5.00 (5.00-5.00) | 3.50 (3.00-4.00) | 2 |" in speeds(ROUNDS, {"Peer": 2.0})


def test_a_case_that_never_ran_has_no_row() -> None:
    """A row of nothing looks like a result."""
    assert HEALTH not in speeds(ROUNDS, {HEALTH: None, "Peer": 2.0})


def test_a_missing_peer_is_told_of_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """A peer left out silently flatters us."""
    assert versions([peer()]) == ({}, {"Peer": "peerd is not here: make bench-peers"})
    assert "NOT MEASURED: Peer: peerd is not here" in capsys.readouterr().err


def test_a_missing_peer_has_its_row_of_words() -> None:
    """The report says that it was not measured, and why."""
    assert "| Peer | not measured: gone |" in words([peer()], {}, {"Peer": "gone"})


def test_what_went_wrong_ends_the_run() -> None:
    """After the report, and not silently."""
    with pytest.raises(Trouble, match="nothing was answered"):
        insist(["round 1, Peer: nothing was answered"])


def test_a_run_without_troubles_ends_well() -> None:
    """Nothing to insist on."""
    insist([])


def test_a_program_that_is_not_there_is_missing() -> None:
    """With the package that has it."""
    with pytest.raises(Missing, match="apt-get install some-package"):
        program("no-such-program-of-anybody", "some-package")


def test_a_program_that_fails_is_missing() -> None:
    """Half an installation is none."""
    with pytest.raises(Missing, match="false does not run"):
        said_by("false")


def test_peers_have_names_of_their_own() -> None:
    """Results are told apart by them."""
    assert len({each.name for each in PEERS}) == len(PEERS)


@pytest.mark.parametrize("one", PEERS, ids=lambda one: one.name)
def test_a_peer_says_what_it_does_and_keeps(one: Peer) -> None:
    """A comparison is worth what it says of the guarantees compared."""
    assert one.does
    assert one.keeps


@pytest.mark.parametrize("one", [each for each in PEERS if each.wanted], ids=lambda one: one.name)
def test_a_peer_we_compare_with_is_synced_when_it_answers(one: Peer) -> None:
    """Beside a peer that may forget, a ratio says nothing."""
    assert "synced" in one.keeps or one.keeps == "the same"


def test_a_peer_gets_the_same_requests_where_it_takes_them() -> None:
    """Same body, same keys, its own path."""
    assert case_of(peer()).script[-1] == "/v1/payments"
    assert case_of(peer()).script[:3] == ("json", "v4", "full")
