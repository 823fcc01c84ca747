"""What the tests of telling share: events, conditions, and a sink that does as it is told."""

import asyncio
from typing import Any, Final

from gateway.telling.condition import Condition, Times
from gateway.telling.event import Event, Facts, Kind, Phase, Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import LogSinkSettings, PaceSettings

US: Final = 1_000_000
NEVER: Final = Times(critical_s=0, warning_s=0, clear_s=20)

AWAY: Final[Facts] = {
    "cause": "refused_connection",
    "example": "",
    "waiting": 4,
    "waiting_sum": "40.00 RUB",
    "doubtful": 1,
    "currency": "RUB",
    "taken": 7,
    "taken_minor": 7_000,
}


def condition(kind: Kind = Kind.ROUTE_OPEN, subject: str = "main", **changes: Any) -> Condition:
    """A route whose core is away."""
    usual: dict[str, Any] = {"severity": Severity.CRITICAL, "facts": {"cause": "dns"}}
    return Condition(kind=kind, subject=subject, **usual | changes)


def event(sequence: int = 1, kind: Kind = Kind.ROUTE_OPEN, phase: Phase = Phase.RAISED, **changes: Any) -> Event:
    """An event of a route whose core is away, told at second `sequence`."""
    usual: dict[str, Any] = {
        "node": "night",
        "at_us": sequence * US,
        "severity": Severity.CRITICAL,
        "subject": "main",
        "since_us": 0,
        "facts": AWAY,
    }
    return Event(sequence=sequence, kind=kind, phase=phase, **usual | changes)


def settings(least: str = "warning", **pace: Any) -> LogSinkSettings:
    """A sink's settings."""
    usual: dict[str, Any] = {"gather_s": 0.0}
    return LogSinkSettings.model_validate({"protocol": "log", "least": least, "pace": usual | pace})


PACE: Final = PaceSettings()


class FakeSink:
    """A sink that keeps what it took, and before that fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        """Fail so first, in this order."""
        self.failures = list(failures)
        self.taken: list[Letter] = []
        self.tried: list[Letter] = []

    async def send(self, letter: Letter) -> None:
        """Take it, or fail."""
        self.tried.append(letter)
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append(letter)

    async def close(self) -> None:
        """Nothing is open."""


class SlowSink(FakeSink):
    """A sink that has taken what it got, and says so when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.has_taken, self.may_say = asyncio.Event(), asyncio.Event()

    async def send(self, letter: Letter) -> None:
        """Take it now, answer later."""
        await super().send(letter)
        self.has_taken.set()
        await self.may_say.wait()
