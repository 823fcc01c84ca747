"""How many small changes of the code the tests notice: `python -m tests.mutation.campaign --sample 400 --seed 1`.

A run of the tests with coverage says which test reaches which line, and how long each takes. Then mutants are drawn, as
many of each file as it has of all; each runs in a process of its own, forked from one in which everything foreign is
loaded already, with the tests that reach its lines, the quickest first, until one goes red or the time is over.

Whoever survives is either missed by the tests, or does nothing: then it stands in `equivalent.txt` with the reason, and
isn't counted. Exits with 1 when the score is below `--least`.
"""

import argparse
import contextlib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import math
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

import coverage
import msgspec
import pytest

from tests.mutation.mutants import Mutant, mutants_of

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("gateway/accept", "gateway/forward", "queue/spool")
OUT: Final = ROOT / "build" / "mutation"
EQUIVALENT: Final = Path(__file__).with_name("equivalent.txt")
OURS: Final = ("gateway", "adapters", "spool", "tests")
AT_ONCE: Final = 2
FILES_FIRST: Final = 2
LOADING_MS: Final = 500
"""What a file of tests costs before its first test."""

CONTROLS: Final = 4
"""How many are run with nothing changed at first: each must survive."""

CONFIDENCE: Final = 1.96
"""Standard deviations of 95 %."""


@dataclass(frozen=True)
class Reach:
    """What the tests reach."""

    #: Ids of tests by path and line.
    tests: dict[str, dict[int, set[str]]]
    #: Seconds each test takes.
    took_s: dict[str, float]


@dataclass(frozen=True)
class Fate:
    """What became of a mutant: killed, timeout, survived, or unreached."""

    mutant: Mutant
    word: str
    tests: int

    @property
    def noticed(self) -> bool:
        """A test went red."""
        return self.word in {"killed", "timeout"}


# What the tests reach


def product_files() -> list[str]:
    """The files that are changed, by their paths in the checkout."""
    return sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


class Times:
    """Notes how long each test takes."""

    def __init__(self) -> None:
        """Begin with none."""
        self.took_s: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add setting up, the test, and clearing away."""
        self.took_s[report.nodeid] += report.duration


def reach_of(tests: Sequence[str]) -> Reach:
    """Run the tests with coverage, or remember what came of it when nothing changed since."""
    OUT.mkdir(parents=True, exist_ok=True)
    kept = OUT / f"reach-{_mark_of([*FOLDERS, *tests])}.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Reach)
    say("Which test reaches which line? Running them once.")
    subprocess.run([sys.executable, "-m", __spec__.name, "--reach", str(kept), *tests], check=True, cwd=ROOT)
    return reach_of(tests)


def measure(kept: Path, tests: Sequence[str]) -> int:
    """Run the tests with coverage and keep what they reach."""
    times = Times()
    data = OUT / "coverage"
    os.environ["COVERAGE_FILE"] = str(data)
    options = ["-q", "-n", str(AT_ONCE), "--dist", "loadfile", "-m", "not process", "-p", "no:cacheprovider"]
    options += ["--cov", "--cov-context=test", "--cov-report=", "--cov-fail-under=0"]
    if code := pytest.main([*options, *tests], plugins=[times]):
        return int(code)
    reach = Reach(_contexts(data), dict(times.took_s))
    kept.write_bytes(msgspec.json.encode(reach))
    return 0


def _contexts(data_file: Path) -> dict[str, dict[int, set[str]]]:
    """Ids of tests by path and line."""
    data = coverage.CoverageData(str(data_file))
    data.read()
    found: dict[str, dict[int, set[str]]] = {}
    for path in data.measured_files():
        lines = data.contexts_by_lineno(path)
        found[str(Path(path).relative_to(ROOT))] = {
            line: {context.rpartition("|")[0] for context in contexts if context} for line, contexts in lines.items()
        }
    return found


def _mark_of(places: Iterable[str]) -> str:
    """A hash of all Python and SQL in these places, and of the tests' own helpers."""
    files = {file for place in (*places, "tests") for file in _files(ROOT / place)}
    mark = hashlib.sha256()
    for file in sorted(files):
        mark.update(f"{file}\n".encode() + file.read_bytes())
    return mark.hexdigest()[:16]


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
        return
    yield from (file for file in place.rglob("*") if file.suffix in {".py", ".sql"} and "mutation" not in file.parts)


def tests_of(mutant: Mutant, reach: Reach) -> set[str]:
    """The tests that reach a mutant; what is done when the file is loaded, every test of the file reaches."""
    lines = reach.tests.get(mutant.path, {})
    reached = lines if mutant.at_load else range(mutant.first_line, mutant.last_line + 1)
    return {test for line in reached for test in lines.get(line, ())}


# A mutant in a process of its own


