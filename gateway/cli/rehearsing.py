"""The verb `rehearse`: plays the outages there are against a configuration, and says what was seen."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType

from gateway.cli.exits import Exit, Failure
from gateway.cli.tables import plain, show, table_of, why_in_words
from gateway.clock import SystemClock
from gateway.config import load as loading
from gateway.config.model import Config
from gateway.config.path import config_path
from gateway.log import set_up
from gateway.rehearse.kinds import Kind, Rehearsed, Seen
from gateway.rehearse.play import Pace, play
from spool.errors import KeysUnfit, SpoolUnfit


def rehearse(config: Path | None, kinds: Sequence[str], pace: Pace, *, json: bool) -> int:
    """Play each kind; 1 when anything was lost, doubled, booked after a no, or not through in time.

    Raises:
        ConfigUnfit: the configuration has faults.
        Failure: there is no such kind, or this machine can't do it.
    """
    try:
        wanted = [Kind(kind) for kind in kinds] or list(Kind)
    except ValueError as error:
        raise Failure(f"{unknown(kinds)}; there are: {', '.join(Kind)}", Exit.UNFIT) from error
    # Keys and secrets may be elsewhere, or not made yet: none is used.
    made = loading.load_outline(config_path(config))
    set_up("error", "text")
    seen = [each for kind in wanted for each in _played(made, kind, pace)]
    told = Rehearsed(ok=all(each.is_well for each in seen), seen=tuple(seen))
    if json:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        show(view(told))
    return Exit.DONE if told.ok else Exit.NO


def unknown(kinds: Sequence[str]) -> str:
    """The first of these that is no kind of outage, in words."""
    return f"no kind of outage: {next(kind for kind in kinds if kind not in set(Kind))}"


def _played(config: Config, kind: Kind, pace: Pace) -> list[Seen]:
    sys.stderr.write(f"{kind.value} ...\n")
    with tempfile.TemporaryDirectory(prefix="nightsafe-rehearsal-") as folder:
        try:
            return asyncio.run(play(config, kind, Path(folder), SystemClock(), pace))
        except (SpoolUnfit, KeysUnfit, OSError) as error:
            raise Failure(f"{kind.value} can't be rehearsed on this machine: {error}", Exit.CANNOT_START) from error


def view(told: Rehearsed) -> RenderableType:
    """Two tables, whom the policy turned away, and a sentence."""
    payers = table_of("outage", "route", "payments", "posted", "provisional", "try later", "no", "unclear", "slowest")
    billing = table_of(
        "outage", "route", "known after", "back after", "drained", "booked", "lost", "twice", "parked", "why"
    )
    for each in told.seen:
        counts = (each.payments, each.posted, each.provisional, each.try_later, each.refused, each.unclear)
        slowest = f"{each.slowest_s:.2f} s of {each.deadline_s:g} s ({each.slowest_before_s:.2f} s in health)"
        payers.add_row(*(plain(text) for text in (each.kind, each.route, *map(str, counts), slowest)))
        times = [seconds(each.known_after_s), seconds(each.back_after_s), seconds(each.drained_after_s)]
        figures = map(str, (each.booked, each.lost, each.doubled, each.for_a_person))
        billing.add_row(*(plain(text) for text in (each.kind, each.route, *times, *figures, each.diagnosis)))
    last = "\n".join((*turned_away(told), *never_opened(told), *left_on_trial(told), sentence(told)))
    return Group(plain("What payers saw:"), payers, plain("What billing saw:"), billing, plain(last))


def turned_away(told: Rehearsed) -> list[str]:
    """For each outage and route whose payers were told to try later: why, the most frequent reason first."""
    return [
        f"{each.kind} on {each.route} turned {each.try_later} away: {', '.join(reasons_of(each))}"
        for each in told.seen
        if each.try_later
    ]


def never_opened(told: Rehearsed) -> list[str]:
    """For each outage and route that was none to the route: what its payers were answered by."""
    return [
        f"{each.kind} on {each.route}: billing was never taken for down; payers were answered in its place where it couldn't"
        for each in told.seen
        if each.known_after_s is None
    ]


def left_on_trial(told: Rehearsed) -> list[str]:
    """For each outage and route that payments didn't pass through again, though nothing of it was left: why."""
    return [
        f"{each.kind} on {each.route}: when billing could be tried again nobody paid any more, and only a payment tells"
        for each in told.seen
        if each.known_after_s is not None and each.back_after_s is None and each.drained_after_s is not None
    ]


def reasons_of(seen: Seen) -> list[str]:
    """How many payers were turned away by what."""
    counted = sorted(seen.turned_away.items(), key=itemgetter(1), reverse=True)
    return [f"{count} ({why_in_words(why)})" for why, count in counted]


def sentence(told: Rehearsed) -> str:
    """What it comes to."""
    if told.ok:
        return "Every payment that was answered yes was booked once, or is on a duty list; nothing else waits."
    found = [f"{each.kind} on {each.route}: {', '.join(what_is_off(each))}" for each in told.seen if not each.is_well]
    return "\n".join(("SOMETHING IS OFF", *found))


def what_is_off(seen: Seen) -> list[str]:
    """What went wrong on a route, and nothing else."""
    counts = {"lost": seen.lost, "booked twice": seen.doubled, "booked after a no": seen.booked_after_no}
    late = ["not all through in time"] if seen.drained_after_s is None else []
    return [f"{count} {what}" for what, count in counts.items() if count] + late


def seconds(found: float | None) -> str:
    """Seconds as shown; a dash where it did not come to that."""
    return "-" if found is None else f"{found:.1f} s"
