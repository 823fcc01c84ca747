"""The verdict: what senders were told, what was booked, and what the spool says, compared.

The definitions are those of history checking (Jepsen's `:info` is our *unknown*: it may have taken effect or not, but
never twice). All is linear in the number of lines.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adapters.judge.custody import OPEN, Custody, balances
from adapters.judge.effects import Effects, crowded, inconsistent, out_of_order
from adapters.judge.testimony import Arrival, Credit, Story, read_diary, read_export, read_ledger

SHOWN_MAX: Final = 5
"""A verdict's text names at most so many examples of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found: each list holds the marks of the payments concerned (accounts where it says so)."""

    #: Payments and reversals asked for.
    payments: int
    reversals: int
    #: How many of both were answered yes, no, or never finally.
    told_yes: int
    told_no: int
    told_nothing: int
    #: Bookings of payments, and the money they moved in minor units.
    booked: int
    booked_amount: int
    #: Bookings of reversals.
    undone: int
    #: Requests sent.
    attempts: int
    #: Entries of the export that are not finished, by state.
    waiting: dict[str, int] = field(default_factory=dict[str, int])
    #: The conservation lines; only with an export.
    books: list[str] = field(default_factory=list[str])
    #: Answered yes and refused by the core afterwards: the payers get it back. No fault of anybody's.
    returns_due: int = 0
    #: Entries that were over and have left the spool since.
    forgotten: int = 0

    #: Answered yes, and not booked (nor undone on purpose, nor still waiting, nor refused with a return due).
    lost: list[str]
    #: Booked, or given back, more than once.
    doubled: list[str]
    #: Booked, given back or kept, and nobody asked for it.
    ghost: list[str]
    #: The last word was no, and it took effect all the same.
    credited_after_negative: list[str]
    #: Reversed by a yes, and still booked.
    not_undone: list[str]
    #: Booked or kept with another account, sum or currency.
    wrong_effect: list[str]
    #: No after yes or yes after no, two receipts for one payment, one receipt for two, two kinds of yes.
    inconsistent_answers: list[str]
    #: Accounts on which something was booked before what was accepted earlier.
    out_of_order: list[str]
    #: Accounts that had two attempts at the core at once, both still waited for.
    concurrent: list[str]
    #: The spool's state says another thing than the ledger.
    unbalanced: list[str] = field(default_factory=list[str])
    #: The entry's history has a gap or doesn't lead to its state.
    broken_history: list[str] = field(default_factory=list[str])
    #: Accounts that share a lane, or have two.
    mixed_lanes: list[str] = field(default_factory=list[str])
    #: At a core that can't tell: sent again or ended without the core's clear word.
    guessed: list[str] = field(default_factory=list[str])
    #: At a core that can't tell: unclear, and not parked.
    unparked: list[str] = field(default_factory=list[str])

    def faults(self) -> dict[str, list[str]]:
        """Every kind of violation and its examples."""
        return {
            "lost": self.lost,
            "doubled": self.doubled,
            "ghost": self.ghost,
            "credited after negative": self.credited_after_negative,
            "not undone": self.not_undone,
            "wrong effect": self.wrong_effect,
            "inconsistent answers": self.inconsistent_answers,
            "out of order": self.out_of_order,
            "concurrent on one account": self.concurrent,
            "unbalanced": self.unbalanced,
            "broken history": self.broken_history,
            "mixed lanes": self.mixed_lanes,
            "guessed": self.guessed,
            "not parked": self.unparked,
        }

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not any(self.faults().values())

    def __str__(self) -> str:
        """A few lines for people: counts, the books, then each fault with some examples."""
        asked = f"{self.payments} payments" + (f" and {self.reversals} reversals" if self.reversals else "")
        undone = f", {self.undone} undone" if self.undone else ""
        counts = (
            f"{asked} in {self.attempts} requests: {self.told_yes} yes, {self.told_no} no,"
            f" {self.told_nothing} without a final answer; {self.booked} booked{undone}"
        )
        open_ = ", ".join(f"{count} {state}" for state, count in sorted(self.waiting.items()))
        kept = [f"not finished: {open_}"] if open_ else []
        due = [f"refused after a yes, to be returned: {self.returns_due}"] if self.returns_due else []
        due += [f"over and forgotten: {self.forgotten}"] if self.forgotten else []
        found = [f"{name}: {len(marks)} {marks[:SHOWN_MAX]}" for name, marks in self.faults().items() if marks]
        return "\n".join([counts, *self.books, *kept, *due, *found])


