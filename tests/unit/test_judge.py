"""The judge finds every kind of violation, and only where there is one."""

import json
from dataclasses import fields
from typing import Any

import pytest

from adapters.judge.testimony import read_diary
from adapters.judge.verdict import Verdict, judge

LISTS = sorted(each.name for each in fields(Verdict) if each.type == list[str])


def asks(key: str = "1", **more: Any) -> str:
    """A sender sends."""
    line = {"event": "asks", "channel": "kiosk", "key": key, "account": "100", "amount": 1000, "currency": "RUB"}
    return json.dumps(line | more)


def undoes(key: str = "r1", payment: str = "1") -> str:
    """A sender wants a payment undone."""
    return asks(key, reverses=payment)


def hears(key: str = "1", kind: str = "yes", number: str | None = None, status: str = "") -> str:
    """A sender gets an answer; its receipt's number is made of the key unless told."""
    shown = (f"77{key}" if number is None else number) if kind == "yes" else ""
    line = {"event": "hears", "channel": "kiosk", "key": key, "kind": kind, "code": "0", "number": shown}
    return json.dumps(line | {"status": status})


def booked(key: str = "1", **more: Any) -> str:
    """A line of the ledger."""
    line = {"service": f"kiosk.{key}", "account": "100", "amount": 1000, "currency": "RUB", "kind": "payment"}
    return json.dumps(line | more)


def attempt(in_flight: int, operation: str = "pay") -> str:
    """A line of the ledger's log of attempts."""
    return json.dumps({"operation": operation, "account": "100", "in_flight": in_flight, "abandoned": 0})


def found(verdict: Verdict) -> dict[str, list[str]]:
    """Every kind of violation there is, under its name."""
    return {name: getattr(verdict, name) for name in LISTS if getattr(verdict, name)}


