"""The verbs for stand-in policies. A policy is a TOML file with the keys of `[routes.<name>.standin]` at its top."""

import json as plain_json
import sys
import tomllib
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from gateway.admin.duties.views import ProposalShown
from gateway.admin.steering.policy_side import PolicyShown, TriedShown
from gateway.cli import tables
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell


def show(reach: Reach, route: str, *, json: bool) -> int:
    """The policy a route follows."""
    found = client_of(reach).get(f"{API}/policies/{safe(route)}", PolicyShown)
    tell(found, _policy_words, json=json)
    return Exit.DONE


def _policy_words(found: PolicyShown) -> Text:
    where = "changed at run time" if found.source == "run_time" else "the configuration's"
    body = plain_json.dumps(found.standin, indent=2, ensure_ascii=False)
    return Text(f"{found.route}: version {found.version}, {where}\n{body}")


def propose(reach: Reach, route: str, file: Path | None, reason: str, *, json: bool) -> int:
    """Propose the policy in a file; without one, the configuration's."""
    body: dict[str, Any] = {"reason": reason}
    if file is not None:
        body["standin"] = _read(file)
    found = client_of(reach).post(f"{API}/policies/{safe(route)}", ProposalShown, body)
    words = f"proposal {found.id} waits for a second person, until {found.ends_at}"
    tell(found, lambda one: Text(f"{one.summary}: {words}"), json=json)
    return Exit.DONE


def try_out(reach: Reach, route: str, file: Path, accepted_from: str, accepted_before: str, *, json: bool) -> int:
    """What the policy in a file would have done to payments that were taken; changes nothing."""
    times = {"accepted_from": accepted_from, "accepted_before": accepted_before}
    body = {"standin": _read(file), **times}
    found = client_of(reach).post(f"{API}/policies/{safe(route)}/try", TriedShown, body)
    tell(found, _tried_view, json=json)
    return Exit.DONE


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failure(f"{file} can't be read as TOML: {error}", Exit.UNFIT) from error


def _tried_view(found: TriedShown) -> RenderableType:
    table = tables.table_of("would have been", "payments", "sum")
    for word, total in found.outcomes.items():
        table.add_row(Text(word), Text(str(total.entries)), Text(f"{total.amount} {total.currency}"))
    sys.stdout.write(f"policy {found.version}, tried on {found.payments} payments")
    sys.stdout.write(f", {found.unreadable} of them unreadable" if found.unreadable else "")
    sys.stdout.write("; there are more: try a shorter time\n" if found.more else "\n")
    return table
