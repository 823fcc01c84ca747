"""The spool's entries held against the senders' diary and the core's ledger: what the judge asks of an export.

An entry's state is a claim about the world: posted says that the core booked it, ready, held, cancelled and refused say
that it did not, and only the others may leave it open. The claims are checked one by one, so that accepted = posted +
refused + returned + cancelled + waiting holds in count and in money not by the spool's own word, but against the money
in the ledger. Only the standard library is used.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from adapters.judge.testimony import Arrival, Credit, Kept, Story, Turn

UNBOOKED: Final = frozenset({"ready", "held", "refused", "returned", "cancelled"})
"""States that say: there is no booking of it."""

OPEN: Final = frozenset({"ready", "in_flight", "in_doubt", "held", "parked", "quarantined"})
"""States of entries that are still waiting."""

UNTOLD: Final = frozenset({"in_flight", "in_doubt", "parked", "quarantined"})
"""States that leave open whether there is a booking."""

SAYS_NO: Final = frozenset({"refused", "returned", "cancelled"})
"""States an entry of which nothing was told answers no in."""

CLEAR_NOES: Final = frozenset({"maintenance", "throttle", "unauthorised"})
"""Faults by which the core says that it did nothing, so that the same may be sent again."""

_MOVES: Final = frozenset({"pay", "cancel"})

_RESEALED: Final = "reseal"


@dataclass(frozen=True, slots=True)
class Balance:
    """Entries of one kind and currency by state, and what the ledger has of them."""

    kind: str
    currency: str
    #: State -> (entries, minor units); `accepted` is their sum.
    parts: Mapping[str, tuple[int, int]]
    booked: tuple[int, int]

    def __str__(self) -> str:
        """One line: accepted = posted + ..., and the ledger's figure."""
        total = _summed(self.parts.values())
        sides = " + ".join(f"{count} {state} ({amount})" for state, (count, amount) in sorted(self.parts.items()))
        return f"{self.kind}s {self.currency}: accepted {total[0]} ({total[1]}) = {sides}; booked {self.booked[0]} ({self.booked[1]})"


