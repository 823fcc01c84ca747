"""The tree keeps the rules that the linters don't know (`rules.py`); exceptions stand here with their reasons."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.tidy import rules
from tests.tidy.house import PRODUCT, Source, sources

Rule = Callable[[Source], Iterator[str]]

CODE: Final = (*PRODUCT, "tests", "bench")

PLACES: Final[dict[Rule, tuple[str, ...]]] = {
    rules.clocks: PRODUCT,
    rules.sleeps: ("tests",),
    rules.mocks: CODE,
    rules.choices: ("tests",),
    rules.silencers: CODE,
    rules.vague_names: CODE,
    rules.long_functions: CODE,
    rules.long_files: CODE,
    rules.money_in_floats: PRODUCT,
    rules.sql_in_code: PRODUCT,
}
"""Where each rule holds."""

EXCEPTIONS: Final[dict[tuple[Rule, str], str]] = {
    (rules.clocks, "gateway/clock.py"): "the door itself",
    (
        rules.clocks,
        "queue/spool/postgres/hold.py",
    ): "what a lease is counted by passes while the machine sleeps: no loop tells it",
    (rules.clocks, "tests/unit/test_hold.py"): "the same",
}
"""Files that may break a rule, and why. The list may get shorter."""


@pytest.mark.parametrize("rule", PLACES, ids=lambda rule: rule.__name__)
def test_the_tree_keeps(rule: Rule) -> None:
    """Style is enforced, exceptions explained (style 19)."""
    kept = (source for source in sources(*PLACES[rule]) if (rule, source.path) not in EXCEPTIONS)
    findings = [finding for source in kept for finding in rule(source)]
    assert not findings, "\n".join(findings)


@pytest.mark.parametrize(("rule", "path"), EXCEPTIONS, ids=lambda part: getattr(part, "__name__", part))
def test_an_exception_is_still_needed(rule: Rule, path: str) -> None:
    """A file that has become tidy leaves the list, so that it stays tidy."""
    (source,) = (source for source in sources(*CODE) if source.path == path)
    assert list(rule(source)) != []


BROKEN: Final[list[tuple[Rule, str]]] = [
    (rules.clocks, "import time\nnow = time.time()"),
    (rules.clocks, "from time import monotonic as later\nlater()"),
    (rules.clocks, "import datetime as dt\ndt.datetime.now(dt.UTC)"),
    (rules.clocks, "from datetime import date\ndate.today()"),
    (rules.clocks, "import random\nfrom dataclasses import field\nx = field(default_factory=random.random)"),
    (rules.clocks, "import asyncio\nasync def f(): await asyncio.sleep(0.1)"),
    (rules.sleeps, "import asyncio\nasync def f(): await asyncio.sleep(1)"),
    (rules.sleeps, "from time import sleep\nsleep(1)"),
    (rules.mocks, "from unittest.mock import Mock"),
    (rules.mocks, "from unittest import mock"),
    (rules.mocks, "def test_x(mocker): ..."),
    (rules.mocks, "def test_x(monkeypatch): monkeypatch.setattr(spool, 'store', None)"),
    (rules.choices, "def test_x(a):\n    if a:\n        assert a"),
    (rules.silencers, "x = f()  # noqa: S101"),
    (rules.silencers, "x = f()  # noqa: S101, S102"),
    (rules.silencers, "x = f()  # type: ignore[no-any-return]"),
    (rules.silencers, "if x:  # pragma: no cover\n    y()"),
    (rules.vague_names, "class QueueManager: ..."),
    (rules.vague_names, "class BaseChannel: ..."),
    (rules.long_functions, "def f():\n" + "    x = 1\n" * 70),
    (rules.long_files, "x = 1\n" * 501),
    (rules.money_in_floats, "def f(amount: float): ..."),
    (rules.money_in_floats, "class P:\n    exposure_sum: float | None"),
    (rules.money_in_floats, "def balance() -> float: ..."),
    (rules.money_in_floats, "x = float(payment.amount)"),
    (rules.sql_in_code, "db.execute('SELECT 1 FROM entry')"),
    (rules.sql_in_code, "QUERY = 'UPDATE entry SET state = 1'"),
    (rules.sql_in_code, "db.execute(f'{verb} FROM entry')"),
]


@pytest.mark.parametrize(("rule", "text"), BROKEN)
def test_a_broken_rule_is_found(rule: Rule, text: str) -> None:
    """A guard that no test has seen failing is not yet tested."""
    assert len(list(rule(Source("gateway/example.py", text)))) == 1


KEPT: Final[list[tuple[Rule, str]]] = [
    (rules.clocks, "import asyncio\nasync def f(): await asyncio.sleep(0)"),
    (rules.clocks, "import asyncio\nasync def f():\n    async with asyncio.timeout(1): ..."),
    (rules.clocks, "def f(clock, time): return clock.now_us() + time.start"),
    (rules.mocks, "def test_x(monkeypatch): monkeypatch.setenv('KEY', 'x')"),
    (rules.choices, "def test_x(a):\n    def actor():\n        if a:\n            return 1"),
    (rules.choices, "def make(a):\n    if a:\n        return 1"),
    (rules.silencers, "x = f()  # noqa: PLR2004 - ISO 4217"),
    (rules.silencers, "x = '# noqa'"),
    (rules.vague_names, "class Basement: ..."),
    (rules.long_functions, 'def f():\n    """Long\n' + "\n" * 90 + '    prose."""'),
    (rules.money_in_floats, "def f(amount: int, checksum: float): ..."),
    (rules.sql_in_code, "db.execute(f'PRAGMA user_version = {version}')"),
    (rules.sql_in_code, "text = 'Select a channel'"),
]


@pytest.mark.parametrize(("rule", "text"), KEPT)
def test_a_kept_rule_is_left_in_peace(rule: Rule, text: str) -> None:
    """A rule that cries wolf is soon switched off."""
    assert list(rule(Source("gateway/example.py", text))) == []
