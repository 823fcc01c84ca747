"""What counts as a small change of a file, what doesn't, and how what came of a sample is counted."""

import ast
import random

import pytest

from tests.mutation.campaign import ROOT, draw, equivalents, interval, module_of, product_files
from tests.mutation.mutants import Mutant, mutants_of


def changes(source: str) -> set[str]:
    """What each mutant of a file makes of its code."""
    return {f"{mutant.before} -> {mutant.after}" for mutant in mutants_of("a.py", source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", {"a < b -> (a <= b)"}),
        ("x = a == b", {"a == b -> (a != b)"}),
        ("x = 0 <= a", {"0 <= a -> (0 < a)", "0 -> 1"}),
        ("x = a and b", {"a and b -> (a or b)", "a and b -> (b)", "a and b -> (a)"}),
        ("x = a + b", {"a + b -> (a - b)"}),
        ("x = True", {"True -> False"}),
        ("x = 'word'", {"'word' -> 'wordXX'"}),
        ("x = not a", {"not a -> (a)"}),
        ("x = -a", {"-a -> (a)"}),
        ("x = a if b else c", {"b -> (not b)"}),
        ("x = [a for a in b if a]", {"a -> (not a)"}),
        ("self.x = a", {"self.x = a -> pass"}),
        ("self.x += a", {"self.x += a -> pass", "self.x += a -> self.x -= a"}),
        ("tell(a)", {"tell(a) -> pass"}),
        ("raise Unfit(a)", {"raise Unfit(a) -> pass"}),
        ("def f():\n    return a", {"a -> None"}),
        ("if a:\n    b = c", {"a -> (not a)"}),
        ("while a:\n    break", {"a -> (not a)", "break -> pass"}),
        ("try:\n    a\nexcept (B, C):\n    d", {"(B, C) -> ()", "(B, C) -> (C,)", "(B, C) -> (B,)"}),
    ],
)
def test_each_operator_changes_what_it_is_for(source: str, expected: set[str]) -> None:
    """And nothing beside it."""
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""Words."""',
        'def f():\n    """Words."""',
        "class C:\n    __slots__ = ('a', 'b')",
        "x: Literal[1, 2]",
        "def f(a: Literal[1]) -> Literal[2]:\n    pass",
        "assert a < b, 'a reason'",
        "raise_ = f'words {a < b}'",
        "T = TypeVar('T')",
        "x = asyncio.create_task(f(), name='words')",
        "x = zip(a, b, strict=True)",
    ],
)
def test_what_binds_nobody_is_left_alone(source: str) -> None:
    """Words for people, types, and what is said of our own bugs."""
    assert changes(source) == set()


def test_a_log_line_may_be_left_out_and_its_words_may_be_anything() -> None:
    """That it is written is a promise; how is not."""
    assert changes("log.error('word', route=a + b)") == {"log.error('word', route=a + b) -> pass"}


def test_mutants_that_look_alike_have_names_of_their_own() -> None:
    """A name says one mutant, today and when lines have moved."""
    before, after = "def f():\n    return g(1, 1)\n", "# A line more.\n\ndef f():\n    return g(1, 1)\n"
    names = [mutant.name for mutant in mutants_of("a.py", before)]
    assert names == ["a.py f: g(1, 1) -> None", "a.py f: 1 -> 2", "a.py f: 1 -> 2 #2"]
    assert [mutant.name for mutant in mutants_of("a.py", after)] == names


def test_only_what_is_changed_is_changed() -> None:
    """Everything else stays in its line, whatever letters stand before it."""
    source = "x = 'ключ', (\n    1 +  # a reason\n    2)\n"
    (mutant,) = [each for each in mutants_of("a.py", source) if each.before == "2"]
    assert mutant.applied_to(source) == "x = 'ключ', (\n    1 +  # a reason\n    3)\n"


def test_a_default_is_set_when_the_file_is_loaded_and_a_body_is_not() -> None:
    """Who tests the first is every test of the file, of the second whoever comes there."""
    mutants = mutants_of("a.py", "x = 1\n\nclass C:\n    y = 2\n\n    def f(self, z=3):\n        return 4\n")
    assert [(each.before, each.at_load) for each in mutants] == [
        ("1", True), ("2", True), ("3", True), ("4", False),
    ]  # fmt: skip


@pytest.mark.parametrize("path", product_files())
def test_a_mutant_can_be_read(path: str) -> None:
    """One that can't would count as noticed, and prove nothing; every tenth is tried."""
    source = (ROOT / path).read_text("utf-8")
    mutants = mutants_of(path, source)
    assert len({mutant.name for mutant in mutants}) == len(mutants)
    assert all(ast.parse(mutant.applied_to(source)) for mutant in mutants[::10])


def test_what_is_called_equivalent_is_there_and_has_a_reason() -> None:
    """A name that fits nothing any more would hide the next that gets it."""
    there = {mutant.name for path in product_files() for mutant in mutants_of(path, (ROOT / path).read_text("utf-8"))}
    assert set(equivalents()) - there == set()


def some(path: str, count: int) -> list[Mutant]:
    """Mutants of a file."""
    source = "\n".join(f"x{number} = {number}" for number in range(count))
    return mutants_of(path, source)


def test_a_sample_has_of_each_file_its_share() -> None:
    """And is the same for the same seed."""
    mutants = [*some("a.py", 90), *some("b.py", 9), *some("c.py", 1)]
    drawn = draw(mutants, 20, seed=1)
    assert [sum(each.path == path for each in drawn) for path in ("a.py", "b.py", "c.py")] == [18, 2, 1]
    assert draw(mutants, 20, seed=1) == drawn != draw(mutants, 20, seed=2)


def test_an_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    """Tried with a share that is known."""
    chance = random.Random(1)  # noqa: S311 - an experiment that can be repeated, no secrets
    trials = [sum(chance.random() < 0.9 for _ in range(400)) for _ in range(2_000)]
    held = [low <= 0.9 <= high for low, high in (interval(noticed, 400) for noticed in trials)]
    assert 0.93 < sum(held) / len(held) < 0.97


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("queue/spool/sqlite/store.py", "spool.sqlite.store"),
        ("queue/spool/sqlite/__init__.py", "spool.sqlite"),
        ("gateway/accept/live.py", "gateway.accept.live"),
    ],
)
def test_a_file_is_planted_under_its_modules_name(path: str, module: str) -> None:
    """Under another nobody would import it, and every mutant would survive."""
    assert module_of(path) == module
