"""The options of the verbs about telling people, and about outages. As in `app`, what a verb needs is imported when it runs."""

from typing import Annotated, Final, Literal

import typer

from gateway.cli.options import JsonOption, Reach, ReasonOption, group, verb

sink_app: Final = group("Ways to people. Which there are, how they stand, and whether they work.")


@verb(sink_app, "list")
def list_sinks(*, json: JsonOption = False, reach: Reach) -> None:
    """Show each sink. What waits for it, when it took a message last, and why it doesn't."""
    from gateway.cli import sinks  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(sinks.list_sinks(reach, json=json))


@verb(sink_app, "test")
def try_out(
    name: Annotated[str, typer.Argument(help="The sink's name.")],
    *,
    reason: ReasonOption = "a test",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Send a test message by one, and wait until it is taken or refused."""
    from gateway.cli import sinks  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(sinks.try_out(reach, name, reason, json=json))


def outages(*, json: JsonOption = False, reach: Reach) -> None:
    """List outages, newest first, with those that go on."""
    from gateway.cli import outages as verbs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(verbs.list_outages(reach, json=json))


def outage(
    number: Annotated[str, typer.Argument(help="The outage's number.")],
    *,
    html: Annotated[bool, typer.Option("--html", help="As one HTML page that loads nothing, to be kept.")] = False,
    language: Annotated[Literal["en", "ru"], typer.Option("--language", help="The page's language.")] = "en",
    zone: Annotated[str, typer.Option("--zone", help="The page's time zone, by its IANA name.")] = "UTC",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Show the report of an outage. What was taken in it, and what became of each payment."""
    from gateway.cli import outages as verbs  # noqa: PLC0415 - the help is there at once

    if html:
        raise typer.Exit(verbs.write_page(reach, number, language, zone))
    raise typer.Exit(verbs.show(reach, number, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(sink_app, name="sinks")
    verb(app, "outages")(outages)
    verb(app, "outage")(outage)
