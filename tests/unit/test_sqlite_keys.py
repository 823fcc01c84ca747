"""One owner for each key, whatever is in memory, in the table, or read again; and hashes that meet make no twins."""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest

from spool.entry import Entry
from spool.evidence.growth import Growth
from spool.lifecycle import GIVE_BACK, State
from spool.sqlite.commit import Disk, commit
from spool.sqlite.connection import driver
from spool.sqlite.held import Held, head_in
from spool.sqlite.keys import BUCKETS, LOADED_MAX, Keys, loaded_keys
from spool.sqlite.schema import bring_up_to_date
from spool.sqlite.statements import SQL
from spool.store import Inserted, Known, Move
from spool.work import Insertion, Moves
from tests.contracts.spool_examples import LATER_US, draft

SALT: Final = bytes(16)

IN_MEMORY: Final = Disk("", 0, lambda: None)
"""There is nothing to sync."""


class MeetingKeys(Keys):
    """Keys of which every fifth has the same hash."""

    def hash(self, channel: str, key: str) -> int:
        """Spread over the buckets, but few."""
        return (super().hash(channel, key) % 5 - 2) << 60


KINDS: Final = {"as it is": Keys, "hashes that meet": MeetingKeys}


@pytest.fixture
def db() -> Iterator[Any]:
    """An empty spool in memory."""
    db = driver.connect(":memory:", isolation_level=None)
    bring_up_to_date(db)
    yield db
    db.close()


class Teller:
    """Records payments and gives them back, and keeps who must own which key."""

    def __init__(self, db: Any, kind: type[Keys], held_max: int, seed: int) -> None:
        """Begin with an empty spool."""
        self.db, self.kind, self.held_max = db, kind, held_max
        self.random = random.Random(seed)  # noqa: S311 - a story that can be told again, no secrets
        self.owners: dict[str, int] = {}
        self.entries: dict[int, Entry] = {}
        self.numbers = 0
        self.restart()

    def restart(self) -> None:
        """What memory held is gone, and read again."""
        self.keys = loaded_keys(self.db, self.held_max, self.kind)
        self.held = Held(self.keys, Growth(head_in(self.db)))

    def record(self, *names: str) -> list[Any]:
        """Payments with these keys in one commit, some of them later than their numbers say."""
        first, self.numbers = self.numbers + 1, self.numbers + len(names)
        numbers = self.random.sample(range(first, self.numbers + 1), len(names))
        works = [
            Insertion(draft(number, key=name, state=State.IN_FLIGHT), 1, b"sealed")
            for number, name in zip(numbers, names, strict=True)
        ]
        return commit(self.db, works, self.held, IN_MEMORY)

    def take(self) -> None:
        """A batch with known keys, new ones, and twins; each is told what it must be told."""
        names = [f"key-{self.random.randrange(400)}" for _ in range(self.random.randrange(1, 40))]
        results = self.record(*names)
        assert [type(each) for each in results] == [self._expected(*pair) for pair in zip(names, results, strict=True)]
        assert [each.entry.number for each in results] == [self.owners[name] for name in names]

    def _expected(self, name: str, result: Inserted | Known) -> type:
        """Inserted for the first of its key, which owns it from now on."""
        new = name not in self.owners
        self.owners.setdefault(name, result.entry.number)
        self.entries.setdefault(result.entry.number, result.entry)
        return Inserted if new else Known

    def give_back(self) -> None:
        """Some are given back, key and all."""
        names = self.random.sample(sorted(self.owners), min(3, len(self.owners)))
        moves = [
            Move(entry=self.entries[self.owners.pop(name)], transition=GIVE_BACK, at_us=LATER_US) for name in names
        ]
        assert commit(self.db, [Moves(moves)], self.held, IN_MEMORY) == [[True] * len(names)]

    def play(self, turns: int) -> None:
        """A story of so many turns."""
        for _ in range(turns):
            self.random.choices((self.take, self.give_back, self.restart), (8, 4, 1))[0]()

    def found(self, name: str) -> tuple[int, int]:
        """Who owns a key, asked with what memory holds, and without."""
        hashed = self.keys.hash("kiosk", name)
        aided = (self.keys.number(hashed), hashed, "kiosk", name)
        unaided = {"hash": hashed, "channel": "kiosk", "key": name}
        return self._number("find_entry", aided), self._number("find_entry_unaided", unaided)

    def _number(self, statement: str, parameters: Any) -> int:
        row = self.db.execute(SQL[statement], parameters).fetchone()
        return row[0] if row else 0

    def rows(self) -> dict[str, int]:
        """Who owns which key, by the rows alone."""
        owning = self.db.execute("SELECT key, number FROM entry WHERE owns_key = 1").fetchall()
        assert len(dict(owning)) == len(owning), "a key has one owner"
        return dict(owning)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("held_max", [0, 3, 40, 1_000])
