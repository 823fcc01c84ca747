"""Coverage-guided fuzzing of one target: `make fuzz SECONDS=60`, or `python tests/hostile/fuzz.py osmp_query -max_total_time=60`.

Needs atheris, which lives in an environment of its own (`requirements/fuzz.txt`; it has wheels for CPython 3.11 to
3.13, not for every newer one). Without a corpus it begins from the examples of `targets.py`; what it finds that reaches
new code is kept under build/corpus/, and an input worth a test goes into tests/hostile/corpus/ by hand.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped] # it has no types, and an environment of its own

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "queue")]

with atheris.instrument_imports(include=["adapters", "gateway", "spool"]):
    from tests.hostile.targets import EXAMPLES, TARGETS, WORDS

if __name__ == "__main__":
    name = sys.argv[1]
    corpus = Path("build/corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "example").write_bytes(EXAMPLES[name])
    for number, word in enumerate(WORDS):
        (corpus / f"word-{number}").write_bytes(EXAMPLES[name][:20] + word)
    atheris.Setup([sys.argv[0], *sys.argv[2:], "-timeout=5", "-rss_limit_mb=1024", str(corpus)], TARGETS[name])
    atheris.Fuzz()
