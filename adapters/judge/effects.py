"""What the senders were told against what the core booked: the judge's part that needs no look into the spool.

Only the standard library is used.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from adapters.judge.testimony import Arrival, Credit, Story


class Effects:
    """Stories beside bookings. Every method gives marks."""

    def __init__(
        self,
        stories: Mapping[str, Story],
        credits_: Sequence[Credit],
        *,
        excused: Collection[str] = frozenset(),
        forgotten: Mapping[str, int] | None = None,
    ) -> None:
        """Compare these; `excused` are marks that need not be booked: still waiting, or a return is due.

        `forgotten` says how often a mark was forgotten when it was over: a repeat after that is another payment.
        """
        self._stories = stories
        self._credits = credits_
        self._excused = excused
        self.forgotten = forgotten or {}
        self._payments = Counter(credit.mark for credit in credits_ if not credit.reversal)
        self._undone = Counter(credit.mark for credit in credits_ if credit.reversal)
        #: Mark of a payment -> the reversals asked for.
        self._reversals: dict[str, list[Story]] = defaultdict(list)
        for story in stories.values():
            if story.reverses:
                self._reversals[story.reverses].append(story)

    def _net(self, mark: str) -> int:
        return self._payments[mark] - self._undone[mark]

    def _may_be_undone(self, mark: str) -> bool:
        """Somebody asked for it, and was not told no."""
        return any(reversal.meaning != "no" for reversal in self._reversals.get(mark, ()))

    def lost(self) -> list[str]:
        """Payments answered yes and never booked, unless they may have been undone before."""
        return [
            mark
            for mark, story in self._stories.items()
            if story.yes_at
            and not story.reverses
            and not self._payments[mark]
            and not self._may_be_undone(mark)
            and mark not in self._excused
        ]

    def doubled(self) -> list[str]:
        """Payments booked more than once, or given back more than once, in one life."""
        twice = [mark for mark, count in self._payments.items() if count > self._lives(mark)]
        undone = [mark for mark, count in self._undone.items() if count > self._lives(mark)]
        return [*twice, *(mark for mark in undone if mark not in twice)]

    def _lives(self, mark: str) -> int:
        return 1 + self.forgotten.get(mark, 0)

    def ghosts(self) -> list[str]:
        """Payments booked, or given back, that nobody asked for."""
        unasked = [mark for mark in self._payments if mark not in self._stories]
        return [*unasked, *(mark for mark in self._undone if mark not in self._reversals)]

    def after_no(self) -> list[str]:
        """The last word was no: the payment is booked all the same, or given back all the same.

        Of what was forgotten the last word is another's: it took effect, and was then unknown.
        """
        return [
            mark
            for mark, story in self._stories.items()
            if story.meaning == "no" and self._took_effect(story) and not self._is_forgotten(story)
        ]

    def _is_forgotten(self, story: Story) -> bool:
        return story.mark in self.forgotten or story.reverses in self.forgotten

    def _took_effect(self, story: Story) -> bool:
        if not story.reverses:
            return self._net(story.mark) > 0
        return self._undone[story.reverses] > 0 and not self._may_be_undone(story.reverses)

    def not_undone(self) -> list[str]:
        """Reversals answered yes whose payment is still booked."""
        return [
            mark
            for mark, story in self._stories.items()
            if story.reverses
            and story.yes_at
            and self._net(story.reverses) > self.forgotten.get(story.reverses, 0)
            and not {mark, story.reverses} & set(self._excused)
        ]

    def wrong(self) -> list[str]:
        """Booked, or given back, with another account, sum or currency than was asked for."""
        return [
            credit.mark
            for credit in self._credits
            if (story := self._stories.get(credit.mark))
            and (story.account, story.amount, story.currency) != (credit.account, credit.amount, credit.currency)
        ]


def inconsistent(stories: Mapping[str, Story], forgotten: Mapping[str, int]) -> list[str]:
    """No after yes or yes after no, two receipts for one key, one receipt for two, posted once and provisional once.

    What was forgotten may have an answer and a receipt of its own in each of its lives.
    """
    holders = Counter((_channel(mark), number) for mark, story in stories.items() for number in story.numbers)
    return [
        mark
        for mark, story in stories.items()
        if (mark not in forgotten and (len(set(story.answers)) > 1 or len(story.statuses) > 1))
        or len(story.numbers) > 1 + forgotten.get(mark, 0)
        or any(holders[_channel(mark), number] > 1 for number in story.numbers)
    ]


def _channel(mark: str) -> str:
    return mark.partition(".")[0]


def out_of_order(stories: Mapping[str, Story], credits_: Iterable[Credit]) -> list[str]:
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


def crowded(arrivals: Iterable[Arrival]) -> Iterator[str]:
    """Accounts on which the core saw an attempt to move money while another was still waited for."""
    for arrival in arrivals:
        if arrival.in_flight > 0 and arrival.operation in ("pay", "cancel") and arrival.account:
            yield arrival.account
