"""The verbs about outages."""

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.admin.steering.outage_side import OutageShown, OutagesShown
from gateway.admin.views import Money
from gateway.cli import tables
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell

_LINES: Final = ("carried", "taken", "posted", "refused", "returned", "cancelled", "left", "peak")


def list_outages(reach: Reach, *, json: bool) -> int:
    """Every outage there was, and those that go on."""
    tell(client_of(reach).get(f"{API}/outages", OutagesShown), _list_view, json=json)
    return Exit.DONE


def show(reach: Reach, number: str, *, json: bool) -> int:
    """The report of one."""
    tell(client_of(reach).get(f"{API}/outages/{safe(number)}", OutageShown), _view, json=json)
    return Exit.DONE


def _list_view(found: OutagesShown) -> RenderableType:
    if not found.ongoing and not found.outages:
        return Text("there was no outage")
    table = tables.table_of("outage", "route", "began", "away", "drained in", "cause", "taken", "left")
    for going in found.ongoing:
        state = "goes on" if not going.ended else "drains"
        told = (str(going.number), going.route, tables.brief(going.began), state, "", going.cause, "", "")
        table.add_row(*map(Text, told))
    for each in found.outages:
        cause = f"{each.cause} (planned)" if each.planned else each.cause
        spans = tables.span(each.away_s), tables.span(each.drain_s)
        told = (
            str(each.number),
            each.route,
            tables.brief(each.began),
            *spans,
            cause,
            _said(each.taken),
            _said(each.left),
        )
        table.add_row(*map(Text, told))
    return table


def _view(found: OutageShown) -> RenderableType:
    head = Text(
        f"outage {found.number} of {found.route} at {found.node}: {found.cause or 'no cause was named'}"
        f"{', planned' if found.planned else ''}"
    )
    times = tables.table_of("", "")
    for name, told in (
        ("began", tables.brief(found.began)),
        ("noticed after", f"{found.detection_s:g} s"),
        ("billing back", f"{tables.brief(found.ended)}, after {tables.span(found.away_s)}"),
        ("all settled", f"{tables.brief(found.drained)}, after {tables.span(found.drain_s)} more"),
        ("relapses", str(found.relapses)),
        ("causes", ", ".join(f"{cause} {seconds:g} s" for cause, seconds in found.causes.items())),
        ("estimate", _estimate(found)),
    ):
        times.add_row(Text(name), Text(told))
    sums = tables.table_of("", "payments and sum")
    for name in _LINES:
        sums.add_row(Text(name), Text(_said(getattr(found, name))))
    for channel, taken in found.channels.items():
        sums.add_row(Text(f"taken from {channel}"), Text(_said(taken)))
    return Group(head, times, sums, Text("carried + taken = posted + refused + returned + cancelled + left"))


def _estimate(found: OutageShown) -> str:
    if found.estimate is None:
        return "none: it was drained too quickly"
    off = "" if found.estimate.error_percent is None else f" ({found.estimate.error_percent:+d} %)"
    return f"half way: {tables.span(found.estimate.estimate_s)} more; it took {tables.span(found.estimate.took_s)}{off}"


def _said(total: Money) -> str:
    return f"{total.entries} ({total.amount} {total.currency})"
