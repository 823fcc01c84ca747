"""The options of the verbs for stand-in policies. As in `app`, what a verb needs is imported when it runs."""

from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.options import FromOption, JsonOption, Reach, ReasonOption, UntilOption, group, verb

policy_app: Final = group(
    "Stand-in policies. A second person confirms each change; it stands until the configuration's own changes."
)
RouteArgument = Annotated[str, typer.Argument(help="The route.")]
PolicyFile = Annotated[Path, typer.Argument(help="TOML: the keys of [routes.NAME.standin], at its top.")]


@verb(policy_app, "show")
def show(
    route: RouteArgument,
    *,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say which policy a route follows."""
    from gateway.cli import policies  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(policies.show(reach, route, json=json))


@verb(policy_app, "propose")
def propose(
    route: RouteArgument,
    file: PolicyFile,
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Propose another policy, whole. Confirm it by: nightsafe proposals confirm."""
    from gateway.cli import policies  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(policies.propose(reach, route, file, reason, json=json))


@verb(policy_app, "reset")
def reset(
    route: RouteArgument,
    *,
    reason: ReasonOption,
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Propose to go back to the configuration's policy."""
    from gateway.cli import policies  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(policies.propose(reach, route, None, reason, json=json))


@verb(policy_app, "try")
def try_out(
    route: RouteArgument,
    file: PolicyFile,
    *,
    accepted_from: FromOption = "",
    accepted_before: UntilOption = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """Say what a policy would have done to payments that were taken, had billing been away. Changes nothing."""
    from gateway.cli import policies  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(policies.try_out(reach, route, file, accepted_from, accepted_before, json=json))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(policy_app, name="policy")
