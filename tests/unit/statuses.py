"""Examples of how a service stands, for what shows it: one that is well, changed as each example needs."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.admin.duties.views import ReturnsShown
from gateway.admin.state.shown import (
    DiagnosisShown,
    EstimateShown,
    EvidenceShown,
    Exposure,
    ForcedShown,
    OperationShown,
    RouteShown,
    SpoolShown,
    Status,
    WitnessShown,
)
from gateway.admin.views import Conservation, Money

NOW: Final = "2026-01-15T03:12:47.000000Z"
SINCE: Final = "2026-01-15T02:47:00.000000Z"
NONE: Final = Money("RUB", 0, "0.00")
SOME: Final = Money("RUB", 12_482, "3841200.50")
LIMIT: Final = "50000000.00"

REFUSED: Final = DiagnosisShown(
    cause="refused_connection",
    words="the core's machine refuses connections: its service is not running or on another port",
    first_seen=SINCE,
    last_seen="2026-01-15T03:12:44.000000Z",
    seen=311,
    example="Connect call failed ('10.0.0.7', 8090)",
)

UP: Final = RouteShown(
    name="main",
    core="billing",
    level="A",
    currency="RUB",
    channels=("kiosk", "bank"),
    zone="closed",
    since="2026-01-14T22:00:00.000000Z",
    operations={
        name: OperationShown(zone="closed", share=1.0, usual_s=0.04, usual_worst_s=0.2, sluggish_s=0.5, hung_s=0.5)
        for name in ("post", "check", "reversal")
    },
    trip="",
    forced=None,
    diagnosis=None,
    pace=32,
    in_hand=2,
    waiting=(),
    estimate=EstimateShown(rate_in=0.0, rate_out=0.0, empty_s=0.0, low_s=0.0, high_s=0.0),
    recovering=False,
    falls_above=0,
    oldest="",
    states={},
    exposure=(Exposure(channel="", now=NONE, entries_max=1_000_000, amount_max=LIMIT),),
)

DOWN: Final = replace(
    UP,
    zone="open",
    since=SINCE,
    operations={name: replace(own, zone="open", share=0.0) for name, own in UP.operations.items()},
    diagnosis=REFUSED,
    in_hand=0,
    waiting=(SOME,),
    estimate=None,
    oldest=SINCE,
    states={"ready": (SOME,)},
    exposure=(Exposure(channel="", now=SOME, entries_max=1_000_000, amount_max=LIMIT, full_in_s=41_000),),
)

FULL: Final = replace(
    DOWN,
    exposure=(Exposure(channel="", now=Money("RUB", 90_000, LIMIT), entries_max=None, amount_max=LIMIT, full_in_s=0),),
)

SOFT: Final = replace(
    UP,
    zone="soft",
    since=SINCE,
    operations={**UP.operations, "post": replace(UP.operations["post"], zone="soft", share=0.62)},
    diagnosis=replace(REFUSED, cause="slow", words="the core answers too slowly", example=""),
)

RECOVERING: Final = replace(
    DOWN,
    zone="closed",
    since=NOW,
    operations=UP.operations,
    diagnosis=None,
    in_hand=31,
    estimate=EstimateShown(rate_in=2.5, rate_out=81.0, empty_s=1_650.0, low_s=1_140.0, high_s=2_580.0),
    recovering=True,
)

WITNESS: Final = WitnessShown(name="notary", events=812_004, trouble="", since="")

EVIDENCE: Final = EvidenceShown(
    origin="nightsafe",
    epoch=0,
    gap="",
    checkpoint_events=812_004,
    checkpoint_at=NOW,
    audited_at=SINCE,
    audit_faults=0,
    witnesses=(WITNESS,),
)

SPOOL: Final = SpoolShown(
    engine="sqlite",
    version="3.53.4",
    accepting=True,
    trouble="",
    free_bytes=80_000_000_000,
    reserve_bytes=67_108_864,
    size_bytes=1_000_000,
)


def conserved(waiting: Money = NONE, **changed: Any) -> Conservation:
    """Books of payments that add up: 100 posted, and what waits."""
    posted = Money("RUB", 100, "1000.00")
    minor = int(waiting.amount.replace(".", "")) + 100_000
    accepted = Money("RUB", waiting.entries + 100, f"{minor // 100}.{minor % 100:02}")
    line = Conservation(
        kind="payment",
        currency="RUB",
        accepted=accepted,
        posted=posted,
        refused=NONE,
        returned=NONE,
        cancelled=NONE,
        waiting=waiting,
    )
    return replace(line, **changed)


def standing(*routes: RouteShown, **changed: Any) -> Status:
    """A service with these routes; with none given, one that is up."""
    mine = routes or (UP,)
    waiting = next((route.waiting[0] for route in mine if route.waiting), NONE)
    made = Status(
        node="nightsafe",
        running=True,
        ready=True,
        now=NOW,
        started="2026-01-10T12:00:00.000000Z",
        routes=mine,
        states={"ready": (waiting,)} if waiting.entries else {},
        conservation=(conserved(waiting),),
        spool=SPOOL,
        custody=None,
        keys=(),
        evidence=EVIDENCE,
    )
    return replace(made, **changed)


FORCED: Final = replace(DOWN, forced=ForcedShown(zone="open", until=NOW, actor="anna", reason="their release"))
OWED: Final = ReturnsShown(route="main", due=(Money("RUB", 2, "300.00"),), oldest=SINCE, stage="overdue")
