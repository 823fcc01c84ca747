"""The verbs about outages."""

import sys
from typing import Final
from zoneinfo import ZoneInfoNotFoundError

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.admin.steering.outage_side import OutageShown, OutagesShown
from gateway.admin.views import Money
from gateway.cli import tables
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell
from gateway.outages.answers import Spread
from gateway.page.paper import paper
from gateway.page.words import Language

BARS: Final = 40
LEVELS: Final = " ▁▂▃▄▅▆▇█"

_LINES: Final = ("carried", "taken", "posted", "refused", "returned", "cancelled", "left", "peak")


def list_outages(reach: Reach, *, json: bool) -> int:
    """Every outage there was, and those that go on."""
    tell(client_of(reach).get(f"{API}/outages", OutagesShown), _list_view, json=json)
    return Exit.DONE


def show(reach: Reach, number: str, *, json: bool) -> int:
    """The report of one."""
    tell(client_of(reach).get(f"{API}/outages/{safe(number)}", OutageShown), _view, json=json)
    return Exit.DONE


def write_page(reach: Reach, number: str, language: Language, zone: str) -> int:
    """The report of one as an HTML page of its own, on standard output."""
    report = client_of(reach).get(f"{API}/outages/{safe(number)}", OutageShown)
    try:
        text = paper(report, language, zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Failure("no such time zone: write one as Asia/Dushanbe", Exit.UNFIT) from None
    sys.stdout.write(text)
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
        ("away", "; ".join(f"{tables.brief(each.began)} to {tables.brief(each.ended)}" for each in found.away)),
        ("waited", _curve(found)),
        ("estimate", _estimate(found)),
        ("answered before", _spread(found.answers.before)),
        ("while away", _spread(found.answers.during)),
        ("while it drained", _spread(found.answers.after)),
        (
            "turned away",
            ", ".join(f"{count} ({tables.why_in_words(why)})" for why, count in found.turned_away.items()) or "nobody",
        ),
    ):
        times.add_row(Text(name), Text(told))
    sums = tables.table_of("", "payments and sum")
    for name in _LINES:
        sums.add_row(Text(name), Text(_said(getattr(found, name))))
    if found.netted.entries:
        sums.add_row(Text("cancelled by reversals before anything was sent"), Text(_said(found.netted)))
    for channel, taken in found.channels.items():
        sums.add_row(Text(f"taken from {channel}"), Text(_said(taken)))
    return Group(head, times, sums, Text("carried + taken = posted + refused + returned + cancelled + left"))


def _estimate(found: OutageShown) -> str:
    if found.estimate is None:
        return "none: it was drained too quickly"
    off = "" if found.estimate.error_percent is None else f" ({found.estimate.error_percent:+d} %)"
    return f"half way: {tables.span(found.estimate.estimate_s)} more; it took {tables.span(found.estimate.took_s)}{off}"


def _spread(found: Spread | None) -> str:
    if found is None:
        return "nobody asked"
    return f"{found.count} times, half within {_brief_s(found.median_s)}, 99 of 100 within {_brief_s(found.p99_s)}"


def _brief_s(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _curve(found: OutageShown) -> str:
    """What waited, as a line of bars; each is the most within its part of the time."""
    if not found.curve:
        return ""
    last_s = max(found.curve[-1].after_s, 0.1)
    bars = [0] * min(BARS, len(found.curve))
    for each in found.curve:
        at = min(len(bars) - 1, int(len(bars) * max(0.0, each.after_s) / last_s))
        bars[at] = max(bars[at], each.entries)
    most = max(*bars, 1)
    drawn = "".join(LEVELS[-(-(len(LEVELS) - 1) * each // most)] for each in bars)
    return f"{drawn} in {tables.span(round(last_s))}, at most {found.peak.entries}"


def _said(total: Money) -> str:
    return f"{total.entries} ({total.amount} {total.currency})"
