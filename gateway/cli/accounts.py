"""The verbs for known accounts. A file is read a row at a time and sent a batch at a time: its length doesn't matter."""

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.admin.steering.account_book import AccountsCounted, AccountShown, ImportedShown
from gateway.cli.client import AdminClient
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, tell

BATCH_BYTES: Final = 40_000
"""Of accounts in one request: below every limit of the admin side's bodies unless somebody lowered it."""

BATCH_MAX: Final = 4_000
HEADINGS: Final = {"account", "msisdn", "number", "phone"}
"""First cells that are a heading, not an account."""


def note(reach: Reach, file: Path, route: str, noted: str, reason: str) -> int:
    """Note every account in a file's first column; 1 when there was none."""
    client, count = client_of(reach), 0
    try:
        with file.open("rb") as raw, _progress() as progress:
            text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            task = progress.add_task("accounts", total=file.stat().st_size)
            for batch in batches(_accounts(text)):
                count += _send(client, route, noted, reason, batch)
                progress.update(task, completed=raw.tell(), description=f"{count} accounts")
            progress.update(task, completed=file.stat().st_size)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Failure(f"{file} can't be read to its end ({error}); {count} accounts were noted", Exit.UNFIT) from error
    sys.stdout.write(f"{count} accounts are {noted} on {route}\n")
    return Exit.DONE if count else Exit.NO


def _progress() -> Progress:
    """A bar on standard error, where that is a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())


def _accounts(lines: Iterator[str]) -> Iterator[str]:
    """The first cell of each row that has one; a heading is none."""
    rows = csv.reader(lines)
    for index, row in enumerate(rows):
        account = row[0].strip() if row else ""
        if account and not (index == 0 and account.lower() in HEADINGS):
            yield account


def batches(accounts: Iterator[str]) -> Iterator[list[str]]:
    """Accounts in batches of so many, and of so many bytes, at most."""
    batch, size = list[str](), 0
    for account in accounts:
        width = len(account.encode()) + 3
        if batch and (size + width > BATCH_BYTES or len(batch) >= BATCH_MAX):
            yield batch
            batch, size = [], 0
        batch.append(account)
        size += width
    if batch:
        yield batch


def _send(client: AdminClient, route: str, noted: str, reason: str, batch: list[str]) -> int:
    body = {"route": route, "as": noted, "reason": reason, "accounts": batch}
    return client.post(f"{API}/accounts/note", ImportedShown, body).accounts


def look(reach: Reach, route: str, account: str, *, json: bool) -> int:
    """What is known of one account; 1 when nothing is."""
    found = client_of(reach).post(f"{API}/accounts/look", AccountShown, {"route": route, "account": account})
    tell(found, _words, json=json)
    return Exit.DONE if found.standing != "unknown" else Exit.NO


def count(reach: Reach, *, json: bool) -> int:
    """How many accounts are known, and how many denied."""
    found = client_of(reach).get(f"{API}/accounts", AccountsCounted)
    words = msgspec.json.encode(found).decode() if json else f"{found.known} known, {found.denied} denied"
    if found.at_most and not json:
        words += ", at most: who was noted before and after a change of the index key counts twice"
    sys.stdout.write(words + "\n")
    return Exit.DONE


def _words(found: AccountShown) -> str:
    seen = f", last heard of {found.seen_at}" if found.seen_at else ""
    answer = ", with its last answer to a check" if found.has_answer else ""
    urgent = ", urgent" if found.urgent else ""
    return f"{found.standing}{urgent} (lane {found.lane}){seen}{answer}"
