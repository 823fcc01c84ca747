"""Jobs: counted, confirmed, worked on step by step, paused, stopped, resumed by another process."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.admin.asks import Scope
from gateway.admin.entries.acts import Act as Deed
from gateway.admin.entries.acts import Acts, Done, Unchanged
from gateway.admin.entries.why import Why
from gateway.admin.jobs.job import (
    MORE,
    Job,
    JobStand,
    NotNow,
    counted,
    paced,
    paused,
    resumed,
    room_of,
    stopped,
    worked,
)
from gateway.admin.jobs.jobs import IDLE_S, OPEN_MAX, TROUBLE_S, Jobs, TooManyJobs, begin
from spool.errors import SpoolClosed
from spool.lifecycle import State
from spool.store import Filter
from spool.tally import Sum
from tests.unit.test_admin_acts import NOW_US, Desk


def job(**changes: Any) -> Job:
    """Anna's order to hold everything."""
    made: dict[str, Any] = {
        "id": 7,
        "act": "hold",
        "scope": Scope(route="main"),
        "currency": "RUB",
        "dry_run": False,
        "maker": "anna",
        "actors": "anna",
        "reason": "a drill",
        "made_at_us": NOW_US,
        "per_s": 0,
        "up_to": 10**6,
    }
    return Job(**{**made, **changes})


class Office:
    """Jobs over a desk; what is counted is begun at once, or waits."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.alone = True
        self.jobs = Jobs(desk.store, desk.acts, desk.clock, self._when_counted)

    async def _when_counted(self, counted_: Job) -> Job:
        if not self.alone:
            return replace(counted_, stand=JobStand.WAITING)
        return begin(counted_, counted_.maker)

    async def until(self, number: int, *stands: JobStand) -> Job:
        """Work until a job stands so."""
        for _ in range(1_000):
            found = await self.jobs.get(number)
            assert found is not None
            if found.stand in stands:
                return found
            await self.jobs.run_once()
        raise AssertionError(found)


@pytest.fixture
async def office() -> Office:
    """Six hundred payments that wait, the last of another route."""
    desk = Desk()
    await desk.spool.open(NOW_US)
    for number in range(1, 601):
        await desk.payment(number, route="other" if number == 600 else "main")
    return Office(desk)


async def test_a_job_counts_and_then_does_it(office: Office) -> None:
    """Step by step to its end, with count and sum; the persons' names stand in the histories."""
    made = await office.jobs.add(job())
    done = await office.until(made.id, JobStand.DONE)
    assert (done.found, done.changed, done.unchanged) == ({"RUB": (599, 59_900)}, {"RUB": (599, 59_900)}, {})
    assert (await office.desk.state(599), await office.desk.state(600)) == (State.HELD, State.READY)
    assert (await office.desk.store.history(1))[-1].actor == "anna"
    assert await office.jobs.open_jobs() == []


async def test_what_comes_after_the_order_is_not_meant(office: Office) -> None:
    """It ends, however many payments come meanwhile."""
    made = await office.jobs.add(job(up_to=300))
    done = await office.until(made.id, JobStand.DONE)
    assert done.changed == {"RUB": (300, 30_000)}
    assert await office.desk.state(301) is State.READY


async def test_what_waits_for_a_second_person_moves_nothing(office: Office) -> None:
    """However often it is looked at; confirmed, it is done in both names."""
    office.alone = False
    made = await office.jobs.add(job())
    await office.until(made.id, JobStand.WAITING)
    assert [await office.jobs.run_once() for _ in range(3)] == [IDLE_S] * 3
    assert await office.desk.state(1) is State.READY
    await office.jobs.change(made.id, lambda waiting: begin(waiting, "anna+boris"))
    await office.until(made.id, JobStand.DONE)
    assert (await office.desk.store.history(1))[-1].actor == "anna+boris"


async def test_no_more_is_moved_than_was_counted(office: Office) -> None:
    """What came to pass since the count was confirmed by nobody."""
    office.alone = False
    made = await office.jobs.add(job(scope=Scope(state=["ready"]), up_to=10))
    await office.until(made.id, JobStand.WAITING)
    await office.jobs.change(made.id, lambda waiting: replace(waiting, found={"RUB": (4, 400)}))
    await office.jobs.change(made.id, lambda waiting: begin(waiting, "anna+boris"))
    ended = await office.until(made.id, JobStand.STOPPED)
    assert (ended.changed, ended.trouble) == ({"RUB": (4, 400)}, MORE)
    assert (await office.desk.state(4), await office.desk.state(5)) == (State.HELD, State.READY)


async def test_another_process_goes_on_where_the_first_was(office: Office) -> None:
    """The job is in the spool, and so is its place."""
    made = await office.jobs.add(job())
    await office.until(made.id, JobStand.RUNNING)
    await office.jobs.run_once()
    half = await office.jobs.get(made.id)
    assert half is not None
    assert 0 < half.changed_count < 599
    done = await Office(office.desk).until(made.id, JobStand.DONE)
    assert done.changed_count == 599


async def test_a_step_done_twice_changes_nothing_twice(office: Office) -> None:
    """Its process died between the moves and the note of them: what was moved passes no more."""
    made = await office.jobs.add(job())
    running = await office.until(made.id, JobStand.RUNNING)
    await office.jobs.run_once()
    await office.jobs.change(made.id, lambda _: running)
    await office.until(made.id, JobStand.DONE)
    history = await office.desk.store.history(1)
    assert [event.name for event in history] == ["record", "hold"]


