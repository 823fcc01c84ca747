"""Who owns which key: exact, and as cheap for random keys as for rising ones.

A unique index on keys puts each random key on a page of its own, which is written twice, to the log and at a checkpoint:
with a million entries that costs more than the payment. So a key is indexed later, with others that belong on its page:

- the table `key` holds (hash, number) of entries, in the order of hashes;
- hashes of the newest entries are in memory only, in buckets by their first bits. When there are enough of them, each
  commit takes the bucket whose turn it is into the table, so a page is written once for many keys.

Memory alone is never trusted with a key: `indexed_to` on disk is a number at or below which every entry is in the table,
and at opening all entries above it are read again. It goes up, in the same commit as the table's rows, when a sweep has
gone through all buckets: to the number that was the highest when the sweep began. An entry that comes late, with a number
at or below that one, goes into the table at once.

A hash only names candidates. Whose key it is says the row itself: two keys with one hash are two keys.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from spool.sqlite.statements import SQL, ManyRows

_BUCKET_BITS: Final = 10
BUCKETS: Final = 1 << _BUCKET_BITS
_SHIFT: Final = 64 - _BUCKET_BITS
_MIDDLE: Final = BUCKETS >> 1  # hashes are signed, buckets are not

HELD_MAX: Final = 32_768
"""Hashes held in memory, about, once so many came: 9 MB. Two to four times as many entries are read again at opening."""

_INDEX: Final = ManyRows("index_keys", 2).sized(1)

LOADED_MAX: Final = 4
"""Times what is held: with more to be read again than this, opening takes all of it into the table. So restarts can't add
up, however few payments come between them."""


class Keys:
    """Hashes of entries that need not be in the table.

    A transaction's changes are kept apart until it is on disk: `begin`, then `hold`, `release` and `sweep`, then
    `come_true`, all in the writing thread. `number` is for any thread, and tells what is on disk.
    """

    def __init__(self, salt: bytes, indexed_to: int, held_max: int) -> None:
        """Hold none yet.

        Args:
            salt: the spool's own, so that nobody outside can choose keys whose hashes meet.
            indexed_to: every entry up to this number is in the table.
            held_max: how many to hold before they are taken into the table.
        """
        self._held_max = held_max
        self._hashing = hashlib.blake2b(digest_size=8, key=salt)
        self._buckets: list[dict[int, int]] = [{} for _ in range(BUCKETS)]
        self._count = 0
        #: The highest number of an entry whose key went through here.
        self.highest = indexed_to
        #: The highest number when the sweep under way began.
        self._sweeping_to = indexed_to
        #: The bucket whose turn it is.
        self._turn = 0
        #: How many may be taken into the table, for those that came; below 0 after a bucket that held more.
        self._allowed = 0
        self.begin()

    def hash(self, channel: str, key: str) -> int:
        """A signed 64-bit hash."""
        hashing = self._hashing.copy()
        hashing.update(f"{channel}\0{key}".encode())
        return int.from_bytes(hashing.digest(), "big", signed=True)

    def number(self, hashed: int) -> int:
        """The entry that is held with this hash; 0 when there is none."""
        return self._buckets[(hashed >> _SHIFT) + _MIDDLE].get(hashed, 0)

    def load(self, channel: str, key: str, number: int) -> tuple[int, int] | None:
        """Hold an entry read at opening, in order of numbers; when its hash is held already, the pair for the table."""
        self._sweeping_to = self.highest = number  # the first sweep goes over all that is loaded
        hashed = self.hash(channel, key)
        if self.number(hashed):
            return hashed, number
        self._buckets[(hashed >> _SHIFT) + _MIDDLE][hashed] = number
        self._count += 1
        return None

    def laden(self) -> list[tuple[int, int]]:
        """Everything held, as (hash, number) in order, when it is too much to be left for later."""
        if self._count <= LOADED_MAX * self._held_max:
            return []
        return [pair for bucket in self._buckets for pair in sorted(bucket.items())]

    # A transaction

    def begin(self) -> None:
        """A transaction begins; one before it that did not come true is forgotten."""
        self._added: dict[int, int] = {}
        self._released: list[tuple[int, int]] = []
        self._swept = 0

    def candidate(self, hashed: int) -> int:
        """As `number`, with what this transaction added."""
        return self._added.get(hashed) or self.number(hashed)

    def hold(self, hashed: int, number: int) -> bool:
        """Hold the key of a new entry; False when it must go into the table at once."""
        # What isn't above `_sweeping_to` will be called indexed at the end of this sweep, and its bucket may be done.
        if number <= self._sweeping_to or self.candidate(hashed):
            return False
        self._added[hashed] = number
        return True

    def hold_all(self, pairs: Iterable[tuple[int, int]]) -> bool:
        """Hold the keys of new entries, as (hash, number); False, and this transaction is to be given up, if one can't."""
        # As `hold`, without its calls: this is done for each payment.
        added, buckets, indexed_to = self._added, self._buckets, self._sweeping_to
        for hashed, number in pairs:
            if number <= indexed_to or hashed in added or hashed in buckets[(hashed >> _SHIFT) + _MIDDLE]:
                return False
            added[hashed] = number
        return True

    def release(self, hashed: int, number: int) -> None:
        """This entry, with this hash, doesn't own its key any more."""
        self._released.append((hashed, number))

    def sweep(self) -> tuple[list[tuple[int, int]], int]:
        """What goes into the table now, as (hash, number), and what `indexed_to` becomes; 0 = stays as it is."""
        rows: list[tuple[int, int]] = []
        if not self._added:
            return rows, 0
        self._allowed = min(self._allowed, 0) - (-5 * len(self._added) // 4)  # a little more than come
        over = self._count + len(self._added) - self._held_max
        for at in range(self._turn, BUCKETS):
            if len(rows) >= min(over, self._allowed):
                break
            rows += sorted(self._buckets[at].items())
            self._swept += 1
        self._allowed -= len(rows)
        return rows, self._sweeping_to if self._turn + self._swept == BUCKETS else 0

    def come_true(self) -> None:
        """The commit is on disk."""
        for at in range(self._turn, self._turn + self._swept):
            self._count -= len(self._buckets[at])
            self._buckets[at] = {}
        for hashed, number in self._released:
            if self.number(hashed) == number:
                del self._buckets[(hashed >> _SHIFT) + _MIDDLE][hashed]
                self._count -= 1
        if self._added:
            self._hold_added()
        self._turn += self._swept
        if self._turn == BUCKETS:
            self._turn, self._sweeping_to = 0, self.highest

    def _hold_added(self) -> None:
        buckets = self._buckets
        for hashed, number in self._added.items():
            buckets[(hashed >> _SHIFT) + _MIDDLE][hashed] = number
        self._count += len(self._added)
        self.highest = max(self.highest, *self._added.values())


def loaded_keys(db: Any, held_max: int, kind: type[Keys] = Keys) -> Keys:
    """The keys of a file that was just opened, in the writing connection's thread: all that need not be in the table."""
    salt, indexed_to = db.execute(SQL["key_mark"]).fetchone()
    keys = kind(salt, indexed_to, held_max)
    for channel, key, number in db.execute(SQL["keys_above"], (indexed_to,)):
        again = keys.load(channel, key, number)
        if again is not None:
            db.execute(_INDEX, again)
    pairs = keys.laden()
    if not pairs:
        return keys
    db.execute("BEGIN IMMEDIATE")
    db.executemany(_INDEX, pairs)
    db.execute(SQL["mark_keys"], (keys.highest,))
    db.execute("COMMIT")
    return kind(salt, keys.highest, held_max)
