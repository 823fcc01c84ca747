"""The verbs about telling people."""

import sys
from typing import Final

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from gateway.admin.steering.telling_side import SinkShown, SinksShown, TestShown
from gateway.cli import tables
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell

_OUTCOMES: Final = {
    "taken": "the test was taken",
    "refused": "the test was not taken: {why}",
    "waiting": "nothing is known of the test yet: nightsafe sinks list",
}


def list_sinks(reach: Reach, *, json: bool) -> int:
    """How each sink stands."""
    tell(client_of(reach).get(f"{API}/sinks", SinksShown), _view, json=json)
    return Exit.DONE


def try_out(reach: Reach, name: str, reason: str, *, json: bool) -> int:
    """Have one tell a test, and say what became of it."""
    found = client_of(reach).post(f"{API}/sinks/{safe(name)}/test", TestShown, {"reason": reason})
    words = f"{name}: {_OUTCOMES[found.outcome].format(why=found.sink.last_error)}"
    sys.stdout.write((msgspec.json.encode(found).decode() if json else words) + "\n")
    return Exit.DONE if found.outcome == "taken" else Exit.NO


def _view(found: SinksShown) -> RenderableType:
    if not found.sinks and found.payers is None:
        return Text("nobody is told: no sink is configured ([telling.sinks.<name>])")
    table = tables.table_of("sink", "by", "of", "waiting", "last taken", "taken", "failing", "why")
    for each in found.sinks:
        table.add_row(*map(Text, _row(each)))
    if found.payers is None:
        return table
    payers = found.payers
    why = f"; the last that failed: {payers.last_error}" if payers.last_error else ""
    words = (
        f"payers: {payers.told} told, {payers.unreached} not to be reached, {payers.waiting} wait to be credited{why}"
    )
    return Group(table, Text(words))


def _row(sink: SinkShown) -> tuple[str, ...]:
    failing = f"{sink.failures} tries" if sink.failures else ""
    taken = tables.brief(sink.last_sent), str(sink.sent)
    return sink.name, sink.protocol, sink.channel, str(sink.waiting), *taken, failing, sink.last_error
