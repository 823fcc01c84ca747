"""What the admin side shows: shapes, and how they are made of what the service knows. Pure.

Money is decimal text beside its currency, times are RFC 3339 in UTC, numbers are text, as many readers of JSON lose
digits of long ones. An account is shown masked; see `gateway.admin.entries.reveal` for who may see it whole.
"""

import base64
import enum
from collections.abc import Container, Iterable, Mapping
from typing import Final, Literal

import msgspec

from adapters.amount import write_amount
from adapters.instant import instant
from spool.entry import Entry, Event
from spool.evidence.findings import Finding
from spool.lifecycle import POSITIVE, WAITING, Kind, State
from spool.number import id_text
from spool.rank import Rank
from spool.tally import NOTHING, Cell, Sum
from spool.verify import Balance, Verdict


class Money(msgspec.Struct, frozen=True):
    """So many entries, worth so much."""

    currency: str
    entries: int
    amount: str


class EntryRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry in a list."""

    number: str
    id: str
    kind: str
    state: str
    #: Why it is there, in bounded words.
    reason: str
    route: str
    channel: str
    key: str
    amount: str
    currency: str
    #: What its channel was told: `nothing`, `provisional`, `posted`, `refused`.
    told: str
    attempts: int
    accepted_at: str
    changed_at: str
    #: Not before this time; empty when it waits for no time.
    due_at: str
    #: Keyed hash of the account: entries of one account on one route share it.
    lane: str
    #: Number of the payment a reversal undoes; empty for payments.
    reverses: str
    core_id: str
    #: Version of the stand-in policy by which it was taken; empty when it was passed through.
    policy: str
    #: How soon it goes beside others: `first`, `early`, `usual` or `late`.
    goes: str


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an entry's history."""

    at: str
    name: str
    source: str
    target: str
    attempt: int
    reason: str
    #: Who did it, and why; empty for the machine.
    actor: str
    note: str


class TurnWhy(enum.StrEnum):
    """Why an entry has its rank: a bounded vocabulary."""

    RULE = "rule"
    """A rule of the order says so."""
    NO_RULE = "no_rule"
    """No rule speaks of it: it is usual."""
    BEFORE = "before"
    """Today's rules would have it go sooner or later: what stood before it in its account, or rules of then."""
    UNDOES = "undoes"
    """A reversal: it goes as the payment that it undoes did."""
    UNREADABLE = "unreadable"
    """What it is for can't be read."""


class TurnShown(msgspec.Struct, frozen=True, kw_only=True):
    """How soon an entry goes, and why."""

    #: `first`, `early`, `usual` or `late`.
    goes: str
    why: str
    #: Number of the rule in the configuration, from 1; 0 where none speaks of it.
    rule: int = 0


