"""The options of the verbs for what waits for a person. As in `app`, what a verb needs is imported when it runs."""

from typing import Annotated, Final

import typer

from gateway.cli.options import JsonOption, Reach, ReasonOption, group, verb

proposals_app: Final = group("What one person proposed and another has to confirm.")


def returns(
    *,
    route: Annotated[str, typer.Option("--route", help="Only of this route.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List money that is owed back: refused after a yes, longest owed first. Exit 1 when there is none."""
    from gateway.cli import duties  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(duties.returns(reach, route, json=json))


def close(
    references: Annotated[list[str], typer.Argument(help="Numbers or ids.")],
    *,
    evidence: Annotated[
        str, typer.Option("--evidence", "-e", help="What shows it: a statement, a transfer, a letter. Kept for ever.")
    ],
    posted: Annotated[bool, typer.Option("--posted", help="Billing has it: found there, or booked by hand.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Billing does not have it and never will.")] = False,
    returned: Annotated[bool, typer.Option("--returned", help="The money went back to who paid it.")] = False,
    core_id: Annotated[str, typer.Option("--core-id", help="Billing's own id of the booking, with --posted.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """End entries by hand, with evidence. Above a configured amount a second person confirms."""
    from gateway.cli import duties  # noqa: PLC0415 - the help is there at once

    endings = [word for word, said in (("posted", posted), ("refused", refused), ("returned", returned)) if said]
    if len(endings) != 1:
        raise typer.BadParameter("say one of --posted, --refused, --returned")
    if core_id and not posted:
        raise typer.BadParameter("--core-id goes with --posted")
    raise typer.Exit(duties.close(reach, references, endings[0], evidence, core_id, json=json))


@verb(proposals_app, "list")
def list_proposals(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Ended ones too, oldest first, a page of them.")] = False,
    after: Annotated[str, typer.Option("--after", help="With --all: where the page before ended.")] = "",
    json: JsonOption = False,
    reach: Reach,
) -> None:
    """List what waits for a second person."""
    from gateway.cli import duties  # noqa: PLC0415 - the help is there at once

    raise typer.Exit(duties.proposals(reach, after, everything=everything, json=json))


def _decide(verdict: str, text: str) -> None:
    """Register one of the three words on a proposal, which all take the same."""

    @verb(proposals_app, verdict, text)
    def decide(  # pyright: ignore[reportUnusedFunction]  # registered by its decorator
        number: Annotated[str, typer.Argument(help="The proposal's number.")],
        *,
        reason: ReasonOption,
        json: JsonOption = False,
        reach: Reach,
    ) -> None:
        from gateway.cli import duties  # noqa: PLC0415 - the help is there at once

        raise typer.Exit(duties.decide(reach, number, verdict, reason, json=json))


_decide("confirm", "Confirm a proposal of somebody else, so that it is done. Approvers only.")
_decide("decline", "Say no to a proposal. Approvers only.")
_decide("withdraw", "Take back a proposal of your own.")


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    verb(app, "returns")(returns)
    verb(app, "close")(close)
    app.add_typer(proposals_app, name="proposals")
