"""How the service stands, as it is shown: shapes, as the command reads them too; nothing here needs the service."""

import msgspec

from gateway.admin.duties.views import ReturnsShown
from gateway.admin.views import Conservation, Money, moment
from gateway.route.record import Slowed


class ForcedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word about a route, while it stands."""

    zone: str
    until: str
    actor: str
    reason: str


class SlowedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that a route post slower than it is configured to, while it stands."""

    #: Calls at once and a second, live and waiting ones of all nodes together; 0 where it says nothing of that.
    in_flight_max: int
    rate_max_per_s: float
    until: str
    actor: str
    reason: str


def slowed_shown(word: Slowed | None) -> SlowedShown | None:
    """A word as it is shown; nothing while none stands."""
    if word is None:
        return None
    return SlowedShown(
        in_flight_max=word.in_flight_max,
        rate_max_per_s=word.rate_max_per_s,
        until=moment(word.until_us),
        actor=word.actor,
        reason=word.reason,
    )


class DiagnosisShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a core, and where to look."""

    cause: str
    words: str
    first_seen: str
    last_seen: str
    seen: int
    example: str


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Money accepted provisionally and not yet posted, against its limits."""

    #: Empty for the whole route.
    channel: str
    now: Money
    #: Absent where there is no limit of its own.
    entries_max: int | None
    amount_max: str | None
    #: How long the nearer of the two lasts at the rate of the last minutes; absent when it isn't being used up.
    full_in_s: int | None = None


class EstimateShown(msgspec.Struct, frozen=True, kw_only=True):
    """How the backlog goes: entries a second, and seconds until none waits."""

    rate_in: float
    rate_out: float
    #: Its middle and its ends; absent where it can't be said, or never ends at this rate.
    empty_s: float | None
    low_s: float | None
    high_s: float | None


class OperationShown(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the core is asked for: how it stands by itself."""

    zone: str
    #: The share of new calls that pass through; 0 in every other zone than closed and soft.
    share: float
    #: Seconds its answers usually take, by the middle one and the slowest of a hundred; 0 until enough is known.
    usual_s: float
    usual_worst_s: float
    #: Seconds above which an answer counts as slower than usual; 0 until enough is known.
    sluggish_s: float
    #: Seconds of silence after which the core counts as hung now, once enough calls wait.
    hung_s: float


class EndpointShown(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of a core that has several, in order of preference."""

    address: str
    zone: str
    since: str
    diagnosis: DiagnosisShown | None
    #: `in_use`: asked first; `stands_by`: well, as one before it is; `on_trial`; `left_out`: down.
    use: str


class RouteShown(msgspec.Struct, frozen=True, kw_only=True):
    """One route."""

    name: str
    core: str
    level: str
    currency: str
    channels: tuple[str, ...]
    zone: str
    since: str
    #: Posting, checks and reversals apart; `zone` is that of posting.
    operations: dict[str, OperationShown]
    #: The rule that opened it last; empty when it never was.
    trip: str
    forced: ForcedShown | None
    diagnosis: DiagnosisShown | None
    #: Attempts that may be under way at once, and those that are.
    pace: int
    in_hand: int
    waiting: tuple[Money, ...]
    #: How the backlog goes; absent while the route is open.
    estimate: EstimateShown | None
    #: True from an outage's end until all that waited is posted: live payments count against the pace.
    recovering: bool
    #: Where the pace stops because the core fell over above it; 0 while it never did.
    falls_above: int
    #: When the oldest entry in arrival order was accepted; empty when none waits there.
    oldest: str
    #: Unfinished entries by state.
    states: dict[str, tuple[Money, ...]]
    exposure: tuple[Exposure, ...]
    #: Where its core has several endpoints, each of them.
    endpoints: tuple[EndpointShown, ...] = ()
    #: Version of the stand-in policy it follows, and whether it was changed at run time.
    policy: str = ""
    policy_changed: bool = False
    #: Until when it stands in for a planned window; empty when it doesn't.
    window_until: str = ""
    #: Since when it should be back from one and isn't; empty when it is.
    overrun_since: str = ""
    #: A person's word on its pace; absent while none stands.
    slowed: SlowedShown | None = None


class SpoolShown(msgspec.Struct, frozen=True, kw_only=True):
    """The spool's engine."""

    engine: str
    version: str
    accepting: bool
    trouble: str
    free_bytes: int
    reserve_bytes: int
    size_bytes: int
    alone: bool = False  # the database can't be reached, and this node takes payments into a file of its own
    beside: int = 0  # payments in that file that are yet to be brought over


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A data key, by what tells it from others and says nothing of it."""

    id: int
    #: Empty where the key is destroyed, or could not be opened.
    fingerprint: str
    seals: bool
    made: str
    #: Which master wraps it.
    master: str
    #: When it was destroyed; empty while it is there.
    destroyed: str


class CustodyShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who keeps the master key, and whether it can be asked."""

    #: In words: the key file, a key service.
    master: str
    #: Why the master could not be asked, or a key not be made; empty while all is well.
    trouble: str
    troubled_since: str
    #: Keys that another master wraps than the one that would wrap now.
    outdated: int
    #: Records sealed under the key that seals, about.
    sealed: int


class WitnessShown(msgspec.Struct, frozen=True, kw_only=True):
    """Who keeps checkpoints, and whether the last one was kept."""

    name: str
    #: Events the newest checkpoint is over that it kept in this run.
    events: int
    trouble: str
    #: Since when it keeps none; empty when all is well.
    since: str


class EvidenceShown(msgspec.Struct, frozen=True, kw_only=True):
    """The log of all that happens."""

    origin: str
    epoch: int
    #: What a person has to accept before payments are taken and sent; empty when nothing is missing.
    gap: str
    #: Events the newest checkpoint of this run is over, and when it was signed; 0 and empty where none was.
    checkpoint_events: int
    checkpoint_at: str
    #: When the last audit in the background ended, and what it found wrong; empty while none did in this run.
    audited_at: str
    audit_faults: int
    witnesses: tuple[WitnessShown, ...]


class ChannelShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel was told since the service started."""

    name: str
    #: Answers by kind.
    answers: dict[str, int]
    #: Requests rejected before anything was stored, by reason: what it sends can't be understood, or isn't its own.
    rejected: dict[str, int]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole service."""

    node: str
    #: False while the answer comes from the spool's file alone, because the service isn't running.
    running: bool
    ready: bool
    now: str
    started: str
    routes: tuple[RouteShown, ...]
    #: Counts and sums by state, over all routes, also those the configuration has no more.
    states: dict[str, tuple[Money, ...]]
    conservation: tuple[Conservation, ...]
    spool: SpoolShown
    #: Absent where the service isn't running.
    custody: CustodyShown | None
    keys: tuple[KeyShown, ...]
    #: What is owed back, by route.
    returns: tuple[ReturnsShown, ...] = ()
    #: Proposals that wait for a second person.
    proposals: int = 0
    #: Known to a running service alone.
    evidence: EvidenceShown | None = None
    #: Known to a running service alone.
    channels: tuple[ChannelShown, ...] = ()
    #: Payments that their reversals ended before anything was sent, ever since the spool was made: billing has neither.
    netted: tuple[Money, ...] = ()
