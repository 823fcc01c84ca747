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
    WatchOption,
    YesOption,
    group,
    verb,
)

SpeedOption = Annotated[
    int, typer.Option("--speed", min=0, max=100_000, help="Entries a second; 0 is as fast as it goes.")
]
jobs_app: Final = group("Acts on many. Each is counted, then done step by step, and goes on after a restart.")
route_app: Final = group("Steer a route. Open it (stand in), close it (pass through), or leave it to the evidence.")


def _act(app: typer.Typer, name: str, text: str) -> None:
    """Register one of the acts, which all take the same."""

    @verb(app, name, text)
    def act(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        references: ReferencesArgument = None,
        *,
        reason: ReasonOption,
        scope: Scope,
        everything: AllOption = False,
        dry_run: DryOption = False,
        yes: YesOption = False,
        speed: SpeedOption = 0,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="Give the order and go; see nightsafe jobs.")] = False,
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import jobs, verbs  # noqa: PLC0415 - the help is there at once

        if references and (scope.is_given() or everything or dry_run):
            raise typer.BadParameter("name entries, or a filter, and not both")
        if references and name != "reopen":
            raise typer.Exit(verbs.act_on(reach, name, references, reason, json=json))
        wanted = [jobs.only(reach, each) for each in references] if references else [jobs.narrowed(scope)]
        codes = [
            jobs.order(
                reach,
                name,
                each,
                reason,
                everything=everything,
                dry_run=dry_run,
                speed=speed,
                wait=not no_wait,
                json=json,
                agree=lambda question: yes or typer.confirm(question, err=True),
            )
            for each in wanted
        ]
        raise typer.Exit(max(codes))


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


def _pace(app: typer.Typer) -> None:
    """Register the verb that says how fast a route posts."""

    @verb(app, "pace", "Have a route post slower for a while than it is configured to, or (--auto) no longer.")
    def pace(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        name: Annotated[str, typer.Argument(help="The route.")],
        *,
        reason: ReasonOption,
        at_once: Annotated[
            int | None, typer.Option("--in-flight", help="Calls to billing at once, payers' and waiting ones together.")
        ] = None,
        per_s: Annotated[float | None, typer.Option("--rate", help="Calls to billing a second, likewise.")] = None,
        span: Annotated[str, typer.Option("--for", help="How long: 90s, 30m, 2h, 1d.")] = "1h",
        auto: Annotated[bool, typer.Option("--auto", help="As fast again as billing bears.")] = False,
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import verbs  # noqa: PLC0415 - the help is there at once

        given = {"in_flight_max": at_once, "rate_max_per_s": per_s}
        bounds = {each: most for each, most in given.items() if most is not None}
        if auto == bool(bounds):
            raise typer.BadParameter("name --in-flight or --rate or both, or else --auto")
        raise typer.Exit(verbs.pace(reach, name, bounds, reason, span, json=json))


@verb(jobs_app, "list")
def list_jobs(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too, oldest first, a page of them.")] = False,
    after: Annotated[str, typer.Option("--after", help="With --all: where the page before ended.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List the jobs that have not ended."""
    from gateway.cli import jobs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(jobs.list_jobs(reach, after, everything=everything, json=json))


@verb(jobs_app, "show")
def show_job(
    number: Annotated[str, typer.Argument(help="The job's number.")],
    *,
    watch: WatchOption = False,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Show how far a job is. With --watch until it ends; exit 1 when it didn't do all."""
    from gateway.cli import jobs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(jobs.show(reach, number, watch=watch, json=json))


def _steer_job(word: str, text: str) -> None:
    """Register one way of steering a job."""

    @verb(jobs_app, word, text)
    def steer(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        number: Annotated[str, typer.Argument(help="The job's number.")],
        *,
        reason: ReasonOption,
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import jobs  # noqa: PLC0415 - the help is there at once

        raise typer.Exit(jobs.steer(reach, number, word, reason, json=json))


_steer_job("pause", "Pause a job. It keeps its place.")
_steer_job("resume", "Let a paused job go on.")
_steer_job("stop", "End a job where it is. What it did stays done.")


@verb(jobs_app, "speed")
def speed_job(
    number: Annotated[str, typer.Argument(help="The job's number.")],
    per_s: Annotated[int, typer.Argument(help="Entries a second; 0 is as fast as it goes.", min=0, max=100_000)],
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Have a job go at another speed."""
    from gateway.cli import jobs  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(jobs.speed(reach, number, per_s, reason, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    _act(app, "hold", "Stop entries that were not sent yet. By number or id, or by a filter.")
    _act(app, "release", "Let held entries go on, in their old place.")
    _act(
        app, "inquire", "Have billing asked now what became of entries in doubt, or parked with their outcome unknown."
    )
    _act(app, "retry", "Have billing asked again about parked entries. Where it dedupes, they are sent again.")
    _act(app, "reopen", "Send again what billing refused wrongly, after a yes. A second person confirms, always.")
    _pace(app)
    app.add_typer(jobs_app, name="jobs")
    app.add_typer(route_app, name="route")
