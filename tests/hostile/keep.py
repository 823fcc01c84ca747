"""Keep a small corpus of what fuzzing found: `python -m tests.hostile.keep`, after `make fuzz`.

Of the inputs under build/corpus/ and those kept already, the smallest ones that between them take every line of product
code which any of them takes, in each number of times that matters (once, a few, many). They go to
tests/hostile/corpus/<target>/, and each run of the tests feeds them all again.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog

from tests.hostile.targets import CORPUS, TARGETS, Target

FILES_MAX: Final = 50
"""Of one target."""

BYTES_MAX: Final = 2_048
"""Of one file."""

FOUND: Final = Path("build/corpus")
FEW: Final = 1
MANY: Final = 8
PRODUCT: Final = ("/gateway/", "/adapters/", "/queue/spool/")

Taken = frozenset[tuple[str, int, int]]
"""Lines taken, each with how often: 0 once, 1 a few times, 2 many."""


def taken(target: Target, data: bytes) -> Taken:
    """The lines of product code an input takes."""
    counts: Counter[tuple[str, int]] = Counter()

    def step(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            counts[frame.f_code.co_filename, frame.f_lineno] += 1
        return step

    def enter(frame: FrameType, _event: str, _: Any) -> Any:
        return step if any(part in frame.f_code.co_filename for part in PRODUCT) else None

    sys.settrace(enter)
    try:
        target(data)
    finally:
        sys.settrace(None)
    return frozenset((*line, (times > FEW) + (times > MANY)) for line, times in counts.items())


def chosen(target: Target, inputs: Iterable[bytes]) -> list[bytes]:
    """The smallest inputs that between them take all that any takes, at most `FILES_MAX`."""
    lines = {data: taken(target, data) for data in sorted(set(inputs), key=lambda data: (len(data), data))}
    kept, seen = list[bytes](), set[tuple[str, int, int]]()
    while len(kept) < FILES_MAX:
        best = max(lines, key=lambda data: (len(lines[data] - seen), -len(data)), default=None)
        if best is None or not lines[best] - seen:
            break
        kept.append(best)
        seen |= lines.pop(best)
    return kept


def keep(name: str) -> int:
    """Choose anew for one target; how many there are now."""
    folder = CORPUS / name
    files = [path for place in (FOUND / name, folder) if place.is_dir() for path in place.iterdir()]
    inputs = [path.read_bytes() for path in files if path.stat().st_size <= BYTES_MAX]
    kept = {f"{sha256(data).hexdigest()[:16]}.bin": data for data in chosen(TARGETS[name], inputs)}
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()
    for title, data in kept.items():
        (folder / title).write_bytes(data)
    return len(kept)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    for target_name in sys.argv[1:] or TARGETS:
        sys.stdout.write(f"{target_name}: {keep(target_name)} kept\n")
