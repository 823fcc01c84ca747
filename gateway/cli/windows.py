"""The verbs for planned maintenance."""

import sys

import msgspec
from rich.console import RenderableType
from rich.text import Text

from gateway.admin.steering.window_side import WindowShown, WindowsShown
from gateway.cli import tables
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, seconds_of, tell


def list_windows(reach: Reach, *, json: bool) -> int:
    """Every window that comes again."""
    tell(client_of(reach).get(f"{API}/windows", WindowsShown), _view, json=json)
    return Exit.DONE


def add(
    reach: Reach, begins: str, span: str, reason: str, *, route: str, time_zone: str, rule: str, lead: str, json: bool
) -> int:  # fmt: skip
    """Plan a window."""
    body = {
        "reason": reason,
        "begins": begins,
        "duration_s": seconds_of(span),
        "route": route,
        "time_zone": time_zone,
        "rule": rule,
        "lead_s": seconds_of(lead) if lead else 0,
    }
    return _said(client_of(reach).post(f"{API}/windows", WindowShown, body), "is planned", json=json)


def cancel(reach: Reach, number: str, reason: str, *, json: bool) -> int:
    """Take a window out of the plan."""
    found = client_of(reach).post(f"{API}/windows/{safe(number)}/cancel", WindowShown, {"reason": reason})
    return _said(found, "is cancelled", json=json)


def _said(found: WindowShown, word: str, *, json: bool) -> int:
    spans = [f"{tables.brief(each.begins)} to {tables.brief(each.ends)}" for each in found.coming[:1]]
    words = ": ".join([f"window {found.id} {word}", *spans])
    sys.stdout.write((msgspec.json.encode(found).decode() if json else words) + "\n")
    return Exit.DONE


def _view(found: WindowsShown) -> RenderableType:
    if not found.windows:
        return Text("no windows are planned")
    table = tables.table_of("window", "route", "next", "until", "again", "opens before", "by", "why")
    for each in found.windows:
        first = each.coming[0]
        told = (each.id, each.route or "all", tables.brief(first.begins), tables.brief(first.ends), each.rule or "once")
        table.add_row(*map(Text, (*told, tables.span(each.lead_s), each.actor, each.reason)))
    return table
