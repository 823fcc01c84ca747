"""The options of the verbs for known accounts. As in `app`, what a verb needs is imported when it runs."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.options import JsonOption, Reach, ReasonOption, group, verb

accounts_app: Final = group(
    "Accounts that are known to billing, and those that are denied, for when billing can't be asked."
)
OnRoute = Annotated[str, typer.Option("--route", help="The route whose accounts they are.")]


def _note(word: str, noted: str, text: str) -> None:
    """Register one way of noting accounts, which all take the same."""

    @verb(accounts_app, word, text)
    def note(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        file: Annotated[Path, typer.Argument(help="CSV; the accounts stand in its first column.")],
        *,
        route: OnRoute,
        reason: ReasonOption,
        reach: Reach,
    ) -> None:
        from gateway.cli import accounts  # noqa: PLC0415 - the help is there at once

        raise typer.Exit(accounts.note(reach, file, route, noted, reason))


_note("import", "known", "Note that billing has these accounts.")
_note("forget", "unknown", "Note that billing does not have these accounts, or no more.")
_note("deny", "denied", "Put these accounts on the negative list. Nothing is taken for them in an outage.")
_note("allow", "allowed", "Take these accounts off the negative list.")
_note("urgent", "urgent", "Note that the service of these accounts is cut off, or about to be: see the route's order.")
_note("calm", "calm", "Note that the service of these accounts is in order again.")


@verb(accounts_app, "show")
def show(
    account: Annotated[str, typer.Argument(help="The account. Give it from a script: shells keep a history.")],
    *,
    route: OnRoute,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say what is known of one account. Exit 1 when nothing is."""
    from gateway.cli import accounts  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(accounts.look(reach, route, account, json=json))


@verb(accounts_app, "count")
def count(
    *,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Count the accounts that are known and those that are denied. Reads all of them."""
    from gateway.cli import accounts  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(accounts.count(reach, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(accounts_app, name="accounts")
