"""The judge: what senders were told against what was booked. Knows neither the gateway nor this package.

It reads two records made outside the gateway: the senders' diary (what was asked and what was heard, JSON lines in the
order they happened) and the core's ledger (`python -m adapters.cores.scripted.ledger PATH --json`, and `--attempts`).
A booking is traced to its payment by its mark, `<channel>.<key>`, which the core's mapping puts into `service`.

The definitions are those of history checking (Jepsen's `:info` is our *unknown*: it may have taken effect or not, but
never twice). All is linear in the number of lines, but for a sort per account.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SHOWN_MAX: Final = 5
"""A verdict's text names at most so many examples of each kind."""


@dataclass(slots=True)
class Story:
    """One payment as its sender lived it. Moments are places in the diary."""

    mark: str
    account: str
    #: Minor units.
    amount: int
    currency: str
    asked_at: int
    #: The first yes; 0 while there is none.
    yes_at: int = 0
    #: Meanings of the final answers, in order: `yes` and `no`.
    answers: list[str] = field(default_factory=list[str])
    #: Every receipt number a yes came with.
    numbers: set[str] = field(default_factory=set[str])
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: each list holds the marks of the payments concerned (accounts for the last two)."""

    payments: int
    #: How many were answered yes, no, or never finally.
    told_yes: int
    told_no: int
    told_nothing: int
    #: Bookings of payments, and the money they moved in minor units.
    booked: int
    booked_amount: int
    attempts: int
    #: Answered yes, and not booked (nor undone on purpose).
    lost: list[str]
    #: Booked more than once.
    doubled: list[str]
    #: Booked, and nobody asked for it.
    ghost: list[str]
    #: The last word was no, and booked.
    credited_after_negative: list[str]
    #: Booked with another account, sum or currency.
    wrong_effect: list[str]
    #: No after yes or yes after no, two receipts for one payment, one receipt for two.
    inconsistent_answers: list[str]
    #: Accounts on which a payment was booked before one whose yes was heard before it was asked.
    out_of_order: list[str]
    #: Accounts that had two attempts at the core at once, both still waited for.
    concurrent: list[str]

    def faults(self) -> dict[str, list[str]]:
        """Every kind of violation and its examples."""
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "ghost": self.ghost,
            "credited after negative": self.credited_after_negative,
            "wrong effect": self.wrong_effect,
            "inconsistent answers": self.inconsistent_answers,
            "out of order": self.out_of_order,
            "concurrent on one account": self.concurrent,
        }

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not any(self.faults().values())

    def __str__(self) -> str:
        """A few lines for people: counts, then each fault with some examples."""
        counts = (
            f"{self.payments} payments in {self.attempts} requests: {self.told_yes} yes, {self.told_no} no,"
            f" {self.told_nothing} without a final answer; {self.booked} booked"
        )
        found = [f"{name}: {len(marks)} {marks[:SHOWN_MAX]}" for name, marks in self.faults().items() if marks]
        return "\n".join([counts, *found])


def judge(diary: Iterable[str], bookings: Iterable[str], attempts: Iterable[str] = ()) -> Verdict:
    """Compare the lines of a diary with the lines of a ledger's bookings and attempts.

    Raises:
        ValueError, KeyError: a line isn't what it should be; a half line at a diary's end isn't there.
    """
    stories = read_diary(diary)
    credits_ = [_credit(json.loads(line)) for line in bookings]
    payments = Counter(credit.mark for credit in credits_ if not credit.reversal)
    undone = Counter(credit.mark for credit in credits_ if credit.reversal)
    net = {mark: count - undone[mark] for mark, count in payments.items()}
    told = Counter(story.meaning for story in stories.values())
    return Verdict(
        payments=len(stories),
        told_yes=told["yes"],
        told_no=told["no"],
        told_nothing=told["unknown"],
        booked=payments.total(),
        booked_amount=sum(credit.amount for credit in credits_ if not credit.reversal),
        attempts=sum(story.attempts for story in stories.values()),
        lost=[mark for mark, story in stories.items() if story.yes_at and not payments[mark]],
        doubled=[mark for mark, count in payments.items() if count > 1],
        ghost=[mark for mark in payments if mark not in stories],
        credited_after_negative=[
            mark for mark, story in stories.items() if story.meaning == "no" and net.get(mark, 0) > 0
        ],
        wrong_effect=_wrong(stories, credits_),
        inconsistent_answers=_inconsistent(stories),
        out_of_order=_out_of_order(stories, credits_),
        concurrent=sorted({account for account in _crowded(attempts) if account}),
    )


def read_diary(lines: Iterable[str]) -> dict[str, Story]:
    """The stories in a diary, by mark, in the order of first asking."""
    stories: dict[str, Story] = {}
    for at, line in enumerate(lines, start=1):
        told: Mapping[str, Any] = json.loads(line)
        mark = f"{told['channel']}.{told['key']}"
        if told["event"] == "asks":
            story = stories.get(mark)
            if story is None:
                content = str(told["account"]), int(told["amount"]), str(told["currency"])
                story = stories[mark] = Story(mark, *content, asked_at=at)
            story.attempts += 1
        else:
            _hear(stories[mark], told, at)
    return stories


def _hear(story: Story, told: Mapping[str, Any], at: int) -> None:
    if told["kind"] == "unknown":
        return
    story.answers.append(told["kind"])
    if told["kind"] == "yes":
        story.yes_at = story.yes_at or at
        story.numbers.add(str(told["number"]))


def _credit(row: Mapping[str, Any]) -> Credit:
    return Credit(
        mark=row["service"],
        account=row["account"],
        amount=row["amount"],
        currency=row["currency"],
        reversal=row["kind"] == "reversal",
    )


def _wrong(stories: Mapping[str, Story], credits_: Iterable[Credit]) -> list[str]:
    return [
        credit.mark
        for credit in credits_
        if (story := stories.get(credit.mark))
        and (story.account, story.amount, story.currency) != (credit.account, credit.amount, credit.currency)
    ]


def _inconsistent(stories: Mapping[str, Story]) -> list[str]:
    holders = Counter((_channel(mark), number) for mark, story in stories.items() for number in story.numbers)
    return [
        mark
        for mark, story in stories.items()
        if len(set(story.answers)) > 1
        or len(story.numbers) > 1
        or any(holders[_channel(mark), number] > 1 for number in story.numbers)
    ]


def _channel(mark: str) -> str:
    return mark.partition(".")[0]


def _out_of_order(stories: Mapping[str, Story], credits_: Iterable[Credit]) -> list[str]:
    """Accounts where a payment was booked after one that was asked for only when its own yes had been heard."""
    first: dict[str, list[Story]] = defaultdict(list)
    seen: set[str] = set()
    for credit in credits_:
        story = stories.get(credit.mark)
        if story is not None and not credit.reversal and credit.mark not in seen:
            seen.add(credit.mark)
            first[credit.account].append(story)
    return sorted(account for account, booked in first.items() if not _in_order(booked))


def _in_order(booked: Iterable[Story]) -> bool:
    latest_asked_at = 0
    for story in booked:
        if story.yes_at and story.yes_at < latest_asked_at:
            return False
        latest_asked_at = max(latest_asked_at, story.asked_at)
    return True


def _crowded(attempts: Iterable[str]) -> Iterator[str]:
    for line in attempts:
        row: Mapping[str, Any] = json.loads(line)
        if row["in_flight"] > 0 and row["operation"] in ("pay", "cancel"):
            yield row["account"]
