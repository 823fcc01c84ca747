"""The verbs and their options. Everything a verb needs is imported when it runs, so that the help is there at once."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli import account_app, duty_app, key_app, policy_app, window_app
from gateway.cli.exits import CODES
from gateway.cli.options import (
    AllOption,
    CaOption,
    ChannelOption,
    ConfigOption,
    DryOption,
    FromOption,
    JsonOption,
    KindOption,
    LaneOption,
    Reach,
    ReasonOption,
    ReferencesArgument,
    RouteOption,
    Scope,
    StateOption,
    TokenOption,
    UntilOption,
    UrlOption,
    YesOption,
)

PASS_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": list[str]()}
"""For verbs that read their own arguments."""


def _typer(text: str) -> typer.Typer:
    return typer.Typer(
        help=text, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


app: Final = _typer(f"Takes payments while billing can't, and posts each exactly once when it is back.\n\n{CODES}")
config_app: Final = _typer("Look at the configuration.")
route_app: Final = _typer("Steer a route. Open it (stand in), close it (pass through), or leave it to the evidence.")
token_app: Final = _typer("Bearer tokens.")
evidence_app: Final = _typer("The log of all that happens: its key, and what is missing of it.")
app.add_typer(config_app, name="config")
app.add_typer(route_app, name="route")
app.add_typer(token_app, name="token")
app.add_typer(key_app.keys_app, name="keys")
app.add_typer(evidence_app, name="evidence")


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
def serve(*, config: ConfigOption = None) -> None:
    """Run the service until SIGTERM."""
    from gateway.cli import serve as serving  # noqa: PLC0415 - the help is there at once
    from gateway.cli import setting_up  # noqa: PLC0415 - as above

    raise typer.Exit(setting_up.with_readable_faults(lambda: serving.run(setting_up.config_path(config))))


@app.command(context_settings=PASS_ON, add_help_option=False)
def core(context: typer.Context) -> None:
    """Run a scripted billing system to rehearse with. Its own help: nightsafe core --help."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.core(context.args))


@app.command()
def demo(
    *,
    folder: Annotated[Path | None, typer.Option("--dir", help="Where to play; else a temporary folder.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", help="How long payments come.")] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="Payments a second.")] = None,
) -> None:
    """Watch an outage. Payments in, billing down, payments taken, billing back, each booked once."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.demo(folder, seconds, rate))


@app.command()
def version() -> None:
    """Say which version this is, and what it stands on."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    sys.stdout.write(setting_up.version() + "\n")


@config_app.command("check")
def config_check(*, config: ConfigOption = None) -> None:
    """Say every fault at once, with its line. Without faults, say what is joined."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.with_readable_faults(lambda: setting_up.check(config)))


@config_app.command("show")
def config_show(*, config: ConfigOption = None) -> None:
    """Print all of it, with defaults, as JSON. Secrets stay references, hashes are cut short."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.with_readable_faults(lambda: setting_up.show(config)))


@token_app.command("hash")
def token_hash(
    *,
    file: Annotated[Path | None, typer.Option("--file", help="File with the token; else standard input.")] = None,
) -> None:
    """Print what the configuration holds of a token: its SHA-256."""
    from gateway.cli import setting_up  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(setting_up.token_hash(file))


# Looking


@app.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, with rates, until Ctrl-C.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
) -> None:
    """Say how everything stands. Routes, what waits, exposure, books, spool, keys."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
    raise typer.Exit(verbs.status(reach, json=json, watch=watch))


@app.command("list")
def list_(
    *,
    state: StateOption = None,
    route: RouteOption = "",
    channel: ChannelOption = "",
    kind: KindOption = "",
    lane: LaneOption = "",
    accepted_from: FromOption = "",
    accepted_before: UntilOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="Entries on a page.")] = 50,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="In order of arrival.")] = False,
    after: Annotated[str, typer.Option("--after", help="Only above this number.")] = "",
    before: Annotated[str, typer.Option("--before", help="Only below this number.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
) -> None:
    """List entries, newest first. With --json one a line."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
    scope = Scope(
        state=state,
        route=route,
        channel=channel,
        kind=kind,
        lane=lane,
        accepted_from=accepted_from,
        accepted_before=accepted_before,
    )
    order = "oldest" if oldest_first else "newest"
    raise typer.Exit(verbs.list_entries(reach, scope, limit=limit, order=order, after=after, before=before, json=json))


@app.command()
def show(
    reference: Annotated[str, typer.Argument(help="Number or id; or name --channel and --key.")] = "",
    *,
    channel: ChannelOption = "",
    key: Annotated[str, typer.Option("--key", help="The channel's own key.")] = "",
    json: JsonOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
) -> None:
    """Show one entry and everything that happened to it."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
    raise typer.Exit(verbs.show(reach, reference, channel, key, json=json))


@app.command()
def verify(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Open no seal.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
) -> None:
    """Count all anew, hold all rows against the evidence, open every seal. Exit 1 when something is off."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
    raise typer.Exit(verbs.verify(reach, seals=not quick, json=json))


