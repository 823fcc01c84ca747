"""Instructions of one payment taken: what code costs where time can't be trusted.

Valgrind (callgrind) runs the service in one process, with the network taken out and commits to a real file, and counts the
instructions of all its threads outside of the kernel. Two runs of the same code differ by a percent or two, however busy
the machine is. It says nothing of the kernel, of caches, or of how long a hash takes that valgrind's processor does without
its special instructions: compare it with itself, before a change and after.
"""

import argparse
import re
import shutil
import subprocess
from typing import Final

from bench.installation import scratch
from bench.rig import OUT, ROOT, Trouble, keep, python
from bench.table import table

_COLLECTED: Final = re.compile(r"Collected : ([0-9]+)")
_COUNTED: Final = re.compile(r"COUNTED ([0-9]+)")
WAIT_S_MAX: Final = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--payments", type=int, default=1_600, help="of which three quarters are counted")


def run(told: argparse.Namespace) -> None:
    """Count, print.

    Raises:
        Trouble: valgrind is missing, or the run did not come to its end.
    """
    if shutil.which("valgrind") is None:
        raise Trouble("valgrind is missing (Debian: apt-get install valgrind)")
    OUT.mkdir(parents=True, exist_ok=True)
    valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={OUT / 'callgrind.out'}"]
    with scratch() as folder:
        child = python("-m", "bench.counted", "--payments", str(told.payments), "--folder", str(folder))
        said = subprocess.run(
            [*valgrind, *child], cwd=ROOT, capture_output=True, text=True, check=False, timeout=WAIT_S_MAX
        )
    collected, counted = _COLLECTED.search(said.stderr), _COUNTED.search(said.stdout)
    if collected is None or counted is None:
        raise Trouble(f"nothing was counted: {said.stdout[-500:]}{said.stderr[-2000:]}")
    each = int(collected.group(1)) // int(counted.group(1))
    keep("instructions", {"payments": int(counted.group(1)), "each": each})
    print(table(("case", "payments counted", "instructions each"), [["durable accept", counted.group(1), f"{each:,}"]]))
    print("Which functions: callgrind_annotate bench/out/callgrind.out")
