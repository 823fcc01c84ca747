"""What the verbs do that report."""

import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Group, RenderableType

from gateway.admin.reports.day import DayRow, DayShown
from gateway.admin.views import Money
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.tables import plain, table_of
from gateway.cli.verbs import API, client_of, keep, tell

TIMEOUT_S: Final = 600.0
"""A day of a million payments is read in some ten seconds, beside the payments."""


def day(reach: Reach, day: str, as_of: str, *, json: bool) -> int:
    """The report of a day; 1 when it does not add up."""
    body = client_of(reach).raw("GET", f"{API}/reports/day", query=_asked(day, as_of), timeout_s=TIMEOUT_S)
    found = msgspec.json.decode(body, type=DayShown)
    tell(found, day_view, json=json)
    return Exit.DONE if found.adds_up else Exit.NO


def write_day(reach: Reach, day: str, as_of: str, xlsx: Path | None) -> int:
    """The report as CSV to standard output, or as a spreadsheet's file that is not there yet."""
    query = {**_asked(day, as_of), "format": "csv" if xlsx is None else "xlsx"}
    body = client_of(reach).raw("GET", f"{API}/reports/day/export", query=query, timeout_s=TIMEOUT_S)
    if xlsx is None:
        sys.stdout.buffer.write(body)
        return Exit.DONE
    keep(xlsx, body)
    return Exit.DONE


def _asked(day: str, as_of: str) -> dict[str, str]:
    return {"as_of": as_of, **({"day": day} if day else {})}


def day_view(report: DayShown) -> RenderableType:
    """A row for each channel and route, and the proof below."""
    over = "" if report.is_whole else "; the day goes on"
    head = plain(f"taken from {report.begins} to {report.ends} ({report.zone}), as it stood at {report.as_of}{over}")
    if not report.rows:
        return Group(head, plain("nothing was taken"))
    table = table_of("channel", "route", "kind", "taken", "posted", "refused", "returned", "cancelled", "waiting")
    for row in report.rows:
        table.add_row(*(plain(text) for text in _cells(row)))
    lines = [
        f"{line.kind}s {line.currency}: taken {line.accepted.entries} = posted {line.posted.entries}"
        f" + refused {line.refused.entries} + returned {line.returned.entries} + cancelled {line.cancelled.entries}"
        f" + waiting {line.waiting.entries}"
        for line in report.totals
    ]
    verdict = "it adds up" if report.adds_up else "IT DOES NOT ADD UP: run nightsafe verify"
    return Group(head, table, plain("\n".join([*lines, verdict])))


def _cells(row: DayRow) -> list[str]:
    refused, waiting = _said(row.refused), _said(row.waiting)
    if row.owed.entries:
        refused += f", {row.owed.entries} to give back"
    if row.in_doubt.entries:
        waiting += f", {row.in_doubt.entries} in doubt"
    figures = [_said(row.taken), _said(row.posted), refused, _said(row.returned), _said(row.cancelled), waiting]
    return [row.channel, row.route, row.kind, *figures]


def _said(money: Money) -> str:
    return f"{money.entries} ({money.amount} {money.currency})" if money.entries else "-"
