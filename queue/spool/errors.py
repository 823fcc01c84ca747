"""What can go wrong in the spool, as a tree; the split that matters is *nothing stored* against *nobody knows*.

```
SpoolError
├── StorageFull       nothing was stored, surely; try later (settling goes on)
├── StorageUncertain  a commit raised: the entry may be on disk or not; ask again with the same key
├── SpoolClosed       the spool isn't open (stopping, or being reopened after an uncertain commit); nothing was stored
├── LaneTaken         nothing was stored: an attempt was to begin in a lane that holds something unfinished
├── KeyBarred         nothing was stored: the sender was told by another node that this key is nobody's
├── OverLimit         nothing was stored: others used up a limit meanwhile
├── SpoolHeld         another process owns the spool
├── SpoolUnfit        the file, the library or the disk can't keep the promises; start is refused
│   ├── SpoolAbsent     there is none yet
│   └── SpoolAway       its database can't be reached now; passes by itself
│       └── SpoolBusy     it answers, and has no room now, or others are in the way; passes by itself
├── KeysUnfit         keys are missing, readable by others, or not the spool's: a person must act
│   ├── KeysChanged      somebody else changed the key store meanwhile; nothing was done
│   ├── KeysAway           the database that the key store is in can't be asked now; passes by itself
│   └── MasterUnreachable  whoever keeps the master key can't be asked now; passes by itself
└── RecordDamaged     a sealed record doesn't open: moved, edited, or under another key
    └── RecordShredded   its key was destroyed on purpose, when its time was over
```
"""


class SpoolError(Exception):
    """Base of everything the spool raises on purpose."""


class StorageFull(SpoolError):
    """Nothing was stored: the disk is full or down to its reserve. Settling goes on; new entries may try later."""


class StorageUncertain(SpoolError):
    """A commit raised, so the entry may be stored or not. The only honest answer is: ask again with the same key."""


class SpoolClosed(SpoolError):
    """The spool is closed or being reopened; nothing was stored."""


class LaneTaken(SpoolError):
    """Nothing was stored: the lane of an entry that was to be in flight holds something unfinished, of another node."""


class KeyBarred(SpoolError):
    """Nothing was stored: after its request came, another node told the sender that nothing is there under this key."""


class OverLimit(SpoolError):
    """Nothing was stored: payments that others took meanwhile leave no room within a limit."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"the limit of {channel or 'the route'} is used up; nothing was stored")
        #: Whose limit; empty for the whole route's.
        self.channel = channel


class SpoolHeld(SpoolError):
    """Another process owns this spool."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"the spool {path} is in use by {holder}; stop that one first, or give this one its own path")
        self.path = path
        self.holder = holder


class SpoolUnfit(SpoolError):
    """The file, the database library or the disk can't keep the promises; the message says which and what to do."""


class SpoolAbsent(SpoolUnfit):
    """There is no spool yet: the first start lays it out."""


class SpoolAway(SpoolUnfit):
    """The spool's database can't be reached now, or went in the middle of the start; passes by itself."""


class SpoolBusy(SpoolAway):
    """The spool's database answers, and can't open it now: it has no room, or others are in the way; passes by itself."""


class KeysUnfit(SpoolError):
    """Keys can't be used; the message says why and how to mend it."""


class KeysChanged(KeysUnfit):
    """Somebody else changed the key store meanwhile: nothing was done, and what is there now decides."""


class MasterUnreachable(KeysUnfit):
    """Whoever keeps the master key can't be asked now; what is in memory goes on serving."""


class KeysAway(KeysUnfit):
    """The database that the key store is in can't be asked now; passes by itself."""


class RecordDamaged(SpoolError):
    """A sealed record doesn't open in its place."""

    def __init__(self, number: int) -> None:
        super().__init__(f"the record of entry {number} does not open: it was moved, edited, or sealed by another key")
        self.number = number


class RecordShredded(RecordDamaged):
    """The key of a sealed record was destroyed on purpose: its content is gone, its header and history stay."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.args = (f"the content of entry {number} is gone: its key was destroyed when its time was over",)