class EntryShown(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, whole."""

    entry: EntryRow
    history: tuple[EventRow, ...]
    #: What a person may do to it now.
    may: tuple[str, ...]
    #: `sealed`, or `destroyed` once its day's key is: then account and content are gone for good.
    content: Literal["sealed", "destroyed"] = "sealed"
    #: Masked: its last four characters, if it is long enough; empty where it can't be read.
    account: str = ""
    #: Why it has its turn; absent where only a running service could tell.
    turn: TurnShown | None = None
    #: It and what undid it (or what it undid) were set off against each other here: billing was told of neither.
    netted: bool = False


class EntryPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of entries."""

    entries: tuple[EntryRow, ...]
    #: Put this as `after` (or, newest first, as `before`) to get the next page; empty on the last.
    next: str = ""


class UnchangedRow(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that an act left as it was."""

    number: str
    state: str
    why: str


class Conservation(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted = posted + refused + returned + cancelled + waiting, of one kind in one currency."""

    kind: str
    currency: str
    accepted: Money
    posted: Money
    refused: Money
    returned: Money
    cancelled: Money
    waiting: Money


class DifferenceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A place where the books say something else than the entries."""

    route: str
    channel: str
    kind: str
    state: str
    told: str
    books: Money
    counted: Money


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with the evidence."""

    fault: str
    #: What that means.
    meaning: str
    #: The entry it is about; empty where none can be named.
    number: str
    #: Its place in the log; empty where none can be named.
    event: str
    detail: str


class VerdictShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found."""

    ok: bool
    counted: int
    balances: tuple[Conservation, ...]
    differences: tuple[DifferenceRow, ...]
    #: Seals opened; 0 when that wasn't asked for.
    opened: int
    damaged: tuple[str, ...]
    damaged_count: int
    #: How many events the log tells of, and the hash over them, in base64 as a checkpoint has it.
    events: int = 0
    root: str = ""
    #: What speaks against the evidence: the first of it ...
    findings: tuple[FindingRow, ...] = ()
    #: ... and how much there is, by kind.
    faults: dict[str, int] = {}
    #: Entries whose content is gone on purpose, as their key was destroyed when its time was over.
    shredded: int = 0


REVERSED: Final = "reversed"
"""The reason of a payment that its reversal ended here."""

MOVED_BY: Final[Mapping[State, tuple[str, ...]]] = {
    State.READY: ("hold",),
    State.HELD: ("release", "close"),
    State.IN_DOUBT: ("inquire",),
    State.PARKED: ("inquire", "retry", "close"),
    State.QUARANTINED: ("retry", "close"),
}
"""What a person may do, by state; whether a core can be asked only a running service knows."""


def moment(at_us: int) -> str:
    """RFC 3339 text of microseconds since 1970 in UTC; empty for 0."""
    return instant(at_us).decode("ascii") if at_us else ""


def money(currency: str, total: Sum) -> Money:
    """A count and its sum, in a currency; sums that went below nothing (they never may) are shown as such."""
    sign = "-" if total.amount < 0 else ""
    return Money(currency, total.entries, sign + write_amount(abs(total.amount), currency))


def pace_words(at_once: int, per_s: float) -> str:
    """How fast a route may post by a person's word; what is 0 is not spoken of."""
    return " and ".join([f"{at_once} at once"] * bool(at_once) + [f"{per_s:g} a second"] * bool(per_s))


def moneys(totals: Mapping[str, Sum]) -> tuple[Money, ...]:
    """Counts and sums by currency."""
    return tuple(money(currency, totals[currency]) for currency in sorted(totals))


def entry_row(entry: Entry) -> EntryRow:
    """An entry as it is shown."""
    return EntryRow(
        number=str(entry.number),
        id=id_text(entry.id),
        kind=entry.kind.word,
        state=entry.state.word,
        reason=entry.reason,
        route=entry.route,
        channel=entry.channel,
        key=entry.key,
        amount=write_amount(entry.amount, entry.currency),
        currency=entry.currency,
        told=entry.told.word,
        attempts=entry.attempts,
        accepted_at=moment(entry.accepted_at_us),
        changed_at=moment(entry.changed_at_us),
        due_at=moment(entry.due_at_us),
        lane=str(entry.lane),
        reverses=str(entry.reverses or ""),
        core_id=entry.core_id,
        policy=entry.policy,
        goes=Rank(entry.rank).name.lower(),
    )


def event_row(event: Event) -> EventRow:
    """A line of history as it is shown."""
    return EventRow(
        at=moment(event.at_us),
        name=event.name,
        source="" if event.source is None else event.source.word,
        target=event.target.word,
        attempt=event.attempt,
        reason=event.reason,
        actor=event.actor,
        note=event.note,
    )


def entry_shown(
    entry: Entry,
    history: Iterable[Event],
    destroyed: Container[int] = (),
    account: str = "",
    turn: TurnShown | None = None,
) -> EntryShown:
    """An entry with all that happened to it; `destroyed` are the data keys that are gone, `account` is masked."""
    return EntryShown(
        entry=entry_row(entry),
        history=tuple(event_row(event) for event in history),
        may=may(entry),
        content="destroyed" if entry.key_id in destroyed else "sealed",
        account=account,
        turn=turn,
        netted=is_netted(entry),
    )


def is_netted(entry: Entry) -> bool:
    """A payment and its reversal that ended each other before anything was sent. What was given back to its channel isn't."""
    return entry.state is State.CANCELLED and (entry.kind is Kind.REVERSAL or entry.reason == REVERSED)


def netted_of(cells: Iterable[tuple[Cell, Sum]]) -> tuple[Money, ...]:
    """How many payments were ended here by their reversals, and how much they came to, by currency."""
    return moneys(
        by_currency(each for each in cells if each[0].kind is Kind.REVERSAL and each[0].state is State.CANCELLED)
    )


def may(entry: Entry) -> tuple[str, ...]:
    """What a person may do to an entry now."""
    is_owed = entry.state is State.REFUSED and entry.told in POSITIVE
    if is_owed:
        return ("reopen", "close") if entry.kind is Kind.PAYMENT else ("close",)
    return MOVED_BY.get(entry.state, ())


def by_currency(cells: Iterable[tuple[Cell, Sum]]) -> dict[str, Sum]:
    """Cells added up by currency."""
    totals: dict[str, Sum] = {}
    for cell, total in cells:
        totals[cell.currency] = totals.get(cell.currency, NOTHING) + total
    return totals


def by_state(cells: Iterable[tuple[Cell, Sum]]) -> dict[str, tuple[Money, ...]]:
    """Counts and sums by state, in the order of the lifecycle; states without entries are left out."""
    known = list(cells)
    found = {state: by_currency(pair for pair in known if pair[0].state is state) for state in State}
    return {state.word: moneys(totals) for state, totals in found.items() if totals}


def conservation(cells: Iterable[tuple[Cell, Sum]]) -> tuple[Conservation, ...]:
    """The conservation line of each kind and currency, from the books."""
    known = list(cells)
    scopes = sorted({(cell.kind, cell.currency) for cell, _ in known})
    lines = list[Conservation]()
    for kind, currency in scopes:
        own = [(cell, total) for cell, total in known if (cell.kind, cell.currency) == (kind, currency)]
        lines.append(_conserved(kind.word, currency, own))
    return tuple(lines)


def _conserved(kind: str, currency: str, own: list[tuple[Cell, Sum]]) -> Conservation:
    def total(*states: State) -> Money:
        return money(currency, sum((each for cell, each in own if cell.state in states), start=NOTHING))

    return Conservation(
        kind=kind,
        currency=currency,
        accepted=total(*State),
        posted=total(State.POSTED),
        refused=total(State.REFUSED),
        returned=total(State.RETURNED),
        cancelled=total(State.CANCELLED),
        waiting=total(*WAITING),
    )


def balance_shown(balance: Balance) -> Conservation:
    """A balance found by a verification."""
    currency = balance.currency
    return Conservation(
        kind=balance.kind.word,
        currency=currency,
        accepted=money(currency, balance.accepted),
        posted=money(currency, balance.posted),
        refused=money(currency, balance.refused),
        returned=money(currency, balance.returned),
        cancelled=money(currency, balance.cancelled),
        waiting=money(currency, balance.waiting),
    )


def verdict_shown(verdict: Verdict) -> VerdictShown:
    """What a verification found, as it is told."""
    return VerdictShown(
        ok=verdict.ok,
        counted=verdict.counted,
        balances=tuple(balance_shown(balance) for balance in verdict.balances),
        differences=tuple(
            DifferenceRow(
                route=each.cell.route,
                channel=each.cell.channel,
                kind=each.cell.kind.word,
                state=each.cell.state.word,
                told=each.cell.told.word,
                books=money(each.cell.currency, each.tally),
                counted=money(each.cell.currency, each.counted),
            )
            for each in verdict.differences
        ),
        opened=verdict.opened,
        damaged=tuple(map(str, verdict.damaged)),
        damaged_count=verdict.damaged_count,
        events=verdict.events,
        root=base64.b64encode(verdict.root).decode(),
        findings=tuple(map(finding_row, verdict.findings)),
        faults={fault.word: count for fault, count in verdict.faults.items()},
        shredded=verdict.shredded,
    )


def finding_row(finding: Finding) -> FindingRow:
    """A finding as it is told."""
    return FindingRow(
        fault=finding.fault.word,
        meaning=finding.fault.meaning,
        number=str(finding.number or ""),
        event="" if finding.leaf < 0 else str(finding.leaf),
        detail=finding.detail,
    )
