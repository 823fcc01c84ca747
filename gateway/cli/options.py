"""Options that several verbs share, and what they add up to. Imports next to nothing, as the help needs it.

A verb that takes `reach: Reach` or `scope: Scope` and is registered through `verb` has all options these are made of;
each stands here once.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar, get_type_hints

import typer
from typer.core import TyperGroup

JsonOption = Annotated[bool, typer.Option("--json", help="For programs: JSON as the admin side says it.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The configuration; else NIGHTSAFE_CONFIG, else nightsafe.toml here."),
]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the history with your name.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every entry it can be done to.")]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")]
ReferencesArgument = Annotated[list[str] | None, typer.Argument(help="Numbers or ids; none with a filter.")]
RouteOption = Annotated[str, typer.Option("--route", help="Only of this route.")]
FromOption = Annotated[str, typer.Option("--from", help="Only accepted at this time or later: 2026-01-15T07:00:00Z.")]
UntilOption = Annotated[str, typer.Option("--until", help="Only accepted before this time.")]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which service is meant, as the command line said it."""

    config: ConfigOption = None
    url: Annotated[
        str | None,
        typer.Option(
            "--url", envvar="NIGHTSAFE_URL", help="The admin side, http://host:port; else as the configuration says."
        ),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar="NIGHTSAFE_TOKEN_FILE",
            help="File with the token; else NIGHTSAFE_TOKEN, else secrets/admin.token beside the configuration.",
        ),
    ] = None
    ca_file: Annotated[
        Path | None,
        typer.Option("--ca-file", envvar="NIGHTSAFE_CA_FILE", help="Certificates to trust, PEM; else the system's."),
    ] = None
    cert_file: Annotated[
        Path | None,
        typer.Option(
            "--cert-file",
            envvar="NIGHTSAFE_CERT_FILE",
            help="Your client certificate, PEM, to come in by without a token.",
        ),
    ] = None
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file", envvar="NIGHTSAFE_KEY_FILE", help="Its private key, PEM; else in the certificate's file."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which entries are meant, as the command line said it."""

    state: Annotated[list[str] | None, typer.Option("--state", "-s", help="Only in this state; may be repeated.")] = (
        field(default=None)
    )
    route: RouteOption = ""
    channel: Annotated[str, typer.Option("--channel", help="Only of this channel.")] = ""
    kind: Annotated[
        str, typer.Option("--kind", help="Only payments, or only reversals.", metavar="payment|reversal")
    ] = ""
    key: Annotated[str, typer.Option("--key", help="Only with this key of their channel's.")] = ""
    lane: Annotated[str, typer.Option("--lane", help="Only of this account, by the lane that show tells.")] = ""
    why: Annotated[str, typer.Option("--why", help="Only with this reason, as list tells it.")] = ""
    currency: Annotated[str, typer.Option("--currency", help="Only in this currency.")] = ""
    amount: Annotated[str, typer.Option("--amount", help="Only of exactly so much: 150.00.")] = ""
    amount_from: Annotated[str, typer.Option("--amount-from", help="Only of so much or more.")] = ""
    amount_to: Annotated[str, typer.Option("--amount-to", help="Only of so much or less.")] = ""
    accepted_from: FromOption = ""
    accepted_before: UntilOption = ""
    older: Annotated[str, typer.Option("--older", help="Only accepted so long ago or longer: 30m, 2h, 1d.")] = ""
    younger: Annotated[str, typer.Option("--younger", help="Only accepted within the last so long.")] = ""

    def is_given(self) -> bool:
        """Is anything narrowed?"""
        return any(getattr(self, each.name) for each in fields(self))


F = TypeVar("F", bound=Callable[..., Any])

_GATHERED: Final = (Reach, Scope)


def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with the options of each gathered parameter in its place, as the command line reads them."""
    hints = get_type_hints(function, include_extras=True)
    gathered = {name: hint for name, hint in hints.items() if hint in _GATHERED}
    parameters = list[inspect.Parameter]()
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in gathered:
            parameters.append(parameter.replace(annotation=hints[name]))
            continue
        parameters += [
            inspect.Parameter(
                each, inspect.Parameter.KEYWORD_ONLY, default=None if default is None else "", annotation=kind
            )
            for each, kind, default in _options(gathered[name])
        ]

    @wraps(function)
    def gathering(**told: Any) -> Any:
        for name, kind in gathered.items():
            told[name] = kind(**{each.name: told.pop(each.name) for each in fields(kind)})
        return function(**told)

    parameters.sort(key=lambda each: each.kind)
    gathering.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for first
    gathering.__annotations__ = {each.name: each.annotation for each in parameters}
    return gathering


def _options(kind: Any) -> list[tuple[str, Any, Any]]:
    assert is_dataclass(kind), "what is gathered has fields"
    hints = get_type_hints(kind, include_extras=True)
    return [(each.name, hints[each.name], each.default) for each in fields(kind)]


def verb(app: typer.Typer, name: str, text: str | None = None) -> Callable[[F], F]:
    """Register a function as a verb of the command line."""

    def register(function: F) -> F:
        app.command(name, help=text)(spread(function))
        return function

    return register


class Verbs(TyperGroup):
    """Verbs, each listed with its first sentence, on as many lines as that takes."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Without this a sentence that is longer than the line would be cut off."""
        for each in self.commands.values():
            sentence, _, more = " ".join((each.help or "").split()).partition(". ")
            each.short_help = each.short_help or (f"{sentence}." if more else sentence)
        super().format_commands(ctx, formatter)


def group(text: str) -> typer.Typer:
    """Verbs under one word."""
    return typer.Typer(
        cls=Verbs,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
