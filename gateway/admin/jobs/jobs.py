"""Jobs: kept in the spool, worked on step by step, resumed after a restart.

Each step is one commit of moves, and then one of how far the job is. Whoever dies between the two does that step again: what
it changed passes the filter no more, so nothing happens twice, but the job's count may lack the entries of one step. The
entries' own histories, with the persons' names, lack nothing.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from msgspec.structs import replace

from gateway.admin import asks
from gateway.admin.entries.acts import STEP_ENTRIES, Act, Acts, Order
from gateway.admin.jobs.job import ENDED, WORKING, Job, JobStand, begun, counted, room_of, worked
from gateway.clock import Clock
from gateway.log import log
from spool.errors import SpoolError
from spool.store import Filter, Store

PREFIX: Final = "job/"
OPEN: Final = "open-jobs"
"""Name under which the ids of jobs that have not ended are kept."""

OPEN_MAX: Final = 100
IDLE_S: Final = 1.0
"""How long nothing is looked at while no job works; whoever makes or moves one wakes it."""

TROUBLE_S: Final = 2.0
"""How long nothing is tried after the spool took nothing."""

ACTS: Final = {act.word: act for act in Act}

Counted = Callable[[Job], Awaitable[Job]]
"""What follows when a job has counted: the job as it goes on."""


class TooManyJobs(Exception):
    """So many jobs are under way that no more is taken."""


class Jobs:
    """The jobs of one spool."""

    def __init__(self, store: Store, acts: Acts, clock: Clock, when_counted: Counted) -> None:
        """Keep them in `store`, have `acts` do them."""
        self._store = store
        self._acts = acts
        self._clock = clock
        self._when_counted = when_counted
        self._wake = asyncio.Event()

    # Keeping

    async def add(self, job: Job) -> Job:
        """Take a job; it begins to count at once.

        Raises:
            TooManyJobs: stop some, or wait.
        """
        number = job.id
        while not await self._store.exchange(_name(number), None, _written(replace(job, id=number))):
            number += 1
        await self._note_open(lambda ids: (*ids, number))
        self._wake.set()
        return replace(job, id=number)

    async def get(self, number: int) -> Job | None:
        """The job of this number."""
        kept = await self._store.recall(_name(number))
        return None if kept is None else _read(kept)

    async def page(self, after: int, limit: int) -> list[Job]:
        """All of them, oldest first."""
        return [_read(kept) for _, kept in await self._store.recall_some(PREFIX, _name(after), limit)]

    async def open_jobs(self) -> list[Job]:
        """Those that have not ended, oldest first."""
        found = [await self.get(number) for number in await self._open_ids()]
        return [job for job in found if job is not None and job.stand not in ENDED]

    async def change(self, number: int, way: Callable[[Job], Job]) -> Job | None:
        """Have a job go another way; None when there is none. Raises what `way` does."""
        while True:
            kept = await self._store.recall(_name(number))
            if kept is None:
                return None
            after = way(_read(kept))
            if await self._store.exchange(_name(number), kept, _written(after)):
                if after.stand in ENDED:
                    await self._note_open(lambda ids: tuple(each for each in ids if each != number))
                self._wake.set()
                return after

    async def _open_ids(self) -> tuple[int, ...]:
        kept = await self._store.recall(OPEN)
        return () if kept is None else msgspec.json.decode(kept, type=tuple[int, ...])

    async def _note_open(self, way: Callable[[tuple[int, ...]], tuple[int, ...]]) -> None:
        while True:
            kept = await self._store.recall(OPEN)
            ids = way(() if kept is None else msgspec.json.decode(kept, type=tuple[int, ...]))
            if len(ids) > OPEN_MAX:
                raise TooManyJobs(f"{OPEN_MAX} jobs are under way: stop some, or wait")
            if await self._store.exchange(OPEN, kept, msgspec.json.encode(ids)):
                return

    # Working

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            wait_s = await self.run_once()
            with contextlib.suppress(TimeoutError):
                await self._until_woken(wait_s)

    async def _until_woken(self, wait_s: float) -> None:
        sleeping = asyncio.ensure_future(self._clock.sleep(wait_s))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleeping, waking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()
        self._wake.clear()

    async def run_once(self) -> float:
        """One step of each job that works; says how many seconds later there is something to do again."""
        try:
            working = [job for job in await self.open_jobs() if job.stand in WORKING]
            waits = [await self._step(job) for job in working]
        except SpoolError as error:
            log.warning("jobs_wait", error=type(error).__name__)
            return TROUBLE_S
        return min(waits, default=IDLE_S)

    async def _step(self, job: Job) -> float:
        """One step of one job; says how many seconds later its next is due."""
        act = ACTS[job.act]
        order = Order(act=act, actor=job.actors, reason=job.reason)
        wanted = self._wanted(job)
        if job.stand is JobStand.COUNTING:
            done = await self._acts.step(wanted, order, STEP_ENTRIES)
            after = counted(job, done)
            await self._keep(job, after if done.next_after else await self._when_counted(after))
            return 0.0
        # At a slow speed a step is what is due in a second, so that a stop is heeded within one.
        limit = min(STEP_ENTRIES, job.per_s) if job.per_s else STEP_ENTRIES
        done = await self._acts.step(wanted, order, limit, room_of(job))
        after = worked(job, done, self._clock.now_us())
        await self._keep(job, after)
        if after.stand in ENDED:
            log.warning("job_ended", job=job.id, act=job.act, stand=after.stand.value, entries=after.changed_count)
        return done.entries / job.per_s if job.per_s else 0.0

    def _wanted(self, job: Job) -> Filter:
        return replace(asks.wanted(job.scope, after=job.after, currency=job.currency), **_bound(job))

    async def _keep(self, before: Job, after: Job) -> None:
        """Write down how far a job is; what a person said of it meanwhile stands."""

        def way(now: Job) -> Job:
            if now.stand is before.stand:
                return replace(after, per_s=now.per_s)
            return replace(after, stand=now.stand, ended_at_us=now.ended_at_us, trouble=now.trouble, per_s=now.per_s)

        await self.change(before.id, way)


def begin(job: Job, actors: str) -> Job:
    """A counted job at work, if it still waits for that."""
    return begun(job, actors) if job.stand in {JobStand.COUNTING, JobStand.WAITING} else job


def _bound(job: Job) -> dict[str, int]:
    """No further than the highest number there was."""
    narrowed = asks.wanted(job.scope, currency=job.currency)
    return {"before": min(narrowed.before or job.up_to + 1, job.up_to + 1)}


def _name(number: int) -> str:
    return f"{PREFIX}{number:020}"


def _written(job: Job) -> bytes:
    return msgspec.json.encode(job)


def _read(kept: bytes) -> Job:
    return msgspec.json.decode(kept, type=Job)
