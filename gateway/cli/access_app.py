"""The options of the verbs about who may use the admin side. As in `app`, what a verb needs is imported when it runs."""

from typing import Final

import typer

from gateway.cli.options import JsonOption, Reach, ReasonOption, group, verb

access_app: Final = group("Who may use the admin side: tokens, client certificates, issuers of signed tokens.")


@verb(access_app, "list")
def list_entrants(*, json: JsonOption = False, reach: Reach) -> None:
    """Show who may come in, by what, with which role, and until when."""
    from gateway.cli import access  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(access.list_entrants(reach, json=json))


@verb(access_app, "reload")
def reload(*, reason: ReasonOption, json: JsonOption = False, reach: Reach) -> None:
    """Have the service read from its configuration anew who may come in. With a fault in it nothing changes."""
    from gateway.cli import access  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(access.reload(reach, reason, json=json))
