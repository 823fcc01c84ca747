"""The standard set, one after the other: `python -m bench`, or some of it: `python -m bench accept drain`.

One name may be followed by its own options: `python -m bench peers --rounds 2 --allow-missing`. Each prints its table; raw
results go to `bench/out/*.jsonl`. Takes about an hour, and is worth something on a machine that does nothing else.
What can't be measured is said and makes the run fail in the end; the rest is measured all the same.
"""

import argparse
import sys
from types import ModuleType
from typing import Final

from bench import (
    accept,
    accounts,
    backlog,
    beside,
    besieged,
    custody,
    detect,
    disk,
    drain,
    filled,
    instructions,
    keys,
    looking,
    nodes,
    paced,
    paint,
    passthrough,
    plot,
)
from bench.outages import figures as outages
from bench.rig import Trouble, tell

SET: Final[dict[str, ModuleType]] = {
    "disk": disk,
    "accept": accept,
    "peers": beside,
    "besieged": besieged,
    "paced": paced,
    "passthrough": passthrough,
    "backlog": backlog,
    "drain": drain,
    "detect": detect,
    "custody": custody,
    "keys": keys,
    "looking": looking,
    "accounts": accounts,
    "instructions": instructions,
    "outages": outages,
    "nodes": nodes,
    "filled": filled,
    "paint": paint,
    "plot": plot,
}


def measured(name: str, given: list[str]) -> bool:
    """Run one of the set with its options; whether it could be measured."""
    options = argparse.ArgumentParser(prog=f"python -m bench {name}", description=SET[name].__doc__)
    SET[name].add_arguments(options)
    told = options.parse_args(given)
    print(f"\n## {name}\n", flush=True)
    try:
        SET[name].run(told)
    except Trouble as trouble:
        tell(f"{name}: {trouble}")
        return False
    return True


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure, of: {', '.join(SET)}; all if none")
    given = sys.argv[1:]
    if given and given[0] in SET and any(each.startswith("-") for each in given[1:]):
        sys.exit(not measured(given[0], given[1:]))
    names = parser.parse_args(given).names or list(SET)
    unknown = set(names) - set(SET)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    failed = [name for name in names if not measured(name, [])]
    if failed:
        sys.exit(f"not measured as it should be: {', '.join(failed)}")


if __name__ == "__main__":
    main()