SOUND: dict[str, tuple[list[str], list[str]]] = {
    "nothing happened": ([], []),
    "a yes and its booking": ([asks(), hears()], [booked()]),
    "an unknown that was booked": ([asks(), hears(kind="unknown")], [booked()]),
    "an unknown that was not": ([asks(), hears(kind="unknown")], []),
    "asked, and the sender never heard": ([asks()], [booked()]),
    "a no that was not booked": ([asks(), hears(kind="no")], []),
    "a yes after an unknown": ([asks(), hears(kind="unknown"), asks(), hears()], [booked()]),
    "an unknown after a yes": ([asks(), hears(), asks(), hears(kind="unknown")], [booked()]),
    "the same yes twice": ([asks(), asks(), hears(), hears()], [booked()]),
    "booked and given back": (
        [asks(), hears(), undoes(), hears("r1")],
        [booked(), booked(kind="reversal")],
    ),
    "given back before it was booked": ([asks(), hears(), undoes(), hears("r1")], []),
    "given back, perhaps": ([asks(), hears(), undoes(), hears("r1", "unknown")], [booked()]),
    "not given back, as was said": ([asks(), hears(), undoes(), hears("r1", "no")], [booked()]),
    "booked in order": ([asks("1"), hears("1"), asks("2"), hears("2")], [booked("1"), booked("2")]),
    "twins in time booked either way": ([asks("1"), asks("2"), hears("1"), hears("2")], [booked("2"), booked("1")]),
    "other accounts in any order": (
        [asks("1"), hears("1"), asks("2", account="200"), hears("2")],
        [booked("2", account="200"), booked("1")],
    ),
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_sound_is_left_in_peace(case: str) -> None:
    """A judge that cries wolf is soon not heard."""
    diary, bookings = SOUND[case]
    verdict = judge(diary, bookings, [attempt(0)])
    assert found(verdict) == {}
    assert verdict.sound


PLANTED: dict[str, tuple[list[str], list[str], dict[str, list[str]]]] = {
    "lost": ([asks(), hears()], [], {"lost": ["kiosk.1"]}),
    "lost after a later unknown": (
        [asks(), hears(), asks(), hears(kind="unknown")],
        [],
        {"lost": ["kiosk.1"]},
    ),
    "doubled": ([asks(), hears()], [booked(), booked()], {"doubled": ["kiosk.1"]}),
    "doubled and never answered": ([asks()], [booked(), booked()], {"doubled": ["kiosk.1"]}),
    "doubled and one given back": (
        [asks(), hears(), undoes()],
        [booked(), booked(), booked(kind="reversal")],
        {"doubled": ["kiosk.1"]},
    ),
    "given back twice": (
        [asks(), hears(), undoes()],
        [booked(), booked(kind="reversal"), booked(kind="reversal")],
        {"doubled": ["kiosk.1"]},
    ),
    "not given back, against the word": (
        [asks(), hears(), undoes(), hears("r1")],
        [booked()],
        {"not_undone": ["kiosk.r1"]},
    ),
    "given back after a no": (
        [asks(), hears(), undoes(), hears("r1", "no")],
        [booked(), booked(kind="reversal")],
        {"credited_after_negative": ["kiosk.r1"]},
    ),
    "given back and nobody asked": (
        [asks(), hears()],
        [booked(), booked(kind="reversal")],
        {"ghost": ["kiosk.1"]},
    ),
    "posted once and provisional once": (
        [asks(), hears(status="posted"), asks(), hears(status="provisional")],
        [booked()],
        {"inconsistent_answers": ["kiosk.1"]},
    ),
    "lost, and its reversal refused": (
        [asks(), hears(), undoes(), hears("r1", "no")],
        [],
        {"lost": ["kiosk.1"]},
    ),
    "ghost": ([], [booked()], {"ghost": ["kiosk.1"]}),
    "credited after a no": ([asks(), hears(kind="no")], [booked()], {"credited_after_negative": ["kiosk.1"]}),
    "another account": ([asks(), hears()], [booked(account="200")], {"wrong_effect": ["kiosk.1"]}),
    "another sum": ([asks(), hears()], [booked(amount=999)], {"wrong_effect": ["kiosk.1"]}),
    "another currency": ([asks(), hears()], [booked(currency="KZT")], {"wrong_effect": ["kiosk.1"]}),
    "a no after a yes": (
        [asks(), hears(), asks(), hears(kind="no")],
        [booked()],
        {"inconsistent_answers": ["kiosk.1"], "credited_after_negative": ["kiosk.1"]},
    ),
    "a yes after a no": (
        [asks(), hears(kind="no"), asks(), hears()],
        [booked()],
        {"inconsistent_answers": ["kiosk.1"]},
    ),
    "two receipts": (
        [asks(), hears(), asks(), hears(number="5")],
        [booked()],
        {"inconsistent_answers": ["kiosk.1"]},
    ),
    "one receipt for two": (
        [asks("1"), asks("2"), hears("1", number="5"), hears("2", number="5")],
        [booked("1"), booked("2")],
        {"inconsistent_answers": ["kiosk.1", "kiosk.2"]},
    ),
    "out of order": (
        [asks("1"), hears("1"), asks("2"), hears("2")],
        [booked("2"), booked("1")],
        {"out_of_order": ["100"]},
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_what_is_planted_is_found(case: str) -> None:
    """And nothing beside it."""
    diary, bookings, wrong = PLANTED[case]
    verdict = judge(diary, bookings)
    assert found(verdict) == wrong
    assert not verdict.sound


@pytest.mark.parametrize("operation", ["pay", "cancel"])
def test_two_at_once_on_an_account_are_found(operation: str) -> None:
    """The core saw a second attempt while the first was still waited for."""
    assert found(judge([], [], [attempt(0), attempt(1, operation)])) == {"concurrent": ["100"]}


def test_a_question_beside_an_attempt_is_no_crowd() -> None:
    """Asking moves no money."""
    assert judge([], [], [attempt(1, "status")]).sound


def test_it_counts() -> None:
    """The figures a summary is made of."""
    diary = [asks("1"), asks("1"), hears("1"), asks("2"), hears("2", "no"), asks("3"), hears("3", "unknown")]
    verdict = judge(diary, [booked("1"), booked("3", amount=1000)])
    assert (verdict.payments, verdict.attempts) == (3, 4)
    assert (verdict.told_yes, verdict.told_no, verdict.told_nothing) == (1, 1, 1)
    assert (verdict.booked, verdict.booked_amount) == (2, 2000)


def test_its_text_names_what_is_wrong() -> None:
    """Counts first, then the faults there are and some of their marks."""
    text = str(judge([asks(), hears()], []))
    assert text.splitlines() == [
        "1 payments in 1 requests: 1 yes, 0 no, 0 without a final answer; 0 booked",
        "lost: 1 ['kiosk.1']",
    ]


def test_an_answer_to_nothing_is_no_diary() -> None:
    """Who hears asked before: the key is written down before it is sent."""
    with pytest.raises(KeyError):
        read_diary([hears()])
