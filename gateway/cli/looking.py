"""What the verbs do that look for entries and at what waits: find, shape, stuck."""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from gateway.admin.entries.reveal import RevealedShown
from gateway.admin.entries.shape import ShapeShown
from gateway.admin.state.stuck import Stuck, StuckShown
from gateway.admin.steering.audit_side import DeedsPage
from gateway.admin.views import EntryPage, Money
from gateway.cli.client import AdminClient
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach, Scope
from gateway.cli.tables import brief, moneys_text, plain, show, slowed_words, span, table_of
from gateway.cli.verbs import API, client_of, entries_shown, safe, seconds_of, tell, told_of, watch_on, whole_page
from gateway.clock import SystemClock

# Finding


def find(reach: Reach, id_: str, limit: int, *, json: bool) -> int:
    """Entries by an id of any kind; 1 when there is none."""
    return _found(client_of(reach).post(f"{API}/find", EntryPage, {"id": id_, "limit": limit}), json=json)


def find_account(reach: Reach, file: Path, scope: Scope, limit: int, *, json: bool) -> int:
    """Entries of an account, newest first; 1 when there is none.

    Raises:
        Failure: the file holds no account.
    """
    try:
        text = sys.stdin.readline() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"the file {file} can't be read", Exit.UNFIT) from error
    account = text.strip()
    if not account or not account.isprintable():
        raise Failure(f"the file {file} holds no account: one line", Exit.UNFIT)
    client, told = client_of(reach), told_of(scope, SystemClock().now_us())
    filter_ = {**told, "state": scope.state or []}
    found, before = list[Any](), ""
    while True:
        body = {"account": account, "filter": filter_, "limit": limit - len(found), "before": before}
        page = client.post(f"{API}/find", EntryPage, body)
        found += page.entries
        before = page.next
        if not before or len(found) >= limit:
            return _found(EntryPage(entries=tuple(found), next=before), json=json)


def find_near(reach: Reach, at: str, within: str, scope: Scope, limit: int, *, json: bool) -> int:
    """Entries accepted near a time, oldest first; 1 when there is none.

    Raises:
        Failure: the time is none, or another one is named too.
    """
    told = told_of(scope, SystemClock().now_us())
    if {"accepted_from", "accepted_before"} & set(told):
        raise Failure("name --at, or another time, and not both", Exit.UNFIT)
    try:
        about = datetime.fromisoformat(at)
    except ValueError:
        about = datetime.min  # noqa: DTZ901 - it has no zone, and is refused for that
    if about.tzinfo is None:
        raise Failure("write the time with its zone: 2026-01-15T07:00:00Z", Exit.UNFIT)
    apart = timedelta(seconds=seconds_of(within))
    ends = {"accepted_from": (about - apart).isoformat(), "accepted_before": (about + apart).isoformat()}
    return _found(whole_page(reach, {**told, **ends, "order": "oldest"}, limit), json=json)


def _found(page: EntryPage, *, json: bool) -> int:
    entries_shown(page, json=json)
    return Exit.DONE if page.entries else Exit.NO


def reveal(reach: Reach, reference: str, reason: str, *, json: bool) -> int:
    """What is masked of one entry."""
    path = f"{API}/entries/{safe(reference)}/reveal"
    tell(client_of(reach).post(path, RevealedShown, {"reason": reason}), revealed_view, json=json)
    return Exit.DONE


def revealed_view(shown: RevealedShown) -> RenderableType:
    """A name and its value a line."""
    facts = Table.grid(padding=(0, 2))
    told = {"account": shown.account, "service": shown.service, "channel time": shown.channel_time, "note": shown.note}
    for name, value in {**told, **shown.attributes}.items():
        if value:
            facts.add_row(Text(name, "dim"), plain(value))
    return facts


def audit(reach: Reach, start: str, *, json: bool) -> int:
    """What persons did, all of it from a place in the log on."""
    client = client_of(reach)
    while True:
        page = client.get(f"{API}/audit", DeedsPage, {"from": start} if start else None)
        if json:
            sys.stdout.write("".join(msgspec.json.encode(deed).decode() + "\n" for deed in page.deeds))
        elif page.deeds or not start:
            show(deeds_view(page))
        start = page.next
        if not start:
            return Exit.DONE


