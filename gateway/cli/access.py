"""The verbs about who may use the admin side."""

from rich.console import RenderableType
from rich.text import Text

from gateway.admin.access.side import AccessShown, ReloadedShown
from gateway.cli import tables
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, tell


def list_entrants(reach: Reach, *, json: bool) -> int:
    """Who may come in."""
    tell(client_of(reach).get(f"{API}/access", AccessShown), _view, json=json)
    return Exit.DONE


def reload(reach: Reach, reason: str, *, json: bool) -> int:
    """Have it read anew, and say what changed."""
    tell(client_of(reach).post(f"{API}/access/reload", ReloadedShown, {"reason": reason}), _changes, json=json)
    return Exit.DONE


def _view(found: AccessShown) -> RenderableType:
    if not found.entrants:
        return Text("nobody: there is no token, certificate or issuer in the configuration ([admin.tokens.<name>])")
    table = tables.table_of("name", "comes by", "role", "until", "")
    for each in found.entrants:
        until = tables.brief(each.expires)
        table.add_row(*map(Text, (each.name, each.by, ", ".join(each.roles), until, "over" if each.is_over else "")))
    return table


def _changes(found: ReloadedShown) -> RenderableType:
    lines = [
        f"{word}: {', '.join(names)}"
        for word, names in (("added", found.added), ("removed", found.removed), ("changed", found.changed))
        if names
    ]
    if found.restart_needed:
        lines.append("other parts of the file changed as well: they wait for a restart")
    return Text("\n".join(lines or ["nothing changed"]))
