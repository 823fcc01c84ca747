"""What the spool keeps of accounts beside their entries: what is known of them, and what each was promised in a day.

An account is a lane: the keyed hash of the account on one route. What a core said of it last is sealed like a record.
"""

import msgspec


class AccountNote(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of an account; written over what was known, field by field."""

    lane: int
    #: Billing has it. None leaves what was known; nothing known is no.
    known: bool | None = None
    #: A person put it on the negative list. None leaves it.
    denied: bool | None = None
    #: Its service is cut off, or about to be. None leaves what was known; nothing known is no.
    urgent: bool | None = None
    #: When this was heard, microseconds since 1970 in UTC; the latest counts.
    seen_at_us: int
    #: What the core said of it, sealed under `key_id`. None leaves what was said before.
    key_id: int = 0
    sealed: bytes | None = None

    def __repr__(self) -> str:
        return f"AccountNote(known={self.known}, denied={self.denied}, urgent={self.urgent})"

    def over(self, before: "AccountNote") -> "AccountNote":
        """Both as one: this one where it says something. Its lane is that of what was said, if one says anything."""
        is_said = self.sealed is not None
        return AccountNote(
            lane=self.lane if is_said or before.sealed is None else before.lane,
            known=before.known if self.known is None else self.known,
            denied=before.denied if self.denied is None else self.denied,
            urgent=before.urgent if self.urgent is None else self.urgent,
            seen_at_us=max(before.seen_at_us, self.seen_at_us),
            key_id=self.key_id if is_said else before.key_id,
            sealed=self.sealed if is_said else before.sealed,
        )


class Spending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A promise to one account in one day, to be counted if it fits under the limit."""

    #: Days since some beginning, as its caller counts them; rises with time.
    day: int
    lane: int
    #: Lanes of the same account under former index keys, whose promises count as well.
    former: tuple[int, ...] = ()
    #: Minor units.
    amount: int
    #: Most of the day for the account, this one included; None is no limit.
    sum_max: int | None
    count_max: int | None

    def fits(self, entries: int, amount: int) -> bool:
        """Whether it may be added to so much."""
        if self.sum_max is not None and amount + self.amount > self.sum_max:
            return False
        return self.count_max is None or entries < self.count_max
