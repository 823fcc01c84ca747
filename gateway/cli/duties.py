"""The verbs for what waits for a person: returns due, ending by hand, and proposals to a second person."""

import sys
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from gateway.admin.duties.views import ClosedShown, ProposalShown, ProposalsPage, ReturnsPage
from gateway.cli import tables
from gateway.cli.client import Told
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell


def returns(reach: Reach, route: str, *, json: bool) -> int:
    """The duty list of returns; exit 1 when nothing is owed back."""
    query = {"route": route} if route else None
    found = client_of(reach).get(f"{API}/returns", ReturnsPage, query)
    tell(found, _returns_view, json=json)
    return Exit.DONE if found.returns else Exit.NO


def close(reach: Reach, references: list[str], ending: str, evidence: str, core_id: str, *, json: bool) -> int:
    """End these entries by hand, each by itself; 1 when one stayed as it was."""
    client, code = client_of(reach), Exit.DONE
    body: dict[str, Any] = {"as": ending, "evidence": evidence, "core_id": core_id}
    for reference in references:
        try:
            found = client.post(f"{API}/entries/{safe(reference)}/close", ClosedShown, body)
        except Told as told:
            if told.exit is not Exit.NO:
                raise
            sys.stderr.write(f"nightsafe: {reference}: {told}\n")
            code = Exit.NO
        else:
            line = msgspec.json.encode(found).decode() if json else _closed_words(reference, found)
            sys.stdout.write(line + "\n")
    return code


def _closed_words(reference: str, found: ClosedShown) -> str:
    if found.entry is not None:
        return f"{found.entry.entry.number} is {found.entry.entry.state}"
    assert found.proposal is not None, "what isn't done is proposed"
    return f"{reference}: proposal {found.proposal.id} waits for a second person, until {found.proposal.ends_at}"


def proposals(reach: Reach, after: str, *, everything: bool, json: bool) -> int:
    """What waits for a second person; with `everything` all there ever were, a page of them."""
    query = {"after": after} if after else None
    path = f"{API}/proposals/all" if everything else f"{API}/proposals"
    found = client_of(reach).get(path, ProposalsPage, query if everything else None)
    tell(found, _proposals_view, json=json)
    return Exit.DONE


def decide(reach: Reach, number: str, verdict: str, reason: str, *, json: bool) -> int:
    """Confirm, decline or withdraw a proposal; 1 when it was confirmed and could not be done any more."""
    found = client_of(reach).post(f"{API}/proposals/{safe(number)}/{verdict}", ProposalShown, {"reason": reason})
    tell(found, lambda one: Text(f"{one.id} is {one.stand}{': ' + one.outcome if one.outcome else ''}"), json=json)
    return Exit.NO if found.stand == "failed" else Exit.DONE


def _returns_view(page: ReturnsPage) -> RenderableType:
    if not page.returns:
        return Text("nothing is owed back")
    table = tables.table_of("number", "kind", "since", "stage", "route", "channel", "key", "amount", "reason")
    for each in page.returns:
        entry = each.entry
        told = (entry.number, entry.kind, tables.brief(each.since), each.stage, entry.route, entry.channel, entry.key)
        table.add_row(*map(Text, (*told, f"{entry.amount} {entry.currency}", entry.reason)))
    return Group(table, *([Text("there is more: settle some, and look again")] if page.more else []))


def _proposals_view(page: ProposalsPage) -> RenderableType:
    if not page.proposals:
        return Text("nothing waits for a second person")
    table = tables.table_of("number", "what", "by", "why", "at", "until", "stand", "decided by", "outcome")
    for each in page.proposals:
        told = (each.id, each.summary, each.maker, each.reason, tables.brief(each.made_at), tables.brief(each.ends_at))
        table.add_row(*map(Text, (*told, each.stand, each.checker, each.outcome)))
    return Group(table, *([Text(f"there is more: go on with --after {page.next}")] if page.next else []))
