"""What a sink is given to send: whole, in every form a way may need. Pure."""

import enum
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.telling.event import US, Event, Phase, Severity
from gateway.telling.words.speech import Speech

LINES_MAX: Final = 40
"""Events of one letter that are written out; the rest is counted."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message. What it says to a payer is personal data: never shown by its repr."""

    #: The same on every try.
    id: str
    at_us: int
    severity: Severity
    #: To whom; empty for those whom the sink tells by itself.
    to: tuple[str, ...] = ()
    title: str
    #: Plain text, one event a line.
    text: str
    #: For ways where every character is paid for.
    short: str
    #: For programs.
    payload: dict[str, Any]

    def __repr__(self) -> str:
        return f"Letter({self.id})"


class Foot(enum.StrEnum):
    """What stands below a letter: how to learn more, by whose letter it is."""

    OWN = "foot"
    CHANNEL = "foot_channel"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of one thing: its last event, and how many there were."""

    event: Event
    times: int


def gathered(events: Sequence[Event]) -> list[Line]:
    """One line for each thing that happened: what came and went meanwhile is told by its end, what came often by its last.

    The most urgent first, and in the order of time.
    """
    by_thing: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        by_thing.setdefault((event.kind.value, event.subject), []).append(event)
    lines = [
        Line(event=each[-1], times=sum(1 for event in each if event.phase is not Phase.CLEARED))
        for each in by_thing.values()
    ]
    return sorted(lines, key=_urgency)


def _urgency(line: Line) -> tuple[int, int]:
    return -line.event.severity, line.event.sequence


def letter_of(
    events: Sequence[Event], speech: Speech, lines_max: int = LINES_MAX, lost: int = 0, foot: Foot = Foot.OWN
) -> Letter:
    """A letter about these events, at least one; `lost` events before them can't be told any more."""
    lines = gathered(events)
    shown, more = lines[:lines_max], max(0, len(lines) - lines_max)
    severity = max(each.severity for each in events)
    first, node = speech.line(shown[0].event), events[0].node
    frame = {"severity": speech.severity(severity), "node": node, "more": len(lines) - 1}
    body = [_written(each, speech) for each in shown]
    if more:
        body.append(speech.piece("more", more=more))
    if lost:
        body.insert(0, speech.piece("lost", lost=lost))
    title = speech.piece("title", first=first, **frame)
    return Letter(
        id=f"{events[0].id}-{events[-1].sequence}",
        at_us=events[-1].at_us,
        severity=severity,
        title=title,
        text="\n".join([*body, "", speech.piece(foot.value, node=node)]) + "\n",
        short="\n".join([title, *(_written(each, speech, timed=False) for each in shown[1:])]),
        payload=payload_of(events, lost),
    )


def _written(line: Line, speech: Speech, *, timed: bool = True) -> str:
    times = speech.piece("times", times=line.times) if line.times > 1 else ""
    when = f"{instant(line.event.at_us)} " if timed else ""
    return f"{when}{speech.severity(line.event.severity)} {speech.line(line.event)}{times}"


def payload_of(events: Sequence[Event], lost: int) -> dict[str, Any]:
    """As a webhook says it: a type, a time and data (Standard Webhooks), each event whole."""
    first = events[0]
    kind = f"{first.kind.value}.{first.phase.value}" if len(events) == 1 else "digest"
    return {
        "type": kind,
        "timestamp": instant(events[-1].at_us),
        "data": {"node": first.node, "lost": lost, "events": [event_shown(each) for each in events]},
    }


def event_shown(event: Event) -> dict[str, Any]:
    """An event for programs."""
    return {
        "id": event.id,
        "type": f"{event.kind.value}.{event.phase.value}",
        "at": instant(event.at_us),
        "severity": event.severity.word,
        "subject": event.subject,
        "since": instant(event.since_us),
        "facts": event.facts,
    }


def instant(at_us: int) -> str:
    """A time to the second, in UTC."""
    return datetime.fromtimestamp(at_us // US, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
