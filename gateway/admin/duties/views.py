"""What the admin side shows of what waits for a person: returns due and proposals. Pure, as `views`."""

from collections.abc import Iterable, Sequence

import msgspec

from gateway.admin.duties.proposal import Proposal
from gateway.admin.views import EntryRow, EntryShown, Money, by_currency, entry_row, moment, moneys
from gateway.returns.duty import Stage, stage_of
from gateway.returns.settings import ReturnSettings
from spool.entry import Entry
from spool.lifecycle import POSITIVE, State
from spool.tally import Cell, Sum


class ReturnRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry whose money is owed back."""

    entry: EntryRow
    #: Since when.
    since: str
    stage: str


class ReturnsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The duty list of returns, longest owed first."""

    returns: tuple[ReturnRow, ...]
    #: True when there are more than these.
    more: bool


class ReturnsShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is owed back on a route."""

    route: str
    due: tuple[Money, ...]
    #: Since when the oldest is due, and how urgent that is.
    oldest: str
    stage: str


class ProposalShown(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, whole: who confirms must see what is ordered."""

    id: str
    act: str
    subject: str
    summary: str
    order: msgspec.Raw
    maker: str
    reason: str
    made_at: str
    ends_at: str
    #: `open`, `expired`, `confirmed`, `done`, `failed`, `declined`, `withdrawn`.
    stand: str
    checker: str
    word: str
    decided_at: str
    outcome: str


class ProposalsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Proposals, oldest first."""

    proposals: tuple[ProposalShown, ...]
    #: Put this as `after` to get the next page; empty on the last.
    next: str = ""


class ClosedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order to close: done, or proposed to a second person."""

    done: bool
    entry: EntryShown | None = None
    proposal: ProposalShown | None = None


def return_row(entry: Entry, now_us: int, settings: ReturnSettings) -> ReturnRow:
    """A line of the duty list. A refused entry changed last when it was refused."""
    stage = stage_of(entry.changed_at_us, now_us, settings)
    return ReturnRow(entry=entry_row(entry), since=moment(entry.changed_at_us), stage=stage.value)


def owed_cells(cells: Iterable[tuple[Cell, Sum]]) -> dict[str, list[tuple[Cell, Sum]]]:
    """Cells of money that is owed back, by route."""
    found: dict[str, list[tuple[Cell, Sum]]] = {}
    for cell, total in cells:
        if cell.state is State.REFUSED and cell.told in POSITIVE:
            found.setdefault(cell.route, []).append((cell, total))
    return found


def returns_shown(
    route: str, owed: Sequence[tuple[Cell, Sum]], oldest_us: int, now_us: int, settings: ReturnSettings
) -> ReturnsShown:
    """What is owed back on a route; `oldest_us` is 0 where it isn't known now."""
    stage = stage_of(oldest_us, now_us, settings) if oldest_us else Stage.DUE
    return ReturnsShown(route=route, due=moneys(by_currency(owed)), oldest=moment(oldest_us), stage=stage.value)


def proposal_shown(proposal: Proposal, now_us: int) -> ProposalShown:
    """A proposal as it is shown."""
    return ProposalShown(
        id=str(proposal.id),
        act=proposal.act,
        subject=proposal.subject,
        summary=proposal.summary,
        order=proposal.order,
        maker=proposal.maker,
        reason=proposal.reason,
        made_at=moment(proposal.made_at_us),
        ends_at=moment(proposal.ends_at_us),
        stand="expired" if proposal.has_expired(now_us) else proposal.stand.value,
        checker=proposal.checker,
        word=proposal.word,
        decided_at=moment(proposal.decided_at_us),
        outcome=proposal.outcome,
    )
