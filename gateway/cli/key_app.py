"""The options of the verbs for keys. As in `app`, what a verb needs is imported when it runs."""

from typing import Annotated, Final

import typer

from gateway.cli.options import ConfigOption, JsonOption, Reach, ReasonOption, YesOption, group, verb

keys_app: Final = group("Keys. Look at them, change them, destroy those whose time is over. For the role custodian.")


@verb(keys_app, "status")
def status(
    *,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List all keys, by which master each is wrapped, and whether that can be asked."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(keys.status(reach, json=json))


@verb(keys_app, "init")
def init(*, config: ConfigOption = None) -> None:
    """Make the key file and the key store, where they are missing. Asks the master, so it shows that it can be used."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(keys.init(config))


@verb(keys_app, "rotate")
def rotate(
    *,
    reason: ReasonOption,
    index: Annotated[bool, typer.Option("--index", help="A new index key too: accounts are hashed anew.")] = False,
    master: Annotated[
        bool, typer.Option("--master", help="A new master instead, which wraps all keys at once.")
    ] = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Have a new data key seal from now on. What older ones sealed is opened as before."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    if index and master:
        raise typer.BadParameter("one of --index and --master at a time")
    which = "index" if index else "master" if master else "data"
    raise typer.Exit(keys.rotate(reach, which, reason, json=json))


@verb(keys_app, "rewrap")
def rewrap(
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Have all keys wrapped anew, by the newest master. No record is touched."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(keys.rewrap(reach, reason, json=json))


@verb(keys_app, "reseal")
def reseal(
    key: Annotated[int, typer.Argument(help="Id of the data key.", min=1)],
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Have all that a data key sealed sealed anew under another, in the background. `keys status` says how far it is."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(keys.reseal(reach, key, reason, json=json))


@verb(keys_app, "destroy")
def destroy(
    key: Annotated[int, typer.Argument(help="Id of the data key.", min=0)] = 0,
    *,
    reason: ReasonOption,
    master: Annotated[str, typer.Option("--master", help="A former master in the key file instead, by its name.")] = "",
    yes: YesOption = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Destroy a data key, once nothing of its day waits. The content of its payments can never be read again."""
    from gateway.cli import keys  # noqa: PLC0415 - the help is there at once

    if bool(key) == bool(master):
        raise typer.BadParameter("name a data key by its id, or a former master by --master")
    what = f"the master {master}" if master else f"data key {key}, and with it the content of its payments,"
    if not yes and not typer.confirm(f"destroy {what} for ever?", err=True):
        raise typer.Exit(1)
    if master:
        raise typer.Exit(keys.drop_master(reach, master, reason, json=json))
    raise typer.Exit(keys.destroy(reach, key, reason, json=json))
