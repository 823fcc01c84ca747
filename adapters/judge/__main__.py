"""The judge as a command, on files."""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from adapters.judge.verdict import Verdict, judge


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge files; 0 when nothing is wrong, 1 when something is, 2 when they can't be read."""
    asked = _parser().parse_args(arguments)
    try:
        with ExitStack() as files:
            diary, ledger, *rest = [
                files.enter_context(path.open(encoding="utf-8"))
                for path in (asked.diary, asked.ledger, asked.export)
                if path is not None
            ]
            gone = [files.enter_context(path.open(encoding="utf-8")) for path in asked.forgotten]
            verdict = judge(
                diary,
                ledger,
                export=rest[0] if rest else None,
                forgotten=chain.from_iterable(gone),
                blind=asked.blind,
                several=asked.several,
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        sys.stderr.write(f"judge: the records can't be read: {type(error).__name__}: {error}\n")
        return 2
    whole = asdict(verdict) | {"sound": verdict.sound, "text": str(verdict)}
    said = json.dumps(whole) if asked.json else f"{verdict}\n{_word(verdict)}"
    sys.stdout.write(said + "\n")
    return 0 if verdict.sound else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="judge", description="Judge a history: who was told what, what was booked.")
    parser.add_argument("diary", type=Path, help="what the senders asked and heard, JSON lines")
    parser.add_argument("ledger", type=Path, help="what the core booked and was asked, JSON lines")
    parser.add_argument("export", type=Path, nargs="?", help="what `nightsafe export` says, JSON lines")
    parser.add_argument(
        "--forgotten", type=Path, action="append", default=[], help="the same of what was over and has left it since"
    )
    parser.add_argument("--blind", action="store_true", help="the core can't tell what it booked (level C)")
    parser.add_argument(
        "--several", action="store_true", help="several nodes took them: order is what senders know of it"
    )
    parser.add_argument("--json", action="store_true", help="the verdict as JSON, every mark named")
    return parser


def _word(verdict: Verdict) -> str:
    return "sound: nothing is wrong" if verdict.sound else "NOT SOUND"


if __name__ == "__main__":
    sys.exit(main())
