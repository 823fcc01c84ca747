"""What an audit can find: each kind of tampering by its name, with what it means and what there is to do."""

import enum
from typing import Final

import msgspec


class Fault(enum.Enum):
    """What is wrong: a word for logs, metrics and answers, and what an operator reads."""

    ENTRY_EDITED = ("entry_edited", "the entry's row, or what is sealed in it, isn't what was taken")
    ENTRY_UNKNOWN = ("entry_unknown", "the log knows no such acceptance: the row was put there")
    ENTRY_MISSING = ("entry_missing", "the log tells of its moves and there is no such row: it was deleted")
    EVENT_EDITED = ("event_edited", "a line of the entry's history isn't what happened")
    EVENT_UNKNOWN = ("event_unknown", "the log knows no such event: the line was put into the history")
    ACT_EDITED = ("act_edited", "what is told of a person's act isn't what was done")
    ACT_UNKNOWN = ("act_unknown", "the log knows no such act: the row was put there")
    SETTING_FORGED = (
        "setting_forged",
        "what was set while the service ran (a policy, the planned windows, a proposal) isn't what was set last",
    )
    ROW_MISSING = ("row_missing", "the log tells of something there is no row of: it was deleted, or moved elsewhere")
    STATE_FORGED = (
        "state_forged",
        "the entry isn't where its history leads: the row was edited, or put back to an older one",
    )
    HISTORY_BROKEN = (
        "history_broken",
        "the entry's history has a step that can't follow the one before it: a line is missing or forged",
    )
    FORGOTTEN_BACK = (
        "forgotten_back",
        "what was forgotten when its time was over is there again: the row was put back from an older copy",
    )
    KEY_LOST = ("key_lost", "a repeat of the request wouldn't be known, or a key that was given back is held")
    KEY_USE_FORGED = (
        "key_use_forged",
        "what a data key is needed for was counted otherwise than the entries say: it might be destroyed too early",
    )
    BLOCK_EDITED = ("block_edited", "a block doesn't follow from the one before it")
    BLOCK_MISSING = ("block_missing", "the log has a gap: blocks were cut out")
    CHECKPOINT_FORGED = (
        "checkpoint_forged",
        "the log isn't the one that was witnessed: what was true at that checkpoint is told otherwise now",
    )
    CHECKPOINT_UNSIGNED = ("checkpoint_unsigned", "a kept checkpoint isn't signed by this log's key")
    ROLLED_BACK = (
        "rolled_back",
        "the log ends before what was witnessed: the spool is an older copy, or its end was cut off",
    )
    DATABASE_DAMAGED = ("database_damaged", "the database finds its own file damaged")

    def __init__(self, word: str, meaning: str) -> None:
        self.word = word
        self.meaning = meaning

    @property
    def quarantines(self) -> bool:
        """An unfinished entry it speaks against may not go on: nobody knows what of it is true."""
        return self in _QUARANTINES


_QUARANTINES: Final = frozenset(
    {
        Fault.ENTRY_EDITED,
        Fault.ENTRY_UNKNOWN,
        Fault.EVENT_EDITED,
        Fault.EVENT_UNKNOWN,
        Fault.STATE_FORGED,
        Fault.HISTORY_BROKEN,
        Fault.FORGOTTEN_BACK,
    }
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    fault: Fault
    #: Number of the entry it is about; 0 where none can be named.
    number: int = 0
    #: Place in the log; below 0 where none can be named.
    leaf: int = -1
    #: When the commit it belongs to was made, microseconds since 1970; 0 where unknown.
    at_us: int = 0
    #: The rest, in words.
    detail: str = ""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A head of the log that somebody kept: so far it went, and this was its root."""

    size: int
    root: bytes
    #: Who kept it.
    source: str
