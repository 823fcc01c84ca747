"""The options of the verbs for planned maintenance. As in `app`, what a verb needs is imported when it runs."""

from typing import Annotated, Final

import typer

from gateway.cli.options import JsonOption, Reach, ReasonOption, RouteOption, group, verb

window_app: Final = group("Planned maintenance of billing. Its route opens for it by itself.")


@verb(window_app, "list")
def list_windows(
    *,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List the windows that are planned."""
    from gateway.cli import windows  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(windows.list_windows(reach, json=json))


@verb(window_app, "add")
def add(
    begins: Annotated[str, typer.Argument(help="When it begins (first): local time, 2026-01-15T02:00:00.")],
    *,
    span: Annotated[str, typer.Option("--for", help="How long it lasts: 90s, 30m, 2h, 1d.")],
    reason: ReasonOption,
    route: RouteOption = "",
    time_zone: Annotated[str, typer.Option("--zone", help="Zone of that time, by its IANA name.")] = "UTC",
    rule: Annotated[str, typer.Option("--rule", help="When it comes again (RFC 5545): FREQ=WEEKLY;BYDAY=SU.")] = "",
    lead: Annotated[str, typer.Option("--lead", help="How long before it the route opens already: 5m.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Plan a window, once or by a rule. Without --route it is of every route."""
    from gateway.cli import windows  # noqa: PLC0415 - the help is there at once

    code = windows.add(
        reach, begins, span, reason, route=route, time_zone=time_zone, rule=rule, lead=lead, json=json
    )  # fmt: skip
    raise typer.Exit(code)


@verb(window_app, "cancel")
def cancel(
    number: Annotated[str, typer.Argument(help="The window's number.")],
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Take a window out of the plan. One that goes on ends now."""
    from gateway.cli import windows  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(windows.cancel(reach, number, reason, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(window_app, name="window")