async def test_a_paused_job_stays_and_a_stopped_one_ends(office: Office) -> None:
    """At the next step."""
    made = await office.jobs.add(job())
    await office.until(made.id, JobStand.RUNNING)
    await office.jobs.change(made.id, paused)
    assert await office.jobs.run_once() == IDLE_S
    await office.jobs.change(made.id, resumed)
    await office.jobs.run_once()
    await office.jobs.change(made.id, lambda now: stopped(now, NOW_US, "enough"))
    await office.jobs.run_once()
    ended = await office.jobs.get(made.id)
    assert ended is not None
    assert (ended.stand, ended.trouble, ended.changed_count) == (JobStand.STOPPED, "enough", 256)
    assert await office.jobs.open_jobs() == []


async def test_a_slow_job_waits_between_its_steps(office: Office) -> None:
    """At a hundred a second: a hundred, and a second until the next."""
    made = await office.jobs.add(job(per_s=100))
    await office.until(made.id, JobStand.RUNNING)
    assert await office.jobs.run_once() == 1.0
    found = await office.jobs.get(made.id)
    assert found is not None
    assert found.changed_count == 100


class Pausing(Acts):
    """Somebody says a word while a step is under way."""

    jobs: Jobs
    word: Callable[[Job], Job]

    async def step(self, wanted: Filter, order: Any, limit: int, room: Any = None) -> Done:
        """A step, and a word before it is noted."""
        done = await super().step(wanted, order, limit, room)
        if room is not None:
            await self.jobs.change(7, self.word)
        return done


async def test_a_word_during_a_step_stands_and_the_step_counts(office: Office) -> None:
    """Neither is written over by the other."""
    desk = office.desk
    acts = Pausing(
        desk.spool,
        desk.store,
        desk.clock,
        {"main": desk.forwarder},
        desk.reopening_of(desk.spool),
        unaskable=lambda _entry: None,
    )
    acts.word = paused
    office.jobs = acts.jobs = Jobs(desk.store, acts, desk.clock, office._when_counted)
    await office.jobs.add(job())
    found = await office.until(7, JobStand.PAUSED)
    assert found.changed_count == 256


class Refused(Acts):
    """The spool takes nothing, once."""

    refusals = 1

    async def step(self, wanted: Filter, order: Any, limit: int, room: Any = None) -> Done:
        """Nothing is done the first time."""
        if room is not None and self.refusals:
            self.refusals -= 1
            raise SpoolClosed("the disk is full")
        return await super().step(wanted, order, limit, room)


async def test_while_the_spool_takes_nothing_jobs_wait(office: Office) -> None:
    """And go on by themselves."""
    desk = office.desk
    acts = Refused(
        desk.spool,
        desk.store,
        desk.clock,
        {"main": desk.forwarder},
        desk.reopening_of(desk.spool),
        unaskable=lambda _entry: None,
    )
    office.jobs = Jobs(desk.store, acts, desk.clock, office._when_counted)
    made = await office.jobs.add(job())
    await office.until(made.id, JobStand.RUNNING)
    assert await office.jobs.run_once() == TROUBLE_S
    assert (await office.until(made.id, JobStand.DONE)).changed_count == 599


async def test_so_many_jobs_are_enough(office: Office) -> None:
    """A program gone wild fills no memory."""
    for number in range(OPEN_MAX):
        await office.jobs.add(job(id=100 + number))
    with pytest.raises(TooManyJobs):
        await office.jobs.add(job(id=1_000))


async def test_two_ordered_at_once_are_two(office: Office) -> None:
    """The second gets the next number."""
    first, second = await office.jobs.add(job()), await office.jobs.add(job())
    assert (first.id, second.id) == (7, 8)
    assert [each.id for each in await office.jobs.page(0, 10)] == [7, 8]


async def test_there_is_nothing_to_say_to_a_job_that_is_not_there(office: Office) -> None:
    """None, not a new one."""
    assert (await office.jobs.get(99), await office.jobs.change(99, paused)) == (None, None)


@pytest.mark.parametrize(
    ("stand", "way"),
    [
        (JobStand.COUNTING, paused),
        (JobStand.PAUSED, paused),
        (JobStand.DONE, paused),
        (JobStand.RUNNING, resumed),
        (JobStand.WAITING, resumed),
        (JobStand.DONE, lambda now: stopped(now, 1, "late")),
        (JobStand.STOPPED, lambda now: paced(now, 5)),
    ],
)
def test_what_cannot_be_said_now_is_refused(stand: JobStand, way: Callable[[Job], Job]) -> None:
    """With the reason."""
    with pytest.raises(NotNow, match=stand.value):
        way(job(stand=stand))


def test_a_stopped_job_is_not_begun_by_a_late_confirmation() -> None:
    """It stays as it is."""
    assert begin(job(stand=JobStand.STOPPED), "anna+boris").stand is JobStand.STOPPED


def done(**changes: Any) -> Done:
    """A step that did nothing."""
    made: dict[str, Any] = {"act": Deed.HOLD, "dry_run": False, "sums": {}, "unchanged": {}, "examples": ()}
    return Done(**{**made, **changes})


def test_steps_add_up() -> None:
    """By currency, and by why; the first that stayed are named."""
    first = counted(job(), done(sums={"RUB": Sum(2, 200)}, next_after=9))
    second = counted(first, done(sums={"RUB": Sum(1, 50), "USD": Sum(1, 7)}))
    assert (second.found, second.after) == ({"RUB": (3, 250), "USD": (1, 7)}, 0)
    stayed = (Unchanged(5, State.POSTED, Why.STATE),)
    after = worked(second, done(sums={"RUB": Sum(2, 200)}, unchanged={Why.STATE: 1}, examples=stayed, next_after=5), 1)
    assert room_of(after) == {"RUB": Sum(1, 50), "USD": Sum(1, 7)}
    assert (after.unchanged, after.examples[0].state, after.stand) == ({"state": 1}, "posted", JobStand.COUNTING)