def judge(
    diary: Iterable[str],
    bookings: Iterable[str],
    attempts: Iterable[str] = (),
    export: Iterable[str] | None = None,
    *,
    forgotten: Iterable[str] = (),
    blind: bool = False,
    several: bool = False,
) -> Verdict:
    """Compare the lines of a diary with the lines of a ledger's bookings and attempts, and with a spool's export.

    `forgotten` are lines of what has left the spool since, as they were exported before: what was said of these must hold as
    well, and the same key after that is another payment.

    Bookings and attempts may come in one. `blind` says that the core can't tell what it booked (level C) and that
    everything is quiet by now: then nothing unclear may have been sent again, and all of it must be parked. `several`
    says that more than one node took them: of payments that were under way at two of them at once neither is earlier, so
    order is what senders know of it, and not that of numbers.

    Raises:
        ValueError, KeyError: a line isn't what it should be; a half line at a diary's end isn't there.
    """
    stories = read_diary(diary)
    credits_, arrivals = read_ledger(line for lines in (bookings, attempts) for line in lines)
    if export is None:
        return _by_effects(stories, credits_, arrivals, Effects(stories, credits_))
    custody = Custody(read_export(export), stories, credits_, arrivals, read_export(forgotten))
    excused = custody.open_marks() | set(custody.returns_due())
    effects = Effects(stories, credits_, excused=excused, forgotten=custody.forgotten)
    return _with_custody(
        _by_effects(stories, credits_, arrivals, effects), custody, credits_, blind=blind, several=several
    )


def _by_effects(
    stories: Mapping[str, Story], credits_: Sequence[Credit], arrivals: Sequence[Arrival], effects: Effects
) -> Verdict:
    told = Counter(story.meaning for story in stories.values())
    reversals = sum(bool(story.reverses) for story in stories.values())
    undone = sum(credit.reversal for credit in credits_)
    return Verdict(
        payments=len(stories) - reversals,
        reversals=reversals,
        told_yes=told["yes"],
        told_no=told["no"],
        told_nothing=told["unknown"],
        booked=len(credits_) - undone,
        booked_amount=sum(credit.amount for credit in credits_ if not credit.reversal),
        undone=undone,
        attempts=sum(story.attempts for story in stories.values()),
        lost=effects.lost(),
        doubled=effects.doubled(),
        ghost=effects.ghosts(),
        credited_after_negative=effects.after_no(),
        not_undone=effects.not_undone(),
        wrong_effect=effects.wrong(),
        inconsistent_answers=inconsistent(stories, effects.forgotten),
        out_of_order=out_of_order(stories, credits_),
        concurrent=sorted(set(crowded(arrivals))),
    )


def _with_custody(
    verdict: Verdict, custody: Custody, credits_: Sequence[Credit], *, blind: bool, several: bool
) -> Verdict:
    """The verdict with what only the export shows."""
    waiting = Counter(entry.state for entry in custody.by_mark.values())
    return replace(
        verdict,
        waiting={state: count for state, count in waiting.items() if state in OPEN},
        books=[str(balance) for balance in balances(custody.kept, credits_)],
        returns_due=len(custody.returns_due()),
        forgotten=sum(custody.forgotten.values()),
        lost=_merged(verdict.lost, custody.lost()),
        ghost=_merged(verdict.ghost, custody.ghosts()),
        wrong_effect=_merged(verdict.wrong_effect, custody.wrong()),
        inconsistent_answers=_merged(verdict.inconsistent_answers, custody.other_answers()),
        out_of_order=verdict.out_of_order if several else _merged(verdict.out_of_order, custody.out_of_order()),
        unbalanced=custody.unbalanced(),
        broken_history=custody.broken_histories(),
        mixed_lanes=custody.mixed_lanes(),
        guessed=custody.guessed() if blind else [],
        unparked=custody.unparked() if blind else [],
    )


def _merged(one: list[str], other: list[str]) -> list[str]:
    return list(dict.fromkeys([*one, *other]))
