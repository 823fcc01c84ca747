"""Which events go into a sink's next message, and when. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from gateway.telling.condition import MANNERS
from gateway.telling.event import US, Event, Kind, Severity
from gateway.telling.settings import PaceSettings, SinkSettings

QUIET_LOOK_S: Final = 60.0
"""In quiet hours it is looked so often whether they are over."""


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now."""

    #: To be told now; empty when nothing is.
    events: tuple[Event, ...] = ()
    #: Up to here there is nothing for this sink: it has told so far without telling anything.
    passed: int = 0
    #: Seconds until it is to be looked again; 0 when something new has to come.
    wait_s: float = 0.0


def wants(event: Event, sink: str, settings: SinkSettings) -> bool:
    """Whether a sink is told of an event. None is told of its own trouble, and a channel's of its own returns alone."""
    least = Severity[settings.least.upper()]
    if event.kind is Kind.SINK_TROUBLE and event.subject == sink:
        return False
    if event.kind is Kind.TEST:
        return event.subject == sink
    if settings.channel or event.kind is Kind.CHANNEL_RETURNS:
        is_its_own = event.kind is Kind.CHANNEL_RETURNS and event.subject == settings.channel
        return is_its_own and event.severity >= least
    return event.severity >= least or MANNERS[event.kind].to_all


def choose(events: Sequence[Event], sink: str, settings: SinkSettings, now_us: int, sent_us: int) -> Choice:
    """Of events that wait, those to tell now, given when the last message left (0: none did)."""
    wanted = [event for event in events if wants(event, sink, settings)]
    if not wanted:
        return Choice(passed=events[-1].sequence if events else 0)
    wait_s = max(
        _left_s(settings.pace.gather_s, wanted[0].at_us, now_us),
        _left_s(settings.pace.interval_s, sent_us, now_us) if sent_us else 0.0,
    )
    # A test is a person who waits.
    if any(event.kind is Kind.TEST for event in wanted):
        wait_s = 0.0
    elif is_quiet(settings.pace, now_us) and not any(event.severity is Severity.CRITICAL for event in wanted):
        wait_s = max(wait_s, QUIET_LOOK_S)
    return Choice(wait_s=wait_s) if wait_s > 0 else Choice(events=tuple(wanted))


def _left_s(span_s: float, since_us: int, now_us: int) -> float:
    """What is left of a span; nothing where the clock was set back since: nobody waits until it is that late again."""
    return span_s - (now_us - since_us) / US if now_us >= since_us else 0.0


def is_quiet(settings: PaceSettings, now_us: int) -> bool:
    """Whether these are a sink's quiet hours."""
    if settings.quiet_from is None or settings.quiet_until is None:
        return False
    now = datetime.fromtimestamp(now_us // US, UTC).astimezone(ZoneInfo(settings.time_zone)).time()
    begins, ends = time.fromisoformat(settings.quiet_from), time.fromisoformat(settings.quiet_until)
    return begins <= now < ends if begins <= ends else now >= begins or now < ends