@app.command()
def export(
    *,
    state: StateOption = None,
    route: RouteOption = "",
    channel: ChannelOption = "",
    kind: KindOption = "",
    lane: LaneOption = "",
    accepted_from: FromOption = "",
    accepted_before: UntilOption = "",
    config: ConfigOption = None,
) -> None:
    """Write every entry and its history, one line of JSON each. Reads the file, whether the service runs or not."""
    from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

    scope = Scope(
        state=state,
        route=route,
        channel=channel,
        kind=kind,
        lane=lane,
        accepted_from=accepted_from,
        accepted_before=accepted_before,
    )
    raise typer.Exit(verbs.export(config, scope))


@app.command()
def proof(
    reference: Annotated[str, typer.Argument(help="The payment's number or id.")], *, config: ConfigOption = None
) -> None:
    """Print a payment's proof as JSON. Who checks it needs only the public key and a page of code."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.proof(peek(config), reference))


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to make; never one that is there.")],
    *,
    config: ConfigOption = None,
) -> None:
    """Copy the spool while it is in use, and check the copy. It holds no key."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.backup(peek(config), target))


@app.command()
def restore(source: Annotated[Path, typer.Argument(help="The copy.")], *, config: ConfigOption = None) -> None:
    """Put a copy in the place of a spool that is gone, and say what is missing. Keys are not in it."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once
    from gateway.cli.client import peek  # noqa: PLC0415 - as above

    raise typer.Exit(evidence.restore(peek(config), source))


@evidence_app.command("key")
def evidence_key(path: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
    """Make a key that signs checkpoints, and its public half beside it."""
    from gateway.cli import evidence  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(evidence.make_key(path))


@evidence_app.command("accept")
def evidence_accept(
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    config: ConfigOption = None,
    url: UrlOption = None,
    token_file: TokenOption = None,
    ca_file: CaOption = None,
) -> None:
    """Accept that the spool lacks what was witnessed. From then on payments are taken and sent."""
    from gateway.cli import evidence, verbs  # noqa: PLC0415 - the help is there at once

    reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
    raise typer.Exit(evidence.accept(verbs.client_of(reach), reason, json=json))


# Acting


def _act(name: str, text: str) -> None:
    """Register one of the three acts, which all take the same."""

    @app.command(name, help=text)
    def act(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        references: ReferencesArgument = None,
        *,
        reason: ReasonOption,
        state: StateOption = None,
        route: RouteOption = "",
        channel: ChannelOption = "",
        kind: KindOption = "",
        lane: LaneOption = "",
        accepted_from: FromOption = "",
        accepted_before: UntilOption = "",
        everything: AllOption = False,
        dry_run: DryOption = False,
        yes: YesOption = False,
        json: JsonOption = False,
        config: ConfigOption = None,
        url: UrlOption = None,
        token_file: TokenOption = None,
        ca_file: CaOption = None,
    ) -> None:
        from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

        reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
        scope = Scope(
            state=state,
            route=route,
            channel=channel,
            kind=kind,
            lane=lane,
            accepted_from=accepted_from,
            accepted_before=accepted_before,
        )
        if references and (scope.told() or everything or dry_run):
            raise typer.BadParameter("name entries, or a filter, and not both")
        if references:
            raise typer.Exit(verbs.act_on(reach, name, references, reason, json=json))
        code = verbs.act_on_many(
            reach,
            name,
            scope,
            reason,
            everything=everything,
            dry_run=dry_run,
            json=json,
            agree=lambda question: yes or typer.confirm(question, err=True),
        )
        raise typer.Exit(code)


_act("hold", "Stop entries that were not sent yet. By number or id, or by a filter.")
_act("release", "Let held entries go on, in their old place.")
_act("retry", "Have billing asked again about parked entries. Where it dedupes, they are sent again.")


def _steer(verb: str, text: str) -> None:
    """Register one way of steering a route."""

    @route_app.command(verb, help=text)
    def steer(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        name: Annotated[str, typer.Argument(help="The route.")],
        *,
        reason: ReasonOption,
        span: Annotated[
            str, typer.Option("--for", help="How long: 90s, 30m, 2h, 1d. Auto: until the evidence says otherwise.")
        ] = "1h",
        json: JsonOption = False,
        config: ConfigOption = None,
        url: UrlOption = None,
        token_file: TokenOption = None,
        ca_file: CaOption = None,
    ) -> None:
        from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

        reach = Reach(config=config, url=url, token_file=token_file, ca_file=ca_file)
        raise typer.Exit(verbs.steer(reach, name, verb, reason, span, json=json))


_steer("open", "Stand in: send nothing to the core, take payments in its place.")
_steer("close", "Pass through: send to the core whatever the evidence says.")
_steer("auto", "Take a word back: decide by the evidence again.")

duty_app.register(app)
account_app.register(app)
policy_app.register(app)
window_app.register(app)
