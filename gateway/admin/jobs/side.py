"""The admin side's part for jobs: ordered, shown, paused, stopped; above a limit confirmed by a second person."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from adapters.amount import scale
from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.duties.proposal import Proposal
from gateway.admin.duties.proposals import NotDone, Proposals, TooMany
from gateway.admin.entries.acts import Act, Acts
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.jobs.job import Job, JobStand, NotNow, paced, paused, resumed, stopped
from gateway.admin.jobs.jobs import Jobs, TooManyJobs, begin
from gateway.admin.state.meter import AdminMeter
from gateway.admin.views import Money, UnchangedRow, moment, money
from gateway.log import log
from spool.entry import Act as Deed
from spool.tally import Sum

SPEED_MAX: Final = 100_000

Speed = Annotated[int, Meta(ge=0, le=SPEED_MAX)]


class JobBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An act on many."""

    reason: asks.Reason
    filter: asks.Scope = asks.Scope()
    #: Say so to mean every entry there is.
    all: bool = False
    #: Only count.
    dry_run: bool = False
    #: Entries a second; 0 = as fast as the spool takes them.
    per_s: Speed = 0


class SpeedBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another speed."""

    reason: asks.Reason
    per_s: Speed


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a second person confirms: a job as it was counted."""

    job: int
    found: dict[str, tuple[int, int]]
    scope: asks.Scope


class JobShown(msgspec.Struct, frozen=True, kw_only=True):
    """One job."""

    id: str
    act: str
    filter: asks.Scope
    dry_run: bool
    #: `counting`, `counted`, `waiting`, `running`, `paused`, `done`, `stopped`.
    stand: str
    maker: str
    #: Both persons where a second one confirmed.
    actors: str
    reason: str
    made_at: str
    ended_at: str
    per_s: int
    #: What it found it would change, what it changed, and what stayed as it was, by why.
    found: tuple[Money, ...]
    changed: tuple[Money, ...]
    unchanged: dict[str, int]
    examples: tuple[UnchangedRow, ...]
    #: How much of what was found it has been through, 0 to 1.
    progress: float
    #: The proposal a second person has to confirm, or has; empty where one is enough.
    proposal: str
    trouble: str


class JobsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs, oldest first."""

    jobs: tuple[JobShown, ...]
    #: Put this as `after` to get the next page; empty on the last.
    next: str = ""


class JobSide:
    """Answers about jobs, and keeps them going."""

    def __init__(self, desk: Desk, meter: AdminMeter, acts: Acts, proposals: Proposals, currency: str) -> None:
        """Work on what is on the desk. Amounts are in `currency` if not said."""
        self._desk = desk
        self._meter = meter
        self._proposals = proposals
        self._currency = currency
        self._second = desk.config.admin.second_person
        self.jobs = Jobs(desk.spool.store, acts, desk.clock, self._when_counted)
        proposals.add_doer("job", self._confirmed)

    async def order(self, call: Call) -> JobShown:
        """Take an order; it is counted first."""
        told = asks.body_of(call.body, JobBody)
        if told.filter.narrows == told.all:
            raise Trouble(Code.INVALID, 'name a filter, or "all": true, and not both')
        # Whatever is wrong with the filter is said now.
        asks.wanted(told.filter, currency=self._currency)
        now_us, name = self._desk.clock.now_us(), call.person.name
        job = Job(
            id=now_us,
            act=call.parts[0],
            scope=told.filter,
            currency=self._currency,
            dry_run=told.dry_run,
            maker=name,
            actors=name,
            reason=asks.plain(told.reason),
            made_at_us=now_us,
            per_s=told.per_s,
            up_to=await self._desk.spool.store.highest_number(),
        )
        try:
            made = await self.jobs.add(job)
        except TooManyJobs as error:
            raise Trouble(Code.UNDECIDABLE, str(error)) from error
        if not told.dry_run:
            await self._did(call, f"job_{job.act}", made)
        return job_shown(made)

    async def list(self, call: Call) -> JobsPage:
        """All jobs, oldest first; without `after`, those that have not ended."""
        after = asks.after_alone(call.query)
        if not call.query:
            return JobsPage(jobs=tuple(map(job_shown, await self.jobs.open_jobs())))
        found = await self.jobs.page(after, asks.LIMIT_DEFAULT)
        following = str(found[-1].id) if len(found) == asks.LIMIT_DEFAULT else ""
        return JobsPage(jobs=tuple(map(job_shown, found)), next=following)

    async def show(self, call: Call) -> JobShown:
        """One job."""
        found = await self.jobs.get(int(call.parts[0]))
        if found is None:
            raise Trouble(Code.NO_SUCH_JOB)
        return job_shown(found)

    async def steer(self, call: Call) -> JobShown:
        """Pause a job, let it go on, or stop it."""
        reason = asks.plain(asks.body_of(call.body, asks.OneBody).reason)
        ways: dict[str, Callable[[Job], Job]] = {
            "pause": paused,
            "resume": resumed,
            "stop": partial(stopped, now_us=self._desk.clock.now_us(), why=f"{call.person.name}: {reason}"),
        }
        return await self._change(call, ways[call.parts[1]], f"job_{call.parts[1]}")

    async def speed(self, call: Call) -> JobShown:
        """Have a job go at another speed."""
        told = asks.body_of(call.body, SpeedBody)
        asks.plain(told.reason)
        return await self._change(call, partial(paced, per_s=told.per_s), "job_speed")

    async def _change(self, call: Call, way: Callable[[Job], Job], act: str) -> JobShown:
        try:
            found = await self.jobs.change(int(call.parts[0]), way)
        except NotNow as error:
            raise Trouble(Code.UNDECIDABLE, str(error)) from error
        if found is None:
            raise Trouble(Code.NO_SUCH_JOB)
        await self._did(call, act, found)
        return job_shown(found)

    async def _did(self, call: Call, act: str, job: Job) -> None:
        """Count it, log it, and put it into the log of what persons did."""
        note = asks.body_of(call.body, _Reasoned).reason
        now_us, name = self._desk.clock.now_us(), call.person.name
        detail = f"{job.act}, {job.per_s or 'any'} a second"
        await self._desk.spool.store.act(
            Deed(at_us=now_us, name=act, subject=str(job.id), detail=detail, actor=name, note=note)
        )
        self._meter.acted(act)
        log.warning("admin_job", act=act, job=job.id, actor=name, role=call.person.role)

    # A second person

    async def _when_counted(self, job: Job) -> Job:
        """A counted job as it goes on: at its end, at work, or waiting for a second person."""
        now_us = self._desk.clock.now_us()
        if job.dry_run:
            return msgspec.structs.replace(job, stand=JobStand.COUNTED, ended_at_us=now_us)
        if not job.found_count:
            return msgspec.structs.replace(job, stand=JobStand.DONE, ended_at_us=now_us)
        if not self._needs_two(job):
            return begin(job, job.maker)
        order = JobOrder(job=job.id, found=job.found, scope=job.scope)
        sums = ", ".join(f"{each.entries} ({each.amount} {each.currency})" for each in _moneys(job.found))
        try:
            made = await self._proposals.propose(
                "job", str(job.id), f"{job.act} {sums}", msgspec.json.encode(order), maker=job.maker, reason=job.reason
            )
        except TooMany as error:
            return stopped(job, now_us, str(error))
        return msgspec.structs.replace(job, stand=JobStand.WAITING, proposal=made.id)

    def _needs_two(self, job: Job) -> bool:
        """It takes refusals back, or is about more entries, or more money, than one person may move alone."""
        most = self._second.act_alone_max
        return (
            job.act == Act.REOPEN.word
            or job.found_count > self._second.act_alone_entries_max
            or any(amount > scale(currency).read(most) for currency, (_, amount) in job.found.items())
        )

    async def _confirmed(self, proposal: Proposal) -> str:
        """Let a job work that two persons want. See `proposals.Doer`."""
        order = msgspec.json.decode(proposal.order, type=JobOrder)
        found = await self.jobs.change(order.job, lambda job: begin(job, proposal.actors))
        if found is None or found.stand is JobStand.STOPPED:
            raise NotDone("the job was stopped")
        return f"job {found.id} is {found.stand}"


class _Reasoned(msgspec.Struct, frozen=True):
    """What every order has."""

    reason: asks.Reason


def job_shown(job: Job) -> JobShown:
    """A job as it is shown."""
    found = job.found_count
    return JobShown(
        id=str(job.id),
        act=job.act,
        filter=job.scope,
        dry_run=job.dry_run,
        stand=job.stand.value,
        maker=job.maker,
        actors=job.actors,
        reason=job.reason,
        made_at=moment(job.made_at_us),
        ended_at=moment(job.ended_at_us),
        per_s=job.per_s,
        found=_moneys(job.found),
        changed=_moneys(job.changed),
        unchanged=job.unchanged,
        examples=tuple(UnchangedRow(number=str(each.number), state=each.state, why=each.why) for each in job.examples),
        progress=_progress(job, found),
        proposal=str(job.proposal or ""),
        trouble=job.trouble,
    )


def _progress(job: Job, found: int) -> float:
    if job.stand in {JobStand.DONE, JobStand.COUNTED}:
        return 1.0
    been_through = job.changed_count + sum(job.unchanged.values())
    # What stays as it is needn't have been found.
    return min(1.0, round(been_through / found, 4)) if found else 0.0


def _moneys(figures: dict[str, tuple[int, int]]) -> tuple[Money, ...]:
    return tuple(money(currency, Sum(*figures[currency])) for currency in sorted(figures))
