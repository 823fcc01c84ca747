"""Restoring a spool from a copy: another epoch begins, and a person must see what is missing before it goes on."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from gateway.evidence.marks import Witnessed, breaks, missing_of
from spool.evidence.epoch import Epoch, epoch_of, keep_epoch
from spool.sqlite import SqliteStore
from spool.sqlite.backup import Step, clear, copy, on, put_in_place, require_nothing_at
from spool.store import Store

Ask = Callable[[Store], Awaitable[Witnessed]]
"""What was kept of a store's log elsewhere."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    epoch: int
    #: Events it tells of ...
    events: int
    #: ... and how many more are known to have been.
    missing: int
    #: Against what that was counted; empty: against nothing.
    source: str


async def restore(source: Path, path: Path, now_us: int, ask: Ask, step: Step = on) -> Restored:
    """Put a copy in the place of a spool that is gone; what was in flight is in doubt.

    Whatever ends it before its end leaves nothing at `path`, and the next one begins anew.

    Raises:
        SpoolUnfit: there is something at `path`, the copy is no spool, damaged, or can't be written.
        SpoolHeld: somebody else restores it at this moment.
    """
    require_nothing_at(path)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.restoring")
    clear(draft)
    copy(source, draft, step)
    step("open")
    store = SqliteStore(draft, reserve_bytes=0)
    await store.open(now_us)
    try:
        step("compare")
        restored = await _begin_epoch(store, source, now_us, await ask(store))
    finally:
        step("close")
        await store.close()
    draft.with_name(draft.name + ".lock").unlink()
    put_in_place(draft, path, step)
    return restored


async def _begin_epoch(store: Store, source: Path, now_us: int, kept: Witnessed) -> Restored:
    async with store.records() as records:
        size = (await records.head()).size
    wrong = await breaks(store, kept)
    known = ", ".join(mark.source for mark in kept.marks)
    before = await epoch_of(store)
    epoch = Epoch(
        number=max(before.number, *(0, *kept.epochs)) + 1,
        began_size=size,
        began_number=await store.highest_number(),
        missing=missing_of(size, kept.marks),
        source=f"restored from {source.name}; " + (wrong[0].detail if wrong else f"compared with {known or 'nothing'}"),
        at_us=now_us,
        accepted=False,
    )
    await keep_epoch(store, epoch)
    return Restored(epoch=epoch.number, events=size, missing=epoch.missing, source=known)
