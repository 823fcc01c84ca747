"""People who are told: a sink that fails, hangs, is slow or loses its answers by seed, and what may be said of what it got."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.clock import Clock
from gateway.telling.condition import MANNERS, Condition
from gateway.telling.digest import wants
from gateway.telling.event import Event, Kind, Phase, Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import LogSinkSettings, PaceSettings, SinkSettings, TellingSettings, TimesSettings
from gateway.telling.sink import NotTold, Sink
from gateway.telling.telling import Telling
from tests.simulation.judge import Judge
from tests.simulation.nature import Nature

SINK: Final = "ops"
ACCOUNT: Final = re.compile(r"(?<![\w.-])[0s9][0-9]{6}(?![\w.])")
"""As clients' accounts are written here; figures of events have no leading zeros, and are smaller."""

THEIRS: Final = Kind.CHANNEL_RETURNS

ENDLESS: Final = frozenset(kind for kind, manner in MANNERS.items() if manner.endless)


def telling_settings(channels: Iterable[str] = ()) -> TellingSettings:
    """One sink that hears everything, soon; and one of each of these channels."""
    pace = PaceSettings(gather_s=1.0, timeout_s=2.0, retry_first_s=0.5, retry_max_s=5.0)
    sinks = {name: LogSinkSettings(protocol="log", channel=name, pace=pace) for name in channels}
    return TellingSettings(
        clear_after_s=5,
        repeat_critical_s=600,
        times=TimesSettings(returns_again_s=5),
        sinks={SINK: LogSinkSettings(protocol="log", least="info", pace=pace), **sinks},
    )


class People:
    """See above. They outlive every process."""

    def __init__(self, nature: Nature, judge: Judge) -> None:
        """Nobody was told anything."""
        self.nature = nature
        self._judge = judge
        #: By id, each event that a letter brought.
        self.taken: dict[str, str] = {}
        #: By id, each event that is in the spool.
        self.kept: dict[str, Event] = {}

    def make(self, settings: SinkSettings, _clock: Clock) -> Sink:
        """The sink of a process."""
        return self if settings.channel is None else _Theirs(self, settings.channel)

    async def send(self, letter: Letter) -> None:
        """Take a letter, or whatever befalls it."""
        nature, rates = self.nature, self.nature.mix.sinks
        nature.note("tells", letter.id)
        self._look_into(letter)
        if nature.happens(rates.get("hangs", 0.0)):
            nature.fault("sink hangs")
            await nature.loop.create_future()
        if nature.happens(rates.get("slow", 0.0)):
            nature.fault("sink slow")
            await nature.pause(3.0)
        if nature.happens(rates.get("fails", 0.0)):
            nature.fault("sink fails")
            raise NotTold("away")
        for event in letter.payload["data"]["events"]:
            nature.counts["events told"] += 1
            self.taken[event["id"]] = event["type"]
        if nature.happens(rates.get("loses", 0.0)):
            nature.fault("sink loses its answer")
            raise NotTold("no answer")

    async def close(self) -> None:
        """Nothing is open."""

    def _look_into(self, letter: Letter) -> None:
        said = "\n".join((letter.title, letter.text, letter.short, json.dumps(letter.payload)))
        if found := ACCOUNT.search(said):
            self._judge.broken("nothing personal is told", f"{found[0]} in {said}")

    def counts(self, channel: str, facts: Mapping[str, Any]) -> None:
        """A channel is told how much it has to give back: no more than what is on disk as told."""
        self.nature.counts["returns told"] += 1
        told = [entry for entry in self._judge.told_as_refused() if entry.channel == channel]
        if facts["count"] > len(told):
            self._judge.broken("P3b what is counted is written down as told", f"{channel}: {facts}, of {len(told)}")

    def left(self) -> list[str]:
        """What the spool holds as told and nobody heard."""
        sinks = telling_settings({event.subject for event in self.kept.values() if event.kind is THEIRS}).sinks
        heard = [event for event in self.kept.values() if any(wants(event, name, each) for name, each in sinks.items())]
        return [event.id for event in heard if event.id not in self.taken]

    def without_end(self, standing: Iterable[str]) -> list[str]:
        """What was told to begin, was never told to end, and doesn't stand."""
        last: dict[str, Event] = {}
        for event in sorted(self.kept.values(), key=lambda each: each.sequence):
            if event.kind not in ENDLESS and event.phase is not Phase.TOLD:
                last[name_of(event.kind, event.subject)] = event
        stands = set(standing)
        return [name for name, event in last.items() if event.phase is not Phase.CLEARED and name not in stands]


class _Theirs:
    """The sink of a channel."""

    def __init__(self, people: People, channel: str) -> None:
        self._people = people
        self._channel = channel

    async def send(self, letter: Letter) -> None:
        """Take a letter about its own returns; of anything else there is none."""
        for event in letter.payload["data"]["events"]:
            assert (event["type"].rpartition(".")[0], event["subject"]) == (THEIRS.value, self._channel)
            self._people.counts(self._channel, event["facts"])
        await self._people.send(letter)

    async def close(self) -> None:
        """Nothing is open."""


def name_of(kind: Kind, subject: str) -> str:
    """As conditions are named."""
    return Condition(kind=kind, subject=subject, severity=Severity.INFO).name


class Witnessed(Telling):
    """A gateway's telling; which of its events are in the spool is noted for the judge."""

    people: People

    async def open(self) -> None:
        """What the former run left is there."""
        await super().open()
        self._note(self.journal.events)
        self._new = list[Event]()

    async def look(self) -> list[Event]:
        """What the disk took is there."""
        events = await super().look()
        self._new += events
        if not self.journal._is_behind:
            self._note(self._new)
            self._new = []
        return events

    def _note(self, events: Iterable[Event]) -> None:
        self.people.kept |= {each.id: each for each in events}
