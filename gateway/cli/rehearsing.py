"""The verb `rehearse`: plays the outages there are against a configuration, and says what was seen."""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Group, RenderableType

from gateway.cli.exits import Exit, Failure
from gateway.cli.tables import plain, show, table_of
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
        raise Failure(f"{error}; there are: {', '.join(Kind)}", Exit.UNFIT) from error
    made = loading.load(config_path(config))
    set_up("error", "text")
    seen = [each for kind in wanted for each in _played(made, kind, pace)]
    told = Rehearsed(ok=all(each.is_well for each in seen), seen=tuple(seen))
    if json:
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        show(view(told))
    return Exit.DONE if told.ok else Exit.NO


def _played(config: Config, kind: Kind, pace: Pace) -> list[Seen]:
    sys.stderr.write(f"{kind.value} ...\n")
    with tempfile.TemporaryDirectory(prefix="nightsafe-rehearsal-") as folder:
        try:
            return asyncio.run(play(config, kind, Path(folder), SystemClock(), pace))
        except (SpoolUnfit, KeysUnfit, OSError) as error:
            raise Failure(f"{kind.value} can't be rehearsed on this machine: {error}", Exit.CANNOT_START) from error


def view(told: Rehearsed) -> RenderableType:
    """Two tables and a sentence."""
    payers = table_of("outage", "route", "payments", "posted", "provisional", "try later", "no", "unclear", "slowest")
    billing = table_of(
        "outage", "route", "known after", "back after", "drained", "booked", "lost", "twice", "parked", "why"
    )
    for each in told.seen:
        counts = (each.payments, each.posted, each.provisional, each.try_later, each.refused, each.unclear)
        slowest = f"{each.slowest_s:.2f} s ({each.slowest_before_s:.2f} s before)"
        payers.add_row(*(plain(text) for text in (each.kind, each.route, *map(str, counts), slowest)))
        times = [seconds(each.known_after_s), seconds(each.back_after_s), seconds(each.drained_after_s)]
        figures = map(str, (each.booked, each.lost, each.doubled, each.for_a_person))
        billing.add_row(*(plain(text) for text in (each.kind, each.route, *times, *figures, each.diagnosis)))
    return Group(plain("What payers saw:"), payers, plain("What billing saw:"), billing, plain(sentence(told)))


def sentence(told: Rehearsed) -> str:
    """What it comes to."""
    if told.ok:
        return "Every payment that was answered yes was booked once, or is on a duty list; nothing waits."
    found = [
        f"{each.kind} on {each.route}: {each.lost} lost, {each.doubled} booked twice, {each.booked_after_no} booked after a"
        f" no, {'' if each.drained_after_s is not None else 'not '}through in time"
        for each in told.seen
        if not each.is_well
    ]
    return "\n".join(("SOMETHING IS OFF", *found))


def seconds(found: float | None) -> str:
    """Seconds as shown; a dash where it did not come to that."""
    return "-" if found is None else f"{found:.1f} s"
