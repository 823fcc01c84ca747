"""What it takes to note the accounts of an operator's subscribers: time, and the memory of the client and the service.

A CSV of ten million accounts (phone numbers in no order, with a second column that isn't read) goes through `nightsafe
accounts import`, as an operator runs it, to a service on its own core. Then all are counted, and the file of the first
million is imported again, which changes nothing but the time they were heard of.
"""

import argparse
import hashlib
import resource
import subprocess
import time
from pathlib import Path
from typing import Final

from bench.installation import Installation, install, running, scratch
from bench.rig import LOAD_CORE, Server, Trouble, dead_port, keep, pinned, python, tell
from bench.table import table

ACCOUNTS: Final = 10_000_000
AGAIN_MAX: Final = 1_000_000
TOKEN: Final = "importer-" + "0123456789abcdef" * 2
"""No secret, as that of the installation."""

STEP: Final = 1_500_450_271
"""Prime to 10**9: multiples of it, modulo that, are each of them once and in no order."""


def written(path: Path, accounts: int) -> None:
    """A file with so many accounts."""
    with path.open("w") as out:
        out.write("account,since\n")
        for number in range(accounts):
            out.write(f"79{number * STEP % 10**9:09d},2024-01-01\n")


def imported(made: Installation, server: Server, file: Path, accounts: int) -> list[str]:
    """A row: seconds, accounts a second, the most memory of the client, and of the service."""
    secret = made.folder / "token"
    secret.write_text(TOKEN)
    command = python("-m", "gateway", "accounts", "import", str(file), "--route", "main", "--reason", "a measurement")
    began = time.perf_counter()
    client = pinned([*command, "--config", str(made.config), "--token-file", str(secret)], LOAD_CORE)
    done = subprocess.run(client, capture_output=True, text=True, check=False)
    took_s = time.perf_counter() - began
    if done.returncode or f"{accounts} accounts" not in done.stdout:
        raise Trouble(f"import ended with {done.returncode}: {done.stdout}{done.stderr}")
    client_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    server_mib = server.memory_mib("VmHWM")
    found = {"accounts": accounts, "took_s": took_s, "client_mib": client_mib, "server_mib": server_mib}
    keep("accounts", found)
    return [f"{took_s:,.0f}", f"{accounts / took_s:,.0f}", f"{client_mib:,.0f}", f"{server_mib:,.0f}"]


def counted(made: Installation) -> tuple[str, float]:
    """What `accounts count` says, and the seconds it took."""
    command = python("-m", "gateway", "accounts", "count", "--config", str(made.config))
    began = time.perf_counter()
    told = subprocess.run(
        [*command, "--token-file", str(made.folder / "token")], capture_output=True, text=True, check=True
    )
    return told.stdout.strip(), time.perf_counter() - began


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    parser.add_argument("--accounts", type=int, default=ACCOUNTS)


def run(told: argparse.Namespace) -> None:
    """Measure and print."""
    with scratch() as folder, dead_port() as core:
        made = install(folder, core)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        with made.config.open("a") as config:
            config.write(f'\n[admin.tokens.bench]\nrole = "operator"\nsha256 = "{digest}"\n')
        all_of_them, again = folder / "accounts.csv", folder / "again.csv"
        written(all_of_them, told.accounts)
        written(again, min(told.accounts, AGAIN_MAX))
        with running(made) as server:
            empty_mib = server.memory_mib()
            rows = [
                [name, *imported(made, server, file, accounts)]
                for name, file, accounts in (
                    (f"{told.accounts:,}", all_of_them, told.accounts),
                    (f"{min(told.accounts, AGAIN_MAX):,} of them again", again, min(told.accounts, AGAIN_MAX)),
                )
            ]
            words, count_s = counted(made)
            if words != f"{told.accounts} known, 0 denied":
                raise Trouble(f"counted: {words}")
        tell(f"empty: {empty_mib:.0f} MiB; counted in {count_s:.1f} s: {words}")
        tell(f"the spool: {made.spool.stat().st_size / 2**20:,.0f} MiB")
    print(table(("accounts", "s", "a second", "client MiB at most", "service MiB at most"), rows))