def deeds_view(page: DeedsPage) -> RenderableType:
    """Deeds, one a line."""
    if not page.deeds:
        return plain("nobody did anything")
    table = table_of("event", "at", "what", "to", "detail", "by", "why")
    for deed in page.deeds:
        told = (deed.event, brief(deed.at), deed.name, deed.subject, deed.detail, deed.actor, deed.note)
        table.add_row(*(plain(text) for text in told))
    return table


# What waits


def shape(reach: Reach, by: str, route: str, *, money: bool, watch: bool, json: bool) -> int:
    """How old what waits is; with `watch` again and again."""
    query = {"by": by, **({"route": route} if route else {})}

    def ask(client: AdminClient) -> ShapeShown:
        return client.get(f"{API}/shape", ShapeShown, query)

    if watch:
        asyncio.run(watch_on(reach, SystemClock(), lambda client, _: shape_view(ask(client), money=money)))
        return Exit.DONE
    tell(ask(client_of(reach)), lambda found: shape_view(found, money=money), json=json)
    return Exit.DONE


def shape_view(shown: ShapeShown, *, money: bool) -> RenderableType:
    """Rows, and columns by age; below, whose word has a route go slower than it might."""
    ages = [span(each) for each in shown.ages_s]
    table = table_of(shown.by, "total", *ages, f"{ages[-1]}+", right=True)
    for row in shown.rows:
        table.add_row(*(plain(text) for text in (row.name or "ALL", _cell(row.total, money=money))), *(
            plain(_cell(cell, money=money)) for cell in row.cells
        ))  # fmt: skip
    words = (plain(slowed_words(name, word)) for name, word in shown.slowed.items())
    return Group(plain(f"what waits by age, {brief(shown.at)}"), table, *words)


def _cell(found: tuple[Money, ...], *, money: bool) -> str:
    if not money:
        count = sum(each.entries for each in found)
        return str(count) if count else ""
    return " ".join(f"{each.amount} {each.currency}" for each in found)


def stuck(reach: Reach, *, explain: bool, json: bool) -> int:
    """What does not move; 1 when something of it waits for a person."""
    found = client_of(reach).get(f"{API}/stuck", StuckShown)
    tell(found, explained_view if explain else stuck_view, json=json)
    return Exit.NO if any(not each.next for each in found.stuck) else Exit.DONE


def stuck_view(shown: StuckShown) -> RenderableType:
    """One line for each thing that does not move."""
    if not shown.stuck:
        return plain("nothing is stuck")
    table = table_of("what", "route", "waiting", "since", "why", "next by itself", "you may")
    for each in shown.stuck:
        told = (each.route, moneys_text(each.waiting), brief(each.since), each.why, _next(each), ", ".join(each.verbs))
        table.add_row(Text(each.what, "" if each.next else "bold red"), *(plain(text) for text in told))
    return table


def explained_view(shown: StuckShown) -> RenderableType:
    """A paragraph for each thing that does not move."""
    if not shown.stuck:
        return plain("Nothing is stuck.")
    parts = list[RenderableType]()
    for each in shown.stuck:
        head = Text(" ".join(filter(None, (each.what, each.route))), "bold" if each.next else "bold red")
        head.append(f"  {moneys_text(each.waiting)}" if each.waiting else "", "")
        head.append(f"  since {brief(each.since)}" if each.since else "", "")
        parts += [head, plain(each.explained), plain(f"Next by itself: {_next(each)}.")]
        if each.verbs:
            parts.append(plain(f"You may: {', '.join(each.verbs)}."))
        parts.append(plain(""))
    return Group(*parts)


def _next(each: Stuck) -> str:
    if not each.next:
        return "nothing; it waits for a person"
    return f"{each.next} ({brief(each.next_at)})" if each.next_at else each.next
