"""The verbs and their options. Everything a verb needs is imported when it runs, so that the help is there at once."""

import gc
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli import (
    access_app,
    account_app,
    act_app,
    duty_app,
    evidence_app,
    key_app,
    look_app,
    policy_app,
    report_app,
    telling_app,
    window_app,
)
from gateway.cli.exits import CODES
from gateway.cli.options import ConfigOption, JsonOption, group, verb

PASS_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": list[str]()}
"""For verbs that read their own arguments."""


WHAT: Final = f"Takes payments while billing can't, and posts each exactly once when it is back.\n\n{CODES}"

app: Final = group(WHAT)
config_app: Final = group("Look at the configuration.")
token_app: Final = group("Bearer tokens.")
app.add_typer(config_app, name="config")
app.add_typer(token_app, name="token")


def _tell_version(asked: bool) -> None:  # noqa: FBT001 - as typer calls it
    if asked:
        version()
        raise typer.Exit


@app.callback(help=WHAT)
def before(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_tell_version),
    ] = False,
) -> None:
    """Before any verb."""


# The service


@app.command()
def init(
    *,
    folder: Annotated[Path, typer.Option("--dir", help="Where to make it.")] = Path(),
    if_missing: Annotated[bool, typer.Option("--if-missing", help="Fine when there is one already.")] = False,
) -> None:
    """Make a first configuration, with a key and tokens. It runs as it is."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.init(folder, if_missing=if_missing))


@app.command()
def serve(
    *,
    config: ConfigOption = None,
    moved_from: Annotated[
        Path | None,
        typer.Option(
            "--moved-from",
            help="Configuration of the spool that is to be moved here first, unless it was; see nightsafe move.",
            dir_okay=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what a start would change of the spool's layout.")
    ] = False,
) -> None:
    """Run the service until SIGTERM."""
    # What a payment leaves behind is freed by counting references; a walk through what lives is rarely worth its time, and
    # while modules are read it costs a sixth of the start.
    if not dry_run:
        gc.set_threshold(50_000, 20, 100)
    from gateway.cli import serve as serving  # noqa: PLC0415 - the help is there at once
    from gateway.config.path import config_path  # noqa: PLC0415 - as above

    if dry_run:
        raise typer.Exit(serving.outlook(config_path(config)))
    raise typer.Exit(serving.run(config_path(config), moved_from))


@app.command(context_settings=PASS_ON, add_help_option=False)
def core(context: typer.Context) -> None:
    """Run a scripted billing system to rehearse with. Its own help: nightsafe core --help."""
    from gateway.cli import playing  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(playing.core(context.args))


@app.command()
def demo(
    *,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where to play; else a temporary folder.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="How long payments come.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Payments a second.")] = None,
) -> None:
    """Watch an outage. Payments in, billing down, payments taken, billing back, each booked once."""
    from gateway.cli import playing  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(playing.demo(folder, seconds, rate))


@app.command()
def rehearse(
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            help="Only this outage: refused, hangs, errors, slow, maintenance, reset, garbage, throttled, credentials, lost;"
            " may be repeated.",
        ),
    ] = None,
    outage: Annotated[float, typer.Option("--outage", min=1.0, help="Seconds each outage lasts.")] = 10.0,
    rate: Annotated[float, typer.Option("--rate", min=0.1, max=100.0, help="Payments a second on each route.")] = 5.0,
    patience: Annotated[
        float,
        typer.Option("--patience", min=0.0, help="Seconds all must be through in; 0: by the configuration's times."),
    ] = 0.0,
    json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Play outages against your configuration, on a scratch spool with scripted billing. Touches nothing of yours."""
    from gateway.cli import rehearsing  # noqa: PLC0415 - the help is there at once
    from gateway.rehearse.play import Pace  # noqa: PLC0415 - as above

    pace = Pace(outage_s=outage, rate=rate, patience_s=patience)
    raise typer.Exit(rehearsing.rehearse(config, kind or [], pace, json=json))


@app.command()
def version() -> None:
    """Say which version this is, and what it stands on."""
    from gateway.cli import playing  # noqa: PLC0415 - the help is there at once

    sys.stdout.write(playing.version() + "\n")


@verb(app, "completion")
def completion(
    shell: Annotated[str, typer.Argument(help="Your shell.", metavar="bash|zsh|fish")],
) -> None:
    """Print what completes verbs and options in a shell. For bash: nightsafe completion bash >> ~/.bashrc."""
    from gateway.cli import completing  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(completing.script(shell))


@verb(config_app, "check")
def config_check(*, config: ConfigOption = None) -> None:
    """Say every fault at once, with its line. Without faults, say what is joined."""
    from gateway.cli import checking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(checking.check(config))


@verb(config_app, "show")
def config_show(*, config: ConfigOption = None) -> None:
    """Print all of it, with defaults, as JSON. Secrets stay references, hashes are cut short."""
    from gateway.cli import checking  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(checking.show(config))


@verb(token_app, "hash")
def token_hash(
    *,
    file: Annotated[Path | None, typer.Option("--file", help="File with the token; else standard input.")] = None,
) -> None:
    """Print what the configuration holds of a token: its SHA-256."""
    from gateway.cli import tokens  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(tokens.digest_of(file))


@verb(token_app, "make")
def token_make(
    name: Annotated[str, typer.Argument(help="Whose it is: the name that histories and logs tell.")],
    *,
    role: Annotated[str, typer.Option("--role", help="What it may do.", metavar="viewer|operator|approver|...")],
    lasts: Annotated[str, typer.Option("--for", help="How long it is good: 12h, 90d.")] = "90d",
    file: Annotated[Path | None, typer.Option("--file", help="File to make; else NAME.token here.")] = None,
) -> None:
    """Draw a token into a file of its own, and print what the configuration holds of it."""
    from gateway.cli import tokens  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(tokens.make(name, role, lasts, file))


look_app.register(app)
act_app.register(app)
duty_app.register(app)
account_app.register(app)
policy_app.register(app)
window_app.register(app)
telling_app.register(app)
evidence_app.register(app)
report_app.register(app)
app.add_typer(key_app.keys_app, name="keys")
app.add_typer(access_app.access_app, name="access")
