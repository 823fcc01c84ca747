"""What memory holds of a file beside it, in step with its commits: the newest keys, and the end of the log."""

from typing import Any, NamedTuple

from spool.evidence.growth import NO_HEAD, Block, Growth, Head
from spool.sqlite.keys import Keys, loaded_keys
from spool.sqlite.statements import SQL


class Held(NamedTuple):
    """Both change in the writing thread, and come true with a commit that is on disk."""

    keys: Keys
    growth: Growth

    def begin(self) -> None:
        """A transaction begins; one before it that did not come true is forgotten."""
        self.keys.begin()
        self.growth.begin()

    def come_true(self) -> None:
        """The commit is on disk."""
        self.keys.come_true()
        self.growth.come_true()


def loaded(db: Any, keys_held_max: int) -> Held:
    """What is held of a file that was just opened, in the writing connection's thread."""
    return Held(loaded_keys(db, keys_held_max), Growth(head_in(db)))


def head_in(db: Any) -> Head:
    """How far the log in a file goes."""
    row = db.execute(SQL["last_block"]).fetchone()
    return NO_HEAD if row is None else Block(*row).head()
