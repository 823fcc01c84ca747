"""The demo's last words say what is off, and say so in capitals where nobody may overlook it."""

from pathlib import Path
from typing import Any

import pytest

from adapters.core import Level
from adapters.judge.verdict import judge
from gateway.admin.views import Conservation, Money, VerdictShown
from gateway.clock import ManualClock
from gateway.config.load import load
from gateway.demo.count import last_words
from gateway.demo.scene import CorePart, Scene
from tests.unit.test_judge import asks, booked, hears


def books(**more: Any) -> VerdictShown:
    """One payment accepted and posted."""
    one, none = Money("RUB", 1, "10.00"), Money("RUB", 0, "0.00")
    balance = Conservation(
        kind="payment",
        currency="RUB",
        accepted=one,
        posted=one,
        refused=none,
        returned=none,
        cancelled=none,
        waiting=none,
    )
    told: dict[str, Any] = {"ok": True, "counted": 1, "balances": (balance,), "differences": (), "opened": 1}
    return VerdictShown(**(told | {"damaged": (), "damaged_count": 0} | more))


def test_a_good_end_is_said_in_figures() -> None:
    """Senders, billing, judge, books, verification: a line each."""
    assert last_words(judge([asks(), hears()], [booked()]), books(), drained=True) == [
        "senders:  1 payments in 1 requests; 1 answered yes, 0 no, 0 unknown",
        "billing:  1 booked in its own ledger, 10.00 RUB",
        "judge:    lost 0, doubled 0",
        "books:    1 payments accepted = 1 posted + 0 refused + 0 waiting; 10.00 RUB",
        "verify:   conservation holds, 1 seals opened",
    ]


def test_what_is_off_is_named() -> None:
    """Lost and doubled always, any other fault where there is one."""
    verdict = judge([asks("1"), hears("1")], [booked("2")])
    assert "judge:    lost 1, doubled 0, ghost 1" in last_words(verdict, books(), drained=True)


@pytest.mark.parametrize(
    ("shown", "drained", "word"),
    [
        (None, True, "verify:   NO ANSWER from the gateway"),
        (books(ok=False), True, "verify:   THE BOOKS ARE OFF, 1 seals opened"),
        (books(), False, "drain:    NOT everything was answered and posted in time"),
    ],
)
def test_a_bad_end_is_said_in_capitals(shown: VerdictShown | None, word: str, *, drained: bool) -> None:
    """A gateway that doesn't answer, books that are off, a drain that doesn't end."""
    assert word in last_words(judge([], []), shown, drained=drained)


CORES = [CorePart(name="x", protocol=protocol, level=level) for protocol in ("json", "osmp") for level in Level]


@pytest.mark.parametrize("part", CORES, ids=lambda part: f"{part.protocol}-{part.level}")
def test_a_scene_s_configuration_has_no_fault(part: CorePart, tmp_path: Path) -> None:
    """At every level and protocol of the core."""
    scene = Scene(tmp_path, [part], ManualClock())
    assert load(scene.config).routes["x"].channels == ["x-kiosk", "x-bank"]
