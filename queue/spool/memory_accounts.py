"""What the memory engine keeps of accounts beside their entries."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from msgspec.structs import replace

from spool.account import AccountNote, Spending
from spool.errors import SpoolClosed

CLOSED: Final = "the spool is closed"


class MemoryAccounts:
    """Notes and promises in plain dicts; see `spool.store.Store` for what each promises."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._opened = False
        #: (day, lane) -> how many promises, and their sum.
        self._spent: dict[tuple[int, int], tuple[int, int]] = {}
        self._accounts: dict[int, AccountNote] = {}

    async def spend(self, spending: Spending) -> bool:
        """Count a promise if it fits."""
        self._need_open()
        before = [self._spent.get((spending.day, lane), (0, 0)) for lane in (spending.lane, *spending.former)]
        if not spending.fits(sum(each[0] for each in before), sum(each[1] for each in before)):
            return False
        (entries, amount), at = before[0], (spending.day, spending.lane)
        self._spent[at] = (entries + 1, amount + spending.amount)
        self._spent = {key: value for key, value in self._spent.items() if key[0] >= spending.day - 1}
        return True

    async def refund(self, spending: Spending) -> None:
        """Take a promise back."""
        self._need_open()
        entries, amount = self._spent.get(at := (spending.day, spending.lane), (0, 0))
        if entries:
            self._spent[at] = (entries - 1, amount - spending.amount)

    async def note_accounts(self, notes: Sequence[AccountNote]) -> None:
        """Keep what was heard of accounts."""
        self._need_open()
        for note in notes:
            before = self._accounts.get(note.lane)
            self._accounts[note.lane] = note if before is None else note.over(before)

    async def account(self, lane: int) -> AccountNote | None:
        """What is known of an account."""
        self._need_open()
        return self._accounts.get(lane)

    async def accounts_counted(self) -> tuple[int, int]:
        """How many are known, and how many denied."""
        self._need_open()
        notes = self._accounts.values()
        return sum(bool(note.known) for note in notes), sum(bool(note.denied) for note in notes)

    async def denies(self) -> bool:
        """Any account is denied."""
        self._need_open()
        return any(note.denied for note in self._accounts.values())

    async def notes_under(self, key_id: int, limit: int) -> list[AccountNote]:
        """What was said of accounts and is sealed under this key."""
        self._need_open()
        found = (
            note for _, note in sorted(self._accounts.items()) if note.key_id == key_id and note.sealed is not None
        )
        return list(islice(found, limit))

    def _reseal_note(self, known: AccountNote, sealed: bytes, key_id: int) -> bool:
        now = self._accounts[known.lane]
        if now.key_id != known.key_id:
            return False
        self._accounts[known.lane] = replace(now, key_id=key_id, sealed=sealed)
        return True

    def _need_open(self) -> None:
        if not self._opened:
            raise SpoolClosed(CLOSED)
