"""The standard set, one after the other: `python -m bench`, or some of it: `python -m bench accept drain`.

Each prints its table; raw results go to `bench/out/*.jsonl`. Takes about half an hour, and is worth something on a
machine that does nothing else.
"""

import argparse
from types import ModuleType
from typing import Final

from bench import accept, backlog, detect, disk, drain

SET: Final[dict[str, ModuleType]] = {
    "disk": disk,
    "accept": accept,
    "backlog": backlog,
    "drain": drain,
    "detect": detect,
}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure, of: {', '.join(SET)}; all if none")
    told = parser.parse_args()
    unknown = set(told.names) - set(SET)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    for name in told.names or SET:
        options = argparse.ArgumentParser()
        SET[name].add_arguments(options)
        print(f"\n## {name}\n", flush=True)
        SET[name].run(options.parse_args([]))


if __name__ == "__main__":
    main()
