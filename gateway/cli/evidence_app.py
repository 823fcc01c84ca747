"""The options of the verbs for evidence and copies. As in `app`, what a verb needs is imported when it runs."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.options import ConfigOption, JsonOption, Reach, ReasonOption, group, verb

evidence_app: Final = group("The log of all that happens: its key, and what is missing of it.")


def proof(
    reference: Annotated[str, typer.Argument(help="The payment's number or id.")], *, config: ConfigOption = None
) -> None:
    """Print a payment's proof as JSON. Who checks it needs only the public key and a page of code."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.proof(peek(config), reference))


def backup(
    target: Annotated[Path, typer.Argument(help="The file to make; never one that is there.")],
    *,
    config: ConfigOption = None,
) -> None:
    """Copy the spool while it is in use, and check the copy. It holds no key."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.backup(peek(config), target))


def restore(source: Annotated[Path, typer.Argument(help="The copy.")], *, config: ConfigOption = None) -> None:
    """Put a copy in the place of a spool that is gone, and say what is missing. Keys are not in it."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.restore(peek(config), source))


def move(
    *,
    to: Annotated[Path, typer.Option("--to", help="The configuration of the new place, where there is nothing yet.")],
    config: ConfigOption = None,
) -> None:
    """Move the spool to another engine while nobody works on it: entries, histories, evidence and keys."""
    from gateway.cli import moving  # noqa: PLC0415 - the help is there at once
    from gateway.config.path import config_path  # noqa: PLC0415 - as above

    raise typer.Exit(moving.run(config_path(config), to))


@verb(evidence_app, "key")
def key(path: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
    """Make a key that signs checkpoints, and its public half beside it."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(evidence.make_key(path))


@verb(evidence_app, "accept")
def accept(
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Accept that the spool lacks what was witnessed. From then on payments are taken and sent."""
    from gateway.cli import evidence, verbs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(evidence.accept(verbs.client_of(reach), reason, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "proof")(proof)
    verb(app, "backup")(backup)
    verb(app, "restore")(restore)
    verb(app, "move")(move)
    app.add_typer(evidence_app, name="evidence")
