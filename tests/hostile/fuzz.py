"""Coverage-guided fuzzing of one target: `make fuzz SECONDS=60`, or `python tests/hostile/fuzz.py osmp_query -max_total_time=60`.

Needs atheris, which lives in an environment of its own (`requirements/fuzz.txt`; it has wheels for CPython 3.11 to
3.13, not for every newer one). It begins from the examples of `targets.py` and what tests/hostile/corpus/ keeps; what it
finds that reaches new code goes to build/corpus/, and `tests/hostile/keep.py` picks of that what each run of the tests
feeds again.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped] # it has no types, and an environment of its own
import structlog

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "queue")]

with atheris.instrument_imports(include=["adapters", "gateway", "spool"]):
    from tests.hostile.targets import CORPUS, EXAMPLES, TARGETS, WORDS

# Nobody reads what is logged here, and writing it takes longer than reading a record.
structlog.configure(logger_factory=structlog.ReturnLoggerFactory())

if __name__ == "__main__":
    name = sys.argv[1]
    corpus = Path("build/corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "example").write_bytes(EXAMPLES[name])
    for number, word in enumerate(WORDS):
        (corpus / f"word-{number}").write_bytes(EXAMPLES[name][:20] + word)
    kept = [str(each) for each in (CORPUS / name,) if each.is_dir()]
    # Without len_control: most of what these parsers read is longer than it begins with.
    asked = ["-timeout=5", "-rss_limit_mb=1024", "-max_len=4096", "-len_control=0", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *asked, str(corpus), *kept], TARGETS[name])
    atheris.Fuzz()