def balances(kept: Iterable[Kept], credits_: Iterable[Credit]) -> list[Balance]:
    """The conservation lines: the spool's side by state, the ledger's beside it."""
    parts: dict[tuple[str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for entry in kept:
        of = parts[_kind(reversal=entry.reversal), entry.currency]
        of[entry.state] = _summed([of.get(entry.state, (0, 0)), (1, entry.amount)])
    booked: dict[tuple[str, str], tuple[int, int]] = {}
    for credit in credits_:
        kind = _kind(reversal=credit.reversal), credit.currency
        booked[kind] = _summed([booked.get(kind, (0, 0)), (1, credit.amount)])
    return [Balance(*of, parts.get(of, {}), booked.get(of, (0, 0))) for of in sorted({*parts, *booked})]


def _kind(*, reversal: bool) -> str:
    return "reversal" if reversal else "payment"


def _summed(sums: Iterable[tuple[int, int]]) -> tuple[int, int]:
    each = list(sums)
    return sum(count for count, _ in each), sum(amount for _, amount in each)


class Custody:
    """An export, looked at from all sides. Every method gives marks (accounts: `mixed_lanes`, `out_of_order`)."""

    def __init__(
        self,
        kept: Sequence[Kept],
        stories: Mapping[str, Story],
        credits_: Sequence[Credit],
        arrivals: Sequence[Arrival],
        forgotten: Sequence[Kept] = (),
    ) -> None:
        """Compare these; nothing is decided yet. `forgotten` was over, and has left the spool since."""
        here, kept = kept, [*forgotten, *kept]
        #: What is there, and what was.
        self.kept = kept
        #: Entries that are no more and had a mark, counted by it.
        self.forgotten = Counter(entry.mark for entry in forgotten if not entry.given_back)
        self._here = here
        self._gone = forgotten
        self._stories = stories
        self._credits = credits_
        self._arrivals = arrivals
        #: The entry that stands for a mark: the one that is there, or else the last one that was.
        self.by_mark = {entry.mark: entry for entry in kept if not entry.given_back}
        self._by_number = {entry.number: entry for entry in kept}
        #: Marks that had more than one life: forgotten, and taken anew as another payment.
        lives = Counter(entry.mark for entry in kept if not entry.given_back)
        self._anew = {mark for mark in self.forgotten if lives[mark] > 1}
        #: Numbers that were told for a mark beside its entry's, which stands for them as well.
        self._joined: dict[str, set[str]] = defaultdict(set)
        for entry in [*forgotten, *(entry for entry in here if entry.joined)]:
            self._joined[entry.mark].add(str(entry.number))
        #: (mark of the payment, is it a reversal) -> bookings.
        self._booked: dict[tuple[str, bool], list[Credit]] = defaultdict(list)
        for credit in credits_:
            self._booked[credit.mark, credit.reversal].append(credit)

    def bookings(self, entry: Kept) -> list[Credit]:
        """What the ledger has of an entry; of a reversal, what it has of any reversal of the same payment."""
        payment = self._by_number.get(entry.reverses) if entry.reversal else entry
        return [] if payment is None else self._booked.get((payment.mark, entry.reversal), [])

    def open_marks(self) -> set[str]:
        """What is still waiting: neither lost nor booked yet."""
        return {mark for mark, entry in self.by_mark.items() if entry.state in OPEN}

    def lost(self) -> list[str]:
        """Told yes, and the spool has nothing of it, or ended it on nobody's word.

        A refusal after a provisional yes is not lost: its return is due, and the entry says so.
        """
        undone = {story.reverses for story in self._stories.values() if story.reverses and story.meaning != "no"}
        found = list[str]()
        for mark, story in self._stories.items():
            if not story.yes_at:
                continue
            entry = self.by_mark.get(mark)
            ended = entry is not None and entry.state == "cancelled" and not story.reverses and mark not in undone
            if entry is None or ended:
                found.append(mark)
        return found

    def returns_due(self) -> list[str]:
        """Told yes, and refused by the core: the payer gets the money back."""
        return [
            mark
            for mark, story in self._stories.items()
            if story.yes_at and (entry := self.by_mark.get(mark)) is not None and entry.state in ("refused", "returned")
        ]

    def ghosts(self) -> list[str]:
        """Entries nobody asked for, and marks that two entries stand for."""
        owners = Counter(entry.mark for entry in self._here if not entry.given_back)
        unasked = [entry.mark for entry in self._gone if entry.mark not in self._stories]
        return [*unasked, *(mark for mark, count in owners.items() if mark not in self._stories or count > 1)]

    def wrong(self) -> list[str]:
        """Entries of another sum, currency, kind or payment than was asked for."""
        found = list[str]()
        for mark, story in self._stories.items():
            entry = self.by_mark.get(mark)
            if entry is None:
                continue
            payment = self._by_number.get(entry.reverses)
            undone = payment.mark if payment is not None else ""
            if (entry.amount, entry.currency, undone) != (story.amount, story.currency, story.reverses):
                found.append(mark)
        return found

    def other_answers(self) -> list[str]:
        """Told one thing, while the spool will say another to the same key, or has another number for it."""
        return [
            mark
            for mark, story in self._stories.items()
            if (entry := self.by_mark.get(mark)) is not None and self._answered_otherwise(story, entry)
        ]

    def _answered_otherwise(self, story: Story, entry: Kept) -> bool:
        told = self._joined.get(story.mark, set())
        if story.mark in self._anew or (story.mark in self.forgotten and len(set(story.answers)) > 1):
            return not story.numbers <= told | {str(entry.number)}
        return _differs(story, entry, told)

    def unbalanced(self) -> list[str]:
        """Posted and not in the ledger under the id and sum it says, or said not to be booked and booked."""
        return [entry.mark for entry in self.kept if not self._agrees(entry)]

    def _agrees(self, entry: Kept) -> bool:
        found = self.bookings(entry)
        if entry.state == "posted":
            return any(
                (entry.core_id, entry.amount, entry.currency) == (str(each.sequence), each.amount, each.currency)
                for each in found
            )
        # A payment given back, or forgotten, may have been taken anew under its key, and a reversal that failed may have a
        # successor.
        stands_alone = not entry.given_back and not entry.reversal and entry.mark not in self._anew
        return not (entry.state in UNBOOKED and stands_alone and found)

    def broken_histories(self) -> list[str]:
        """Entries whose history has a gap, leaves a final state, or doesn't end where the entry is."""
        return [entry.mark for entry in self.kept if not _is_whole(entry)]

    def mixed_lanes(self) -> list[str]:
        """Accounts in two lanes of one route, and accounts that share one: order can't be kept by such lanes."""
        lanes: dict[tuple[str, str], set[str]] = defaultdict(set)
        accounts: dict[tuple[str, str], set[str]] = defaultdict(set)
        for mark, entry in self.by_mark.items():
            if (story := self._stories.get(mark)) is not None:
                lanes[entry.route, story.account].add(entry.lane)
                accounts[entry.route, entry.lane].add(story.account)
        split = {account for (_, account), found in lanes.items() if len(found) > 1}
        shared = {account for found in accounts.values() if len(found) > 1 for account in found}
        return sorted(split | shared)

    def out_of_order(self) -> list[str]:
        """Accounts on which the core booked something before what was accepted earlier."""
        latest: dict[tuple[str, str], int] = {}
        found, seen = set[str](), set[int]()
        reversals = self._reversals()
        for credit in self._credits:
            entry = reversals.get(credit.mark) if credit.reversal else self.by_mark.get(credit.mark)
            if entry is None or entry.number in seen:
                continue
            seen.add(entry.number)
            if entry.number < latest.get((entry.route, credit.account), 0):
                found.add(credit.account)
            latest[entry.route, credit.account] = max(entry.number, latest.get((entry.route, credit.account), 0))
        return sorted(found)

    def _reversals(self) -> dict[str, Kept]:
        """Mark of a payment -> the reversal that may have been booked."""
        return {
            self._by_number[entry.reverses].mark: entry
            for entry in self.kept
            if entry.reversal and entry.reverses in self._by_number and entry.state not in ("refused", "cancelled")
        }

    def guessed(self) -> list[str]:
        """At a core that can't tell (level C): sent again after something unclear, or ended without its word.

        Judged by the core's own log of attempts: whatever was not a clear no ends the sending, and leaves the entry
        parked (or posted and refused, where the word was heard).
        """
        last: dict[str, Arrival] = {}
        resent = set[str]()
        for arrival in self._arrivals:
            if arrival.operation in _MOVES and arrival.reference:
                before = last.get(arrival.reference)
                if before is not None and not _is_clear_no(before):
                    resent.add(arrival.reference)
                last[arrival.reference] = arrival
        return [entry.mark for entry in self.kept if _was_guessed(entry, last, resent)]

    def unparked(self) -> list[str]:
        """At a core that can't tell, once all is quiet: unclear, and not given to a person."""
        return [entry.mark for entry in self.kept if entry.state in ("in_flight", "in_doubt")]


def _differs(story: Story, entry: Kept, joined: set[str]) -> bool:
    if story.meaning == "yes":
        says_no = entry.told == "refused" or (entry.told == "nothing" and entry.state in SAYS_NO)
        others = story.numbers - {str(entry.number)}
        return says_no or not story.numbers or not others <= joined or not _same_status(story, entry)
    return story.meaning == "no" and (entry.told in ("posted", "provisional") or entry.state == "posted")


def _same_status(story: Story, entry: Kept) -> bool:
    """What a sender was told of the status is what is kept as told; where nothing was kept, the state tells."""
    told = entry.state if entry.told == "nothing" else entry.told
    return story.statuses <= {told} or entry.state in UNTOLD


def _is_whole(entry: Kept) -> bool:
    # A record sealed anew stays where it is, final or not.
    turns = [turn for turn in entry.turns if turn.name != _RESEALED or turn.source != turn.target]
    if not turns or turns[0].name != "record" or turns[0].source or turns[-1].target != entry.state:
        return False
    begun = sum(turn.target == "in_flight" for turn in turns)
    return begun == entry.attempts and all(_follows(one, next_) for one, next_ in _pairs(turns))


def _pairs(turns: Sequence[Turn]) -> Iterator[tuple[Turn, Turn]]:
    return pairwise(turns)


def _follows(one: Turn, next_: Turn) -> bool:
    is_final = one.target in ("posted", "returned", "cancelled") or (one.target == "refused" != next_.source)
    return one.target == next_.source and not is_final and not (one.target == "refused" and next_.target != "returned")


def _is_clear_no(arrival: Arrival) -> bool:
    return arrival.done == "nothing" and arrival.fault in CLEAR_NOES


def _was_guessed(entry: Kept, last: Mapping[str, Arrival], resent: set[str]) -> bool:
    references = {str(entry.number), entry.id}
    if references & resent or any(turn.name in ("resend", "absent") for turn in entry.turns):
        return True
    arrival = last.get(str(entry.number)) or last.get(entry.id)
    unclear = arrival is not None and not _is_clear_no(arrival)
    ended = entry.state in ("ready", "held", "cancelled") or (
        entry.state == "refused" and arrival is not None and arrival.done != "refused"
    )
    return unclear and ended