class Planted(importlib.machinery.SourceFileLoader):
    """Loads one module with a change in it."""

    def __init__(self, name: str, path: str, source: str) -> None:
        """Load `source` as if it stood at `path`."""
        super().__init__(name, path)
        self._planted = source

    def get_code(self, fullname: str) -> CodeType | None:
        """Never from a cache."""
        return compile(self._planted, self.get_filename(fullname), "exec")


class Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module before anybody else finds the true one."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        """Plant `source` as module `name`."""
        self._name, self._path, self._source = name, path, source

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the seam's words
        target: ModuleType | None = None,  # noqa: ARG002 - the seam's words
    ) -> importlib.machinery.ModuleSpec | None:
        """The changed one, or nothing."""
        if fullname != self._name:
            return None
        folders = [str(self._path.parent)] if self._path.name == "__init__.py" else None
        loader = Planted(fullname, str(self._path), self._source)
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=loader, submodule_search_locations=folders
        )


def module_of(path: str) -> str:
    """The module in a file."""
    return path.removeprefix("queue/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Chosen:
    """Runs only the tests that reach a mutant: file by file, the quickest files first."""

    def __init__(self, tests: set[str], took_s: dict[str, float]) -> None:
        """Keep which."""
        self._tests, self._took_s = tests, took_s

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort."""
        chosen = [item for item in items if item.nodeid in self._tests]
        whole = Counter[str]()
        for item in chosen:
            whole[_file_of(item.nodeid)] += round(1e6 * self._took_s.get(item.nodeid, 0.0))
        items[:] = sorted(chosen, key=lambda item: whole[_file_of(item.nodeid)])


def _file_of(test: str) -> str:
    return test.partition("::")[0]


