"""What of a breaker outlives the process, and the seam it is kept behind."""

import enum
from typing import Final, Protocol

import msgspec

from gateway.route.baseline import Kept
from gateway.route.zone import Trip, Zone


class Speaker(enum.StrEnum):
    """Whose word it is, and what it asks for."""

    OPERATOR = "operator"
    """An operator of ours, who knows best."""
    DRAIN = "drain"
    """The core's own team: send nothing new, let what is under way end."""
    MAINTENANCE = "maintenance"
    """The core's own team: it is going down now."""

    @property
    def trip(self) -> Trip:
        """The rule by which their word opens a route."""
        return _TRIPS[self]


_TRIPS: Final = {
    Speaker.OPERATOR: Trip.FORCED,
    Speaker.DRAIN: Trip.DRAIN,
    Speaker.MAINTENANCE: Trip.MAINTENANCE,
}


class Forced(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word about a route; it stands above all evidence until it expires or is taken back."""

    #: OPEN or CLOSED.
    zone: Zone
    #: When it ends by itself, microseconds since 1970 in UTC.
    until_us: int
    #: Who, as the admin side knows them.
    actor: str
    #: Why, in the person's own words; shown to operators only.
    reason: str
    speaker: Speaker = Speaker.OPERATOR

    def __repr__(self) -> str:
        return f"Forced({self.zone.value}, until_us={self.until_us}, actor={self.actor!r})"


class Slowed(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that less be sent on a route than its settings allow, until it expires or is taken back."""

    #: When it ends by itself, microseconds since 1970 in UTC.
    until_us: int
    #: Who, and why, as in `Forced`.
    actor: str
    reason: str
    #: Calls at the core at once, live and waiting ones of all nodes together; 0 = as the settings say.
    in_flight_max: int = 0
    #: Calls to it a second, likewise.
    rate_max_per_s: float = 0.0

    def __repr__(self) -> str:
        return f"Slowed({self.in_flight_max}, {self.rate_max_per_s}, until_us={self.until_us}, actor={self.actor!r})"


class PaceKept(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned of how much a core bears, as kept across restarts."""

    #: When this was so, microseconds since 1970 in UTC, as all moments here.
    at_us: int
    #: Calls that might be at the core at once.
    limit: int
    #: The route was coming back from an outage.
    recovering: bool
    #: Where the limit stops since the core fell over above it, and when it did; 0 when it never did.
    falls_above: int = 0
    fell_at_us: int = 0
    #: So many at once it was seen to bear while it was well, and when it last was so.
    borne: int = 0
    borne_at_us: int = 0
    #: A person's word, while it stands, and when it was given or taken back.
    slowed: Slowed | None = None
    slowed_at_us: int = 0


class PauseKept(msgspec.Struct, frozen=True, kw_only=True):
    """A time for which a core said nothing though it was well, as kept across restarts."""

    #: When it ended, microseconds since 1970 in UTC.
    at_us: int
    seconds: float


class PaceTold(msgspec.Struct, frozen=True, kw_only=True):
    """How one of several nodes uses a core that it limits its calls to, as it tells the others."""

    #: When it was so, microseconds since 1970 in UTC, as all moments here; 0 while nothing of it is at the core.
    at_us: int
    #: Its calls that are at the core.
    at_core: int
    #: The route comes back from an outage there.
    recovering: bool
    #: As kept.
    falls_above: int = 0
    fell_at_us: int = 0
    #: Until when the core asked to be left alone; 0 when it didn't.
    rest_until_us: int = 0


class BreakerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A breaker's state as kept across restarts: a route that was open starts open."""

    zone: Zone
    #: When this zone began, microseconds since 1970 in UTC.
    since_us: int
    #: Openings that no health has undone yet.
    level: int = 0
    #: What the core's answers usually take (`gateway.route.baseline`).
    baseline: Kept = ()
    #: The longest time for which it said nothing of late, and was well.
    pause: PauseKept | None = None
    #: A person's word, while it stands, and when it was given or taken back.
    forced: Forced | None = None
    forced_at_us: int = 0
    #: Of posting alone: what is at the core at once is counted together.
    pace: PaceKept | None = None


class RecordKeeper(Protocol):
    """Where one route's record is kept."""

    def load(self) -> BreakerRecord | None:
        """The record of the former run, or nothing."""
        ...

    def keep(self, record: BreakerRecord) -> None:
        """Keep this one instead. Called on each change of zone, and every few seconds while a route comes back.

        It is called on the event loop: it must not block.
        """
        ...


class KeptInMemory:
    """Keeps a record as long as the process lives; hand the same one to a second breaker to rehearse a restart."""

    def __init__(self, record: BreakerRecord | None = None) -> None:
        """Begin with `record`, if there is one."""
        self._record = record

    def load(self) -> BreakerRecord | None:
        """The record kept last."""
        return self._record

    def keep(self, record: BreakerRecord) -> None:
        """Keep it."""
        self._record = record
