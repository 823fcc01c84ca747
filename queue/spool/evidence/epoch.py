"""The spool's epoch: raised by each restore, and each time a log is found shorter than what was witnessed of it."""

import msgspec

from spool.store import Store

NAME = "evidence-epoch"
"""The name it is remembered under."""


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """How a spool's life goes on from an older copy of itself."""

    number: int = 1
    #: How long the log was when this epoch began ...
    began_size: int = 0
    #: ... and the highest number of an entry then.
    began_number: int = 0
    #: Events that were witnessed and are missing; what came after the newest checkpoint is not in it.
    missing: int = 0
    #: Against what that was counted; empty: against nothing, as there was no checkpoint.
    source: str = ""
    #: When it began.
    at_us: int = 0
    #: A person has seen what is missing. Until then nothing is taken, and nothing sent.
    accepted: bool = True


async def epoch_of(store: Store) -> Epoch:
    """The epoch a spool is in."""
    kept = await store.recall(NAME)
    return Epoch() if kept is None else msgspec.json.decode(kept, type=Epoch)


async def keep_epoch(store: Store, epoch: Epoch) -> None:
    """Remember it, durably. Errors: see `Store.remember`."""
    await store.remember(NAME, msgspec.json.encode(epoch))
