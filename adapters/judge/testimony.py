"""What three witnesses wrote down, read for the judge: the senders' diary, the core's ledger, the spool's export.

All are JSON lines. Only the standard library is used, so that nothing that is judged has a hand in the judging:

- the diary, in the order things happened: `asks` (with `reverses`, the key of the payment it undoes, for a reversal)
  and `hears`; written by `adapters.channels.scripted.diary`, or by anybody else;
- the ledger: `python -m adapters.cores.scripted.ledger PATH --json --attempts`, bookings and attempts in one file;
- the export: `nightsafe export`, entries with their histories.

A booking is traced to its payment by its mark, `<channel>.<key>`, which the core's mapping puts into `service`; a
booked reversal carries the mark of its payment.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

_KEYLESS: Final = frozenset({"give_back", "join", "set_apart"})
"""Moves after which an entry has no key."""

Line = Mapping[str, Any]


@dataclass(slots=True)
class Story:
    """One payment or reversal as its sender lived it. Moments are places in the diary."""

    mark: str
    #: Of a reversal: those of its payment.
    account: str
    #: Minor units.
    amount: int
    currency: str
    asked_at: int
    #: Mark of the payment that is to be undone; empty for a payment.
    reverses: str = ""
    #: The first yes; 0 while there is none.
    yes_at: int = 0
    #: Meanings of the final answers, in order: `yes` and `no`.
    answers: list[str] = field(default_factory=list[str])
    #: Every receipt number a yes came with.
    numbers: set[str] = field(default_factory=set[str])
    #: Every status a yes came with, where the protocol tells it.
    statuses: set[str] = field(default_factory=set[str])
    #: Requests sent, repeats and twins included.
    attempts: int = 0

    @property
    def meaning(self) -> str:
        """What the sender believes at the end: `yes`, `no` or `unknown`."""
        return self.answers[-1] if self.answers else "unknown"


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that moved for a payment, or back."""

    mark: str
    account: str
    amount: int
    currency: str
    reversal: bool
    #: Place in the ledger, which is the core's id of it; 0 where it isn't told.
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One order as it reached the core."""

    operation: str
    reference: str
    account: str
    done: str
    fault: str
    #: Other attempts on the account that were still waited for.
    in_flight: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One line of an entry's history."""

    name: str
    source: str
    target: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry as the spool has it."""

    number: int
    id: str
    mark: str
    reversal: bool
    #: Number of the payment a reversal undoes; 0 for a payment.
    reverses: int
    state: str
    told: str
    route: str
    lane: str
    #: Minor units.
    amount: int
    currency: str
    attempts: int
    core_id: str
    turns: tuple[Turn, ...]

    @property
    def given_back(self) -> bool:
        """It was surely not sent, and another entry may have its key: it stands for nothing."""
        return any(turn.name in _KEYLESS for turn in self.turns)

    @property
    def joined(self) -> bool:
        """It was taken twice, and the other one stands for both: either number is the payment's."""
        return any(turn.name == "join" for turn in self.turns)


def read_diary(lines: Iterable[str]) -> dict[str, Story]:
    """The stories in a diary, by mark, in the order of first asking.

    Raises:
        ValueError, KeyError: a line isn't what it should be; somebody hears who never asked.
    """
    stories: dict[str, Story] = {}
    for at, line in enumerate(lines, start=1):
        told: Line = json.loads(line)
        mark = f"{told['channel']}.{told['key']}"
        if told["event"] == "asks":
            story = stories.get(mark)
            if story is None:
                story = stories[mark] = _begun(mark, told, at)
            story.attempts += 1
        else:
            _hear(stories[mark], told, at)
    return stories


def _begun(mark: str, told: Line, at: int) -> Story:
    undone = told.get("reverses", "")
    return Story(
        mark=mark,
        account=str(told["account"]),
        amount=int(told["amount"]),
        currency=str(told["currency"]),
        asked_at=at,
        reverses=f"{told['channel']}.{undone}" if undone else "",
    )


def _hear(story: Story, told: Line, at: int) -> None:
    if told["kind"] == "unknown":
        return
    story.answers.append(told["kind"])
    if told["kind"] == "yes":
        story.yes_at = story.yes_at or at
        story.numbers.add(str(told["number"]))
        if told.get("status"):
            story.statuses.add(str(told["status"]))


def read_ledger(lines: Iterable[str]) -> tuple[list[Credit], list[Arrival]]:
    """Bookings and attempts, each in their order, from lines of both."""
    credits_, arrivals = list[Credit](), list[Arrival]()
    for line in lines:
        row: Line = json.loads(line)
        if "operation" in row:
            arrivals.append(_arrival(row))
        else:
            credits_.append(_credit(row))
    return credits_, arrivals


def _credit(row: Line) -> Credit:
    return Credit(
        mark=row["service"],
        account=row["account"],
        amount=row["amount"],
        currency=row["currency"],
        reversal=row["kind"] == "reversal",
        sequence=row.get("sequence", 0),
    )


def _arrival(row: Line) -> Arrival:
    return Arrival(
        operation=row["operation"],
        reference=row.get("reference", ""),
        account=row["account"],
        done=row.get("done", ""),
        fault=row.get("fault", ""),
        in_flight=row["in_flight"],
    )


def read_export(lines: Iterable[str]) -> list[Kept]:
    """The spool's entries, in order of number as they are exported.

    Raises:
        ValueError, KeyError: a line isn't what it should be.
    """
    return [_kept(json.loads(line)) for line in lines]


def _kept(row: Line) -> Kept:
    entry: Line = row["entry"]
    return Kept(
        number=int(entry["number"]),
        id=entry["id"],
        mark=f"{entry['channel']}.{entry['key']}",
        reversal=entry["kind"] == "reversal",
        reverses=int(entry["reverses"] or 0),
        state=entry["state"],
        told=entry["told"],
        route=entry["route"],
        lane=entry["lane"],
        # Written with all its decimals, so its digits are the minor units.
        amount=int(entry["amount"].replace(".", "")),
        currency=entry["currency"],
        attempts=entry["attempts"],
        core_id=entry["core_id"],
        turns=tuple(Turn(each["name"], each["source"], each["target"], each["attempt"]) for each in row["history"]),
    )
