"""What the verbs do that act on many: order a job, watch it, steer it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.admin.jobs.side import JobShown, JobsPage
from gateway.admin.views import EntryShown
from gateway.cli.client import AdminClient
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach, Scope
from gateway.cli.tables import brief, moneys_text, plain, table_of
from gateway.cli.verbs import API, client_of, safe, tell, told_of
from gateway.clock import Clock, SystemClock

LOOK_S: Final = 0.2
ENDED: Final = {"counted", "done", "stopped"}
WHY: Final = {
    "state": "in a state this can't be done from",
    "changed": "moved on meanwhile",
    "clear": "parked, and not for an answer that nobody heard: nothing to ask",
    "blind": "this billing can't be asked: look there, and close them",
    "sends": "this billing is asked by sending the same again: retry",
    "told": "its channel or payer was told of the refusal",
    "returning": "its end is proposed: the money may have gone back",
    "no_yes": "its channel never had a yes",
    "by_hand": "a person said the no, not billing",
    "doubt": "an earlier attempt went unheard, and this billing knows no doubles",
    "reversed": "its channel has asked to undo it",
    "sealed": "its record does not open, or its index key was changed",
    "lane": "its account has something under way: order it again afterwards",
}
"""Why entries stay as they are, in words."""


def order(
    reach: Reach, act: str, filter_: dict[str, Any], reason: str, *, everything: bool, dry_run: bool, speed: int,
    wait: bool, json: bool, agree: Callable[[str], bool],
) -> int:  # fmt: skip
    """Do an act to what passes a filter, once the person has agreed to count and sum."""
    client, clock = client_of(reach), SystemClock()
    body: dict[str, Any] = {"reason": reason, "filter": filter_, "all": everything}
    counted = client.post(f"{API}/entries/{act}", JobShown, {**body, "dry_run": True})
    counted = asyncio.run(_until(client, counted.id, clock, lambda job: job.stand in ENDED))
    if dry_run or not counted.found:
        tell(counted, job_view, json=json)
        return Exit.DONE if counted.found else Exit.NO
    if not agree(f"{act} {_summed(counted)}?"):
        raise Failure("nothing was changed", Exit.NO)
    job = client.post(f"{API}/entries/{act}", JobShown, {**body, "per_s": speed})
    if wait:
        job = asyncio.run(_until(client, job.id, clock, lambda job: job.stand in ENDED | {"waiting", "paused"}))
    tell(job, job_view, json=json)
    return _exit_of(job)


def narrowed(scope: Scope) -> dict[str, Any]:
    """The filter that the command line's options mean."""
    return {**told_of(scope, SystemClock().now_us()), "state": scope.state or []}


def only(reach: Reach, reference: str) -> dict[str, Any]:
    """A filter that one entry alone passes."""
    entry = client_of(reach).get(f"{API}/entries/{safe(reference)}", EntryShown).entry
    return {"channel": entry.channel, "key": entry.key}


def list_jobs(reach: Reach, after: str, *, everything: bool, json: bool) -> int:
    """Jobs that have not ended, or all there were."""
    query = {"after": after or "0"} if everything else None
    tell(client_of(reach).get(f"{API}/jobs", JobsPage, query), jobs_view, json=json)
    return Exit.DONE


def show(reach: Reach, number: str, *, watch: bool, json: bool) -> int:
    """How far a job is; with `watch` until it ends."""
    client = client_of(reach)
    found = client.get(f"{API}/jobs/{safe(number)}", JobShown)
    if watch:
        found = asyncio.run(_until(client, found.id, SystemClock(), lambda job: job.stand in ENDED))
    tell(found, job_view, json=json)
    return _exit_of(found) if watch else Exit.DONE


def steer(reach: Reach, number: str, word: str, reason: str, *, json: bool) -> int:
    """Pause a job, let it go on, or stop it."""
    tell(client_of(reach).post(f"{API}/jobs/{safe(number)}/{word}", JobShown, {"reason": reason}), job_view, json=json)
    return Exit.DONE


def speed(reach: Reach, number: str, per_s: int, reason: str, *, json: bool) -> int:
    """Have a job go at another speed."""
    body = {"reason": reason, "per_s": per_s}
    tell(client_of(reach).post(f"{API}/jobs/{safe(number)}/speed", JobShown, body), job_view, json=json)
    return Exit.DONE


async def _until(client: AdminClient, number: str, clock: Clock, is_over: Callable[[JobShown], bool]) -> JobShown:
    """Look at a job until it is over, with a bar on a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        while True:
            job = client.get(f"{API}/jobs/{safe(number)}", JobShown)
            found = sum(each.entries for each in job.found)
            bar.update(
                task,
                description=f"{job.act}: {job.stand}",
                total=None if job.stand == "counting" else found,
                completed=round(job.progress * found),
            )
            if is_over(job):
                return job
            await clock.sleep(LOOK_S)


def _exit_of(job: JobShown) -> int:
    return Exit.NO if job.unchanged or job.stand == "stopped" else Exit.DONE


def _summed(job: JobShown) -> str:
    count = sum(each.entries for each in job.found)
    sums = ", ".join(f"{each.amount} {each.currency}" for each in job.found)
    return f"{count} entries ({sums})"


def job_view(job: JobShown) -> RenderableType:
    """What a job did, or would do."""
    if job.stand == "waiting":
        return plain(
            f"{job.act}: {moneys_text(job.found)} wait for a second person; nothing is changed yet\n"
            f"  nightsafe proposals confirm {job.proposal} --reason WHY"
        )
    if job.stand in {"counted", "counting"} or (job.stand == "done" and not job.found):
        lines = [f"{job.act}: would change {moneys_text(job.found) or 'nothing'}"]
    else:
        lines = [f"{job.act}: changed {moneys_text(job.changed) or 'nothing'}"]
    if job.stand not in {"counted", "done"}:
        lines.append(f"job {job.id} is {job.stand}" + (f": {job.trouble}" if job.trouble else ""))
    lines += [f"  not changed, {WHY.get(why, why)}: {count}" for why, count in job.unchanged.items()]
    lines += [f"    {each.number} is {each.state}" for each in job.examples]
    return plain("\n".join(lines))


def jobs_view(page: JobsPage) -> RenderableType:
    """Jobs, one a line."""
    if not page.jobs:
        return plain("no jobs")
    table = table_of("number", "act", "stand", "of", "changed", "by", "ordered", "why")
    for job in page.jobs:
        told = (job.id, job.act, job.stand, moneys_text(job.found), moneys_text(job.changed), job.actors)
        table.add_row(*(plain(text) for text in (*told, brief(job.made_at), job.reason)))
    return table
