"""The options of the verbs that report. As in `app`, what a verb needs is imported when it runs."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.options import JsonOption, Reach, group, verb

report_app: Final = group("Reports: what was taken, and what became of it.")


@verb(report_app, "day")
def day(
    day: Annotated[str, typer.Argument(metavar="[DAY]", help="2026-01-15; else today, in the page's zone.")] = "",
    *,
    as_of: Annotated[
        str, typer.Option("--as-of", help="In the states of the day's end, or of now.", metavar="end|now")
    ] = "end",
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, harmless to spreadsheets.")] = False,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Make this spreadsheet file.")] = None,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say what was taken in a day and what became of it, by channel. Exit 1 when it does not add up."""
    from gateway.cli import reporting  # noqa: PLC0415 - the help is there at once

    if sum((csv, xlsx is not None, json)) > 1:
        raise typer.BadParameter("take one of --csv, --xlsx and --json")
    if csv or xlsx is not None:
        raise typer.Exit(reporting.write_day(reach, day, as_of, xlsx))
    raise typer.Exit(reporting.day(reach, day, as_of, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(report_app, name="report")
