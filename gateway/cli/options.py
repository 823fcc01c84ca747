"""Options that several verbs share, and what they add up to. Imports next to nothing, as the help needs it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; else NIGHTSAFE_CONFIG, else nightsafe.toml here."),
]
UrlOption = Annotated[
    str | None, typer.Option("--url", help="The admin side, http://host:port; else as the configuration says.")
]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the token; else secrets/admin.token beside the configuration."),
]
CaOption = Annotated[Path | None, typer.Option("--ca-file", help="Certificates to trust, PEM; else the system's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON as the admin side says it.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the history with your name.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every entry it can be done to.")]
ReferencesArgument = Annotated[list[str] | None, typer.Argument(help="Numbers or ids; none with a filter.")]
StateOption = Annotated[list[str] | None, typer.Option("--state", "-s", help="Only in this state; may be repeated.")]
RouteOption = Annotated[str, typer.Option("--route", help="Only of this route.")]
ChannelOption = Annotated[str, typer.Option("--channel", help="Only of this channel.")]
KindOption = Annotated[
    str, typer.Option("--kind", help="Only payments, or only reversals.", metavar="payment|reversal")
]
LaneOption = Annotated[str, typer.Option("--lane", help="Only of this account, by the lane that show tells.")]
FromOption = Annotated[str, typer.Option("--from", help="Only accepted at this time or later: 2026-01-15T07:00:00Z.")]
UntilOption = Annotated[str, typer.Option("--until", help="Only accepted before this time.")]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which service is meant, as the command line said it."""

    config: Path | None = None
    url: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which entries are meant, as the command line said it."""

    state: list[str] | None = field(default=None)
    route: str = ""
    channel: str = ""
    kind: str = ""
    key: str = ""
    lane: str = ""
    accepted_from: str = ""
    accepted_before: str = ""

    def told(self) -> dict[str, str]:
        """What was given, as parameters of the admin side."""
        single = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "state"}
        found = {name: value for name, value in single.items() if value}
        return {**found, "state": ",".join(self.state)} if self.state else found
