"""The options of the verbs that look. As in `app`, what a verb needs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import ConfigOption, JsonOption, Reach, ReasonOption, RouteOption, Scope, WatchOption, verb


def status(
    *,
    watch: WatchOption = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say how everything stands. Routes, what waits, exposure, books, spool, keys."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(verbs.status(reach, json=json, watch=watch))


def list_entries(
    *,
    scope: Scope,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="Entries on a page.")] = 50,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="In order of arrival.")] = False,
    after: Annotated[str, typer.Option("--after", help="Only above this number.")] = "",
    before: Annotated[str, typer.Option("--before", help="Only below this number.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List entries, newest first. With --json one a line."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    order = "oldest" if oldest_first else "newest"
    raise typer.Exit(verbs.list_entries(reach, scope, limit=limit, order=order, after=after, before=before, json=json))


def shape(
    *,
    by: Annotated[
        str, typer.Option("--by", help="What rows are.", metavar="route|channel|state|operation|reason|currency")
    ] = "route",
    route: RouteOption = "",
    money: Annotated[bool, typer.Option("--money", help="Sums in the cells instead of counts.")] = False,
    watch: WatchOption = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Show how old what waits is. Rows as you like, columns by age, each twice as wide as the one before."""
    from gateway.cli import looking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(looking.shape(reach, by, route, money=money, watch=watch, json=json))


def stuck(
    *,
    explain: Annotated[bool, typer.Option("--explain", help="In whole sentences.")] = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say what does not move, why, what comes next by itself, and what you may do. Exit 1 when something needs you."""
    from gateway.cli import looking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(looking.stuck(reach, explain=explain, json=json))


def find(
    id_: Annotated[str, typer.Argument(metavar="[ID]", help="Number, id, channel's key or billing's own id.")] = "",
    *,
    account_file: Annotated[
        Path | None, typer.Option("--account-file", help="File with one account; - is standard input.")
    ] = None,
    at: Annotated[str, typer.Option("--at", help="About when it was paid: 2026-01-15T07:00:00Z.")] = "",
    within: Annotated[str, typer.Option("--within", help="How far from there, both ways.")] = "1h",
    scope: Scope,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="Entries at most.")] = 50,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Find payments by any id, by account, or by amount and time. Exit 1 when there is none."""
    from gateway.cli import looking  # noqa: PLC0415 - the help is there at once

    if sum((bool(id_), account_file is not None, bool(at))) != 1:
        raise typer.BadParameter("name an id, or --account-file, or --at with an amount")
    if id_:
        raise typer.Exit(looking.find(reach, id_, limit, json=json))
    if account_file is not None:
        raise typer.Exit(looking.find_account(reach, account_file, scope, limit, json=json))
    raise typer.Exit(looking.find_near(reach, at, within, scope, limit, json=json))


def show(
    reference: Annotated[str, typer.Argument(help="Number or id; or name --channel and --key.")] = "",
    *,
    channel: Annotated[str, typer.Option("--channel", help="The channel whose key it is.")] = "",
    key: Annotated[str, typer.Option("--key", help="The channel's own key.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Show one entry and everything that happened to it."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(verbs.show(reach, reference, channel, key, json=json))


def reveal(
    reference: Annotated[str, typer.Argument(help="Number or id.")],
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Show what is masked of one payment: its account and what else is sealed. It is written down that you saw it."""
    from gateway.cli import looking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(looking.reveal(reach, reference, reason, json=json))


def audit(
    *,
    start: Annotated[str, typer.Option("--start", help="Place in the log to begin at, as a page before it said.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List what persons did, oldest first, in the order of the evidence log. With --json one a line."""
    from gateway.cli import looking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(looking.audit(reach, start, json=json))


def verify(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Open no seal.")] = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Count all anew, hold all rows against the evidence, open every seal. Exit 1 when something is off."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(verbs.verify(reach, seals=not quick, json=json))


def export(
    *,
    scope: Scope,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, without histories, harmless to spreadsheets.")] = False,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Make this spreadsheet file, without histories.")] = None,
    config: ConfigOption = None,
) -> None:
    """Write every entry and its history, one line of JSON each. Reads the file, whether the service runs or not."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    if csv and xlsx is not None:
        raise typer.BadParameter("take --csv or --xlsx, and not both")
    raise typer.Exit(verbs.export(config, scope, csv=csv, xlsx=xlsx))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "status")(status)
    verb(app, "shape")(shape)
    verb(app, "stuck")(stuck)
    verb(app, "list")(list_entries)
    verb(app, "find")(find)
    verb(app, "show")(show)
    verb(app, "reveal")(reveal)
    verb(app, "audit")(audit)
    verb(app, "verify")(verify)
    verb(app, "export")(export)
