"""The options of the verbs that move entries and steer routes. As in `app`, what a verb needs is imported when it runs."""

from typing import Annotated, Final

import typer

from gateway.cli.options import (
    AllOption,
    DryOption,
    JsonOption,
    Reach,
    ReasonOption,
    ReferencesArgument,
    Scope,
    YesOption,
    group,
    verb,
)

route_app: Final = group("Steer a route. Open it (stand in), close it (pass through), or leave it to the evidence.")


def _act(app: typer.Typer, name: str, text: str) -> None:
    """Register one of the three acts, which all take the same."""

    @verb(app, name, text)
    def act(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        references: ReferencesArgument = None,
        *,
        reason: ReasonOption,
        scope: Scope,
        everything: AllOption = False,
        dry_run: DryOption = False,
        yes: YesOption = False,
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

        if references and (scope.is_given() or everything or dry_run):
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


def _steer(word: str, text: str) -> None:
    """Register one way of steering a route."""

    @verb(route_app, word, text)
    def steer(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        name: Annotated[str, typer.Argument(help="The route.")],
        *,
        reason: ReasonOption,
        span: Annotated[
            str, typer.Option("--for", help="How long: 90s, 30m, 2h, 1d. Auto: until the evidence says otherwise.")
        ] = "1h",
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

        raise typer.Exit(verbs.steer(reach, name, word, reason, span, json=json))


_steer("open", "Stand in: send nothing to the core, take payments in its place.")
_steer("close", "Pass through: send to the core whatever the evidence says.")
_steer("auto", "Take a word back: decide by the evidence again.")


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    _act(app, "hold", "Stop entries that were not sent yet. By number or id, or by a filter.")
    _act(app, "release", "Let held entries go on, in their old place.")
    _act(app, "retry", "Have billing asked again about parked entries. Where it dedupes, they are sent again.")
    app.add_typer(route_app, name="route")