@pytest.mark.parametrize("seed", range(6))
def test_each_key_has_one_owner_over_any_story(db: Any, kind: type[Keys], held_max: int, seed: int) -> None:
    """Twins in one commit, repeats, numbers out of order, keys given back and used again, restarts: a seed for each."""
    teller = Teller(db, kind, held_max, seed)

    teller.play(120)

    assert teller.rows() == teller.owners
    names = [f"key-{number}" for number in range(400)]
    owners = [(teller.owners.get(name, 0),) * 2 for name in names]
    assert [teller.found(name) for name in names] == owners


def test_two_keys_with_one_hash_are_two_keys(db: Any) -> None:
    """A payment must not be told the answer of another."""
    keys = MeetingKeys(SALT, 0, 0)
    names = [f"key-{number}" for number in range(60)]
    works = [Insertion(draft(number, key=name), 1, b"") for number, name in enumerate(names, 1)]

    results = commit(db, works, Held(keys, Growth()), IN_MEMORY)

    assert [type(each) for each in results] == [Inserted] * len(names)


def test_what_did_not_come_true_is_forgotten() -> None:
    """A transaction that was rolled back has stored nothing."""
    keys = Keys(SALT, 0, 10)
    keys.begin()
    assert keys.hold(5, 1)

    keys.begin()
    keys.come_true()

    assert keys.number(5) == 0
    assert keys.candidate(5) == 0


def test_nobody_else_sees_a_key_before_it_is_on_disk() -> None:
    """The event loop asks while the writing thread works."""
    keys = Keys(SALT, 0, 10)
    keys.begin()
    keys.hold(5, 1)
    assert (keys.candidate(5), keys.number(5)) == (1, 0)

    keys.come_true()

    assert keys.number(5) == 1


def swept(keys: Keys, numbers: Sequence[int]) -> tuple[int, int]:
    """Hold keys in a transaction of their own; how many go into the table, and what is called indexed."""
    keys.begin()
    for number in numbers:
        assert keys.hold(keys.hash("kiosk", str(number)), number)
    rows, indexed_to = keys.sweep()
    keys.come_true()
    return len(rows), indexed_to


def test_below_the_limit_nothing_is_indexed() -> None:
    """Until then the table of keys costs nothing."""
    assert swept(Keys(SALT, 0, 100), range(1, 101)) == (0, 0)


def test_no_commit_indexes_much_more_than_came() -> None:
    """Whoever waits for a commit doesn't wait for what others left."""
    keys = Keys(SALT, 0, 1)
    swept(keys, range(1, 4_097))

    rows, _ = swept(keys, range(5_000, 5_064))

    assert rows <= 64 * 5 // 4 + 4_097 // BUCKETS * 4


def test_a_number_is_called_indexed_only_when_its_whole_sweep_is_done() -> None:
    """At opening nothing at or below it is read again."""
    keys = Keys(SALT, 0, 2_000)
    marks = [swept(keys, range(start, start + 100))[1] for start in range(1, 20_001, 100)]

    done = [mark for mark in marks if mark]

    assert done == sorted(done)
    assert len(done) == 3
    assert 20_000 - done[-1] < 4 * 2_000


def test_an_entry_that_comes_late_goes_into_the_table_at_once() -> None:
    """Its number is about to be called indexed, and its bucket may have had its turn."""
    keys = Keys(SALT, 50, 10)
    keys.begin()

    assert not keys.hold(5, 50)
    assert keys.hold(5, 51)


def test_restarts_do_not_add_up(db: Any) -> None:
    """A service that is restarted often must not read more at each opening."""
    teller = Teller(db, Keys, 10, 1)
    teller.record(*(f"key-{number}" for number in range(10 * LOADED_MAX + 1)))

    teller.restart()

    assert db.execute("SELECT indexed_to FROM key_mark").fetchone() == (10 * LOADED_MAX + 1,)
    assert db.execute("SELECT count(*) FROM key").fetchone() == (10 * LOADED_MAX + 1,)
    assert teller.found("key-7")[0] > 0
