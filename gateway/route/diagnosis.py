"""What is wrong with a core, in words an operator can act on. Pure."""

import enum
from collections import Counter, deque
from typing import Final

import msgspec

from adapters.outcome import Cause
from gateway.route.settings import BreakerSettings
from gateway.route.window import Silence
from gateway.route.zone import Trip

RECENT: Final = 10
"""So many latest sightings decide which cause is named: enough to outvote a stray one, few enough to follow a change."""

EXAMPLE_CHARS_MAX: Final = 300
"""Longest example kept."""


class OwnCause(enum.StrEnum):
    """What no single answer of a core tells."""

    SLOW = "slow"
    FORCED = "forced"
    RESTARTED = "restarted"
    DISK = "disk"
    DRAIN = "drain"
    ELSEWHERE = "elsewhere"


WORDS: Final[dict[Cause | OwnCause, str]] = {
    Cause.DNS: "the core's name can't be resolved: look at the resolver and the configured host",
    Cause.REFUSED_CONNECTION: "the core's machine refuses connections: its service is not running or on another port",
    Cause.CONNECT_TIMEOUT: "no connection comes about in time: machine down, or a firewall drops packets",
    Cause.TLS: "TLS fails: look at the certificate's dates and names and at the trusted authorities",
    Cause.UNREACHABLE: "there is no way to the core's machine: look at network and routing",
    Cause.ANSWER_TIMEOUT: "the core takes requests and does not answer in time",
    Cause.RESET: "the core breaks connections before it answers",
    Cause.UNREADABLE: "the core's answers can't be read: a proxy's page, or another version",
    Cause.SERVER_ERROR: "the core answers with errors of its own",
    Cause.THROTTLED: "the core asks us to slow down",
    Cause.WITHHELD: "this node stood still, and what it was about to send may be another node's by now",
    Cause.MAINTENANCE: "the core says it is under maintenance",
    Cause.CREDENTIALS: "the core refuses our credentials: every payment would fail",
    Cause.CONTRACT: "the core does not understand our requests: every payment would fail",
    OwnCause.SLOW: "the core answers too slowly",
    OwnCause.FORCED: "a person opened the route",
    OwnCause.DRAIN: "the core's own team asked us to send nothing new",
    OwnCause.DISK: "our own disk takes nothing: payments get try later, and nothing of the backlog is sent",
    OwnCause.ELSEWHERE: "another node opened the route; it says why",
    OwnCause.RESTARTED: "the route was not closed when the service stopped; nothing has been heard of the core since",
}
"""What each cause means and where to look."""


def told_by(
    trip: Trip, settings: BreakerSettings, silence: Silence, reason: str
) -> tuple[Cause | OwnCause, str] | None:
    """The cause that a rule names by itself, and its example; None where single answers told it.

    `silence` is what counted as one, `reason` a person's.
    """
    match trip:
        case Trip.HUNG:
            calls, silent_s = silence.calls, silence.first_s
            return Cause.ANSWER_TIMEOUT, f"no answer for over {silent_s:.1f} s, while {calls} calls and more wait"
        case Trip.SLOW_RATE:
            return (
                OwnCause.SLOW,
                f"a share of {settings.slow_rate:g} of the calls and more takes over {settings.slow_call_s:g} s",
            )
        case Trip.TRIAL_LOST:
            return Cause.ANSWER_TIMEOUT, f"a trial told nothing within {settings.trial_deadline_s:g} s"
        case Trip.ELSEWHERE:
            return OwnCause.ELSEWHERE, ""
        case Trip.DRAIN:
            return OwnCause.DRAIN, reason
        case Trip.MAINTENANCE:
            return Cause.MAINTENANCE, reason
        case Trip.FORCED:
            return OwnCause.FORCED, reason
        case _:
            return None


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One cause as seen so far; times in microseconds since 1970 in UTC."""

    cause: Cause | OwnCause
    words: str
    first_seen_us: int
    last_seen_us: int
    #: Times it was seen, by payments and probes.
    seen: int
    #: An adapter's words about the latest sighting; never personal data. May be empty.
    example: str


class Casebook:
    """Gathers what was seen of each cause and names the one that matters now."""

    def __init__(self, forget_us: int) -> None:
        """A cause not seen for `forget_us` microseconds begins anew when it is seen again."""
        self._forget_us = forget_us
        self._cases: dict[Cause | OwnCause, Diagnosis] = {}
        self._recent: deque[tuple[int, Cause | OwnCause]] = deque(maxlen=RECENT)

    def note(self, cause: Cause | OwnCause, example: str, now_us: int, *, sure: bool = False) -> None:
        """A sighting; a `sure` one outvotes all before it."""
        case = self._cases.get(cause)
        known = case if case is not None and now_us - case.last_seen_us < self._forget_us else None
        self._cases[cause] = Diagnosis(
            cause=cause,
            words=WORDS[cause],
            first_seen_us=known.first_seen_us if known else now_us,
            last_seen_us=now_us,
            seen=known.seen + 1 if known else 1,
            example=example[:EXAMPLE_CHARS_MAX],
        )
        while self._recent and (sure or now_us - self._recent[0][0] >= self._forget_us):
            self._recent.popleft()
        self._recent.append((now_us, cause))

    def clear(self) -> None:
        """The core is well: forget."""
        self._cases.clear()
        self._recent.clear()

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The most frequent cause of the latest sightings, the latest of equals; nothing when nothing was seen."""
        if not self._recent:
            return None
        seen = Counter(cause for _, cause in reversed(self._recent))
        return self._cases[seen.most_common(1)[0][0]]