def run_in_child(mutant: Mutant, tests: set[str], took_s: dict[str, float]) -> int:
    """Plant the mutant and run the tests, the most telling files first and alone; pytest's exit code."""
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(OUT / "hypothesis")
    path = ROOT / mutant.path
    sys.meta_path.insert(0, Finder(module_of(mutant.path), path, mutant.applied_to(path.read_text("utf-8"))))
    options = ["-x", "-q", "--tb=line", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:pytest_cov"]
    # Its plugins were loaded before it began to rewrite asserts; theirs don't matter.
    options += ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    files = by_tests_per_second(tests, took_s)
    for some in filter(None, (files[:FILES_FIRST], files[FILES_FIRST:])):
        if code := pytest.main([*options, *some], plugins=[Chosen(tests, took_s)]):
            return int(code)
    return 0


def by_tests_per_second(tests: set[str], took_s: dict[str, float]) -> list[str]:
    """The files of these tests; the most tests in the shortest time first."""
    count, seconds = Counter[str](), Counter[str]()
    for test in tests:
        count[_file_of(test)] += 1
        seconds[_file_of(test)] += round(1_000 * took_s.get(test, 0.0))
    return sorted(count, key=lambda file: (seconds[file] + LOADING_MS) / count[file])


@dataclass
class Running:
    """A mutant under way."""

    mutant: Mutant
    tests: int
    until: float


def preload() -> None:
    """Load everything foreign that tests use, and nothing that is ours."""
    for name in FOREIGN:
        importlib.import_module(name)
    assert not any(name.partition(".")[0] in OURS[:3] for name in sys.modules), "what is ours is loaded with its change"


FOREIGN: Final = (
    "_pytest.assertion.rewrite",
    "aiohttp.pytest_plugin",
    "aiohttp.web",
    "aiosqlite",
    "cryptography.hazmat.primitives.ciphers.aead",
    "hypothesis",
    "hypothesis.stateful",
    "iso4217",
    "msgspec",
    "prometheus_client",
    "pybreaker",
    "pydantic",
    "pysqlite3.dbapi2",
    "pytest_asyncio",
    "structlog",
    "tenacity",
    "uvloop",
)


def fates_of(drawn: Sequence[Mutant], reach: Reach) -> Iterator[Fate]:
    """Run mutants, a few at a time, and tell of each as it ends."""
    waiting = list(reversed(drawn))
    running: dict[int, Running] = {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            mutant = waiting.pop()
            tests = tests_of(mutant, reach)
            if not tests:
                yield Fate(mutant, "unreached", 0)
                continue
            until = time.monotonic() + 20.0 + 4.0 * sum(reach.took_s.get(test, 0.0) for test in tests)
            running[_fork(mutant, tests, reach.took_s)] = Running(mutant, len(tests), until)
        for pid in list(running):
            if (word := _ended(pid, running[pid].until)) is not None:
                ended = running.pop(pid)
                yield Fate(ended.mutant, word, ended.tests)
        _await_one(running)


def _await_one(running: dict[int, Running]) -> None:
    """Wait until one of them ends, or has had its time."""
    if not running:
        return
    soonest = min(each.until for each in running.values())
    ends = [os.pidfd_open(pid) for pid in running]
    try:
        select.select(ends, [], [], max(0.0, soonest - time.monotonic()))
    finally:
        for end in ends:
            os.close(end)


def _fork(mutant: Mutant, tests: set[str], took_s: dict[str, float]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.setsid()
        log = os.open(OUT / f"{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = run_in_child(mutant, tests, took_s)
    finally:
        os._exit(code)


def _ended(pid: int, until: float) -> str | None:
    """What became of a process: nothing yet, or how it ended."""
    done, status = os.waitpid(pid, os.WNOHANG)
    if not done and time.monotonic() < until:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if not done:
        os.waitpid(pid, 0)
    (OUT / f"{pid}.log").unlink(missing_ok=True)
    if not done:
        return "timeout"
    code = os.waitstatus_to_exitcode(status)
    assert code != pytest.ExitCode.NO_TESTS_COLLECTED, "the tests are named as pytest names them"
    return "survived" if code == pytest.ExitCode.OK else "killed"


# Drawing, and what came of it


def unchanged(mutant: Mutant) -> Mutant:
    """In the same place, with the same tests, and nothing is changed."""
    return replace(mutant, start=0, end=0, text="")


def draw(mutants: Sequence[Mutant], sample: int, seed: int) -> list[Mutant]:
    """So many mutants, of each file its share, at least one."""
    chance = random.Random(seed)  # noqa: S311 - a sample that can be drawn again, no secrets
    by_path: defaultdict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_path[mutant.path].append(mutant)
    if sample >= len(mutants):
        return list(mutants)
    shares = {path: max(1, round(sample * len(each) / len(mutants))) for path, each in by_path.items()}
    drawn = [mutant for path, each in by_path.items() for mutant in chance.sample(each, shares[path])]
    chance.shuffle(drawn)
    return drawn


def interval(noticed: int, drawn: int) -> tuple[float, float]:
    """Where the share of all mutants lies, at 95 % (Wilson's score interval)."""
    if not drawn:
        return 0.0, 1.0
    share, z2 = noticed / drawn, CONFIDENCE**2
    middle = (share + z2 / (2 * drawn)) / (1 + z2 / drawn)
    half = CONFIDENCE / (1 + z2 / drawn) * math.sqrt(share * (1 - share) / drawn + z2 / (4 * drawn**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def equivalents() -> dict[str, str]:
    """Names of mutants that change nothing, and why: a line of the name, an indented line of the reason."""
    kept: dict[str, str] = {}
    name = ""
    for line in EQUIVALENT.read_text("utf-8").splitlines():
        if line.startswith("  "):
            kept[name] = line.strip()
        elif line.strip() and not line.startswith("#"):
            name = line.strip()
    return kept


def tell(fates: Sequence[Fate], everything: Sequence[Mutant]) -> float:
    """Say what came of it; the score of all folders."""
    say(f"\n{'':18}{'mutants':>9}{'drawn':>7}{'noticed':>9}{'score':>8}   95 %")
    for folder in (*FOLDERS, ""):
        of = [fate for fate in fates if fate.mutant.path.startswith(folder)]
        noticed = sum(fate.noticed for fate in of)
        low, high = interval(noticed, len(of))
        there = sum(mutant.path.startswith(folder) for mutant in everything)
        score = noticed / max(1, len(of))
        line = f"{folder or 'all':18}{there:>9}{len(of):>7}{noticed:>9}{100 * score:>7.1f}%   {100 * low:.1f} to {100 * high:.1f}"
        say(line)
    return score


def say(text: str) -> None:
    """Print, for whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Any) -> int:
    """Draw, run, tell."""
    if arguments.reach:
        return measure(Path(arguments.reach), arguments.tests)
    reach = reach_of(arguments.tests)
    skipped = equivalents()
    everything = [
        mutant
        for path in product_files()
        for mutant in mutants_of(path, (ROOT / path).read_text("utf-8"))
        if mutant.name not in skipped
    ]
    only = [mutant for mutant in everything if arguments.only in mutant.name]
    drawn = draw(only, arguments.sample, arguments.seed)
    preload()
    say(f"{len(drawn)} of {len(only)} mutants, seed {arguments.seed}; {len(skipped)} change nothing and aren't drawn.")
    if any(fate.noticed for fate in fates_of([unchanged(each) for each in drawn[:CONTROLS]], reach)):
        say("The tests go red though nothing is changed: whatever they notice says nothing.")
        return 2
    fates = list[Fate]()
    for fate in fates_of(drawn, reach):
        fates.append(fate)
        if len(fates) % 50 == 0:
            say(f"{len(fates)} of {len(drawn)}")
        if not fate.noticed:
            say(f"{fate.word} ({fate.tests} tests), line {fate.mutant.first_line}: {fate.mutant.name}")
    return int(tell(fates, only) * 100 < arguments.least)


def asked() -> Any:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tests", nargs="+", help="files and folders of tests")
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only mutants with this in their names")
    parser.add_argument("--least", type=float, default=90.0, help="score in per cent below which the run fails")
    parser.add_argument("--reach", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(asked()))
