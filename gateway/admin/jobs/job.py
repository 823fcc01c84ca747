"""An act on many entries as a job: what is ordered, how far it is, what came of it. Pure data, and the rules of its ways.

```
            counting ──▶ running ⇄ paused
               │  └──▶ waiting (for a second person) ──▶ running
               └──▶ counted (a dry run)                    │
            any of these but the ends ──▶ stopped          └──▶ done | stopped
```

It counts first what it would change, so that whoever has to confirm sees it. It ends: it goes through numbers upwards,
no further than the highest there was when it was ordered.
"""

import enum
from typing import Final

import msgspec
from msgspec.structs import replace

from gateway.admin.asks import Scope
from gateway.admin.entries.acts import Done
from spool.tally import NOTHING, Sum

EXAMPLES_MAX: Final = 20

MORE: Final = "more passes now than was counted: order it anew"


class JobStand(enum.StrEnum):
    """Where a job is."""

    COUNTING = "counting"
    COUNTED = "counted"
    """A dry run's end."""
    WAITING = "waiting"
    """For a second person."""
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    STOPPED = "stopped"


ENDED: Final = frozenset({JobStand.COUNTED, JobStand.DONE, JobStand.STOPPED})
WORKING: Final = frozenset({JobStand.COUNTING, JobStand.RUNNING})


class Left(msgspec.Struct, frozen=True):
    """An entry that stayed as it was."""

    number: int
    state: str
    why: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as it is kept."""

    #: Rises with time: microseconds since 1970 when it was ordered.
    id: int
    #: Which act: `hold`, `release`, `inquire`, `retry`, `reopen`.
    act: str
    scope: Scope
    currency: str
    dry_run: bool
    #: Who ordered it; with whoever confirmed it, once it was.
    maker: str
    actors: str
    reason: str
    made_at_us: int
    #: Entries a second; 0 = as fast as the spool takes them.
    per_s: int
    #: The highest number it goes to.
    up_to: int
    stand: JobStand = JobStand.COUNTING
    #: How far the count, and then the work, has come.
    after: int = 0
    #: What it found it would change: count and sum by currency.
    found: dict[str, tuple[int, int]] = {}
    #: What it changed.
    changed: dict[str, tuple[int, int]] = {}
    #: How many stayed as they were, by why, and the first of them.
    unchanged: dict[str, int] = {}
    examples: tuple[Left, ...] = ()
    #: The proposal that waits for a second person, or was confirmed; 0 where one person is enough.
    proposal: int = 0
    #: When it ended; 0 while it hasn't.
    ended_at_us: int = 0
    #: Why it stopped, or waits for the spool; empty while all is well.
    trouble: str = ""

    @property
    def found_count(self) -> int:
        """Entries it would change."""
        return sum(entries for entries, _ in self.found.values())

    @property
    def changed_count(self) -> int:
        """Entries it changed."""
        return sum(entries for entries, _ in self.changed.values())


class NotNow(Exception):
    """This can't be said to this job now; the message says why."""


def counted(job: Job, step: Done) -> Job:
    """The job after a step of its count; at the end of it, it stands at `counting` with nothing to go on from."""
    after = replace(job, found=_added(job.found, step.sums), after=step.next_after)
    return _left(after, step) if job.dry_run else after


def worked(job: Job, step: Done, now_us: int) -> Job:
    """The job after a step of its work."""
    after = replace(_left(job, step), changed=_added(job.changed, step.sums), after=step.next_after, trouble="")
    if step.cut:
        return replace(after, stand=JobStand.STOPPED, ended_at_us=now_us, trouble=MORE)
    if step.next_after:
        return after
    return replace(after, stand=JobStand.DONE, ended_at_us=now_us)


def _left(job: Job, step: Done) -> Job:
    """The job with what a step left as it was."""
    unchanged = {**job.unchanged}
    for why, count in step.unchanged.items():
        unchanged[why.value] = unchanged.get(why.value, 0) + count
    left = tuple(Left(each.number, each.state.word, each.why.value) for each in step.examples)
    return replace(job, unchanged=unchanged, examples=(*job.examples, *left)[:EXAMPLES_MAX])


def begun(job: Job, actors: str) -> Job:
    """The job at the beginning of its work."""
    return replace(job, stand=JobStand.RUNNING, actors=actors, after=0)


def paused(job: Job) -> Job:
    """The job, paused.

    Raises:
        NotNow: it isn't running.
    """
    if job.stand is not JobStand.RUNNING:
        raise NotNow(f"it is {job.stand}; only a running job can be paused")
    return replace(job, stand=JobStand.PAUSED)


def resumed(job: Job) -> Job:
    """The job, going on where it was paused.

    Raises:
        NotNow: it isn't paused.
    """
    if job.stand is not JobStand.PAUSED:
        raise NotNow(f"it is {job.stand}; only a paused job can go on")
    return replace(job, stand=JobStand.RUNNING)


def stopped(job: Job, now_us: int, why: str) -> Job:
    """The job, ended where it is; what it did stays done.

    Raises:
        NotNow: it has ended already.
    """
    if job.stand in ENDED:
        raise NotNow(f"it is {job.stand} already")
    return replace(job, stand=JobStand.STOPPED, ended_at_us=now_us, trouble=why)


def paced(job: Job, per_s: int) -> Job:
    """The job at another speed.

    Raises:
        NotNow: it has ended already.
    """
    if job.stand in ENDED:
        raise NotNow(f"it is {job.stand} already")
    return replace(job, per_s=per_s)


def room_of(job: Job) -> dict[str, Sum]:
    """How much more it may change, by currency: what it counted and hasn't changed yet."""
    found = dict[str, Sum]()
    for currency, (entries, amount) in job.found.items():
        done = job.changed.get(currency, (0, 0))
        found[currency] = Sum(max(0, entries - done[0]), max(0, amount - done[1]))
    return found


def _added(have: dict[str, tuple[int, int]], more: dict[str, Sum]) -> dict[str, tuple[int, int]]:
    found = {currency: Sum(*figures) for currency, figures in have.items()}
    for currency, total in more.items():
        found[currency] = found.get(currency, NOTHING) + total
    return {currency: (total.entries, total.amount) for currency, total in found.items()}
