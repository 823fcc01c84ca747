"""Forgetting what is over: payments that ended longer ago than the operator keeps them leave the spool, a few at a time.

Of several nodes one does it for all. What was done is on disk with each batch, so the next process, or another node, goes
on; there is nothing to remember but the entries themselves.
"""

import asyncio
from typing import Final

from gateway.aging import Aging
from gateway.clock import Clock
from gateway.engines.settings import SpoolSettings
from gateway.log import log
from spool.errors import SpoolError
from spool.forgetting import Past
from spool.number import number_at
from spool.office import Office
from spool.store import Store

BATCH: Final = 200
"""Entries looked at in one commit: it takes no longer than one of as many payments."""

PASS_S: Final = 3600.0
"""Between two times through all that may be over."""

WAIT_S: Final = 60.0
"""After the spool could not be asked, and between two looks whether another node does it still."""

DAY_US: Final = 86_400_000_000

OFFICE: Final = "forgetting"
"""The office of whoever forgets."""


class Forgetter:
    """Goes through what is old, again and again."""

    def __init__(self, store: Store, clock: Clock, *, days: int, per_s: int) -> None:
        """Forget what ended so many days ago, and look at so many entries a second at most."""
        assert days > 0, "who keeps everything forgets nothing"
        self._store = store
        self._clock = clock
        self._days = days
        self._per_s = per_s
        self._office = Office(store, OFFICE)
        self._aging = Aging(store, clock, OFFICE)
        #: What this time through is for: what ended before this.
        self._before_us = 0
        #: How far this time through has come, by number, and how many it forgot.
        self._reached = 0
        self._forgotten = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(await self.run_once())

    async def run_once(self) -> float:
        """One batch: seconds to wait before the next."""
        try:
            return await self._one_batch()
        except SpoolError as error:
            log.warning("forgetting_waits", error=type(error).__name__)
            return WAIT_S
        except Exception as error:  # noqa: BLE001 - our own bug: it is told loudly, and tried again like anything else
            log.error("forgetting_failed", error=type(error).__name__, exc_info=True)
            return WAIT_S

    async def _one_batch(self) -> float:
        now_us = self._clock.now_us()
        if not await self._office.is_mine(now_us):
            self._aging.look_away()
            return WAIT_S
        if not self._reached:
            self._before_us = await self._aging.now_us() - self._days * DAY_US
        past = Past(number_at(self._before_us), self._before_us)
        done = await self._store.forget(past, self._reached, BATCH, now_us)
        self._forgotten += done.entries
        if done.reached:
            self._reached = done.reached
            return BATCH / self._per_s
        if self._forgotten:
            log.info("forgotten", entries=self._forgotten, days=self._days)
        self._reached = self._forgotten = 0
        return PASS_S


def forgetting(settings: SpoolSettings, store: Store, clock: Clock) -> list[asyncio.Task[None]]:
    """What goes on in the background of a service whose payments are kept for a time: nothing, where they are kept for ever."""
    if not settings.retention_days:
        return []
    forgetter = Forgetter(store, clock, days=settings.retention_days, per_s=settings.forget_per_s)
    return [asyncio.create_task(forgetter.run(), name="forgetting")]
