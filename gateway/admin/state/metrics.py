"""Gauges over the service, gathered at the moment they are read. Labels are bounded by the configuration.

Sums are in minor units of the labelled currency. A gauge is for alarms and charts; the books are exact in `status`.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.admin.desk import Desk
from gateway.admin.duties.proposal import Proposal
from gateway.admin.duties.views import owed_cells
from gateway.admin.state.status import oldest_us, owed_since_us
from gateway.returns.duty import Stage, stage_of
from gateway.route.endpoints import Endpoints
from gateway.route.zone import PASSING, Operation, Use, Zone
from spool.store import Health
from spool.tally import Sum

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
US: Final = 1_000_000


async def exposition(desk: Desk, waiting: Sequence[Proposal]) -> bytes:
    """Everything there is to measure, as Prometheus text; `waiting` are the proposals that a second person has to decide."""
    oldest = {route.name: await oldest_us(desk, route.name) for route in desk.routes}
    owed = {route.name: await owed_since_us(desk.spool.store, route.name) for route in desk.routes}
    moment = CollectorRegistry(auto_describe=False)
    # At a start without its database the service is watched too; of keys and books nothing is known yet.
    known = [] if desk.waits() else [*_keys(desk), *_books(desk)]
    moment.register(_Gathered([*_service(desk), *_spool(await desk.spool.store.health()), *known]))
    moment.register(
        _Gathered(
            [
                *_routes(desk, oldest),
                *_endpoints(desk),
                *_returns(desk, owed),
                *_proposals(desk, waiting),
                *_sinks(desk),
            ]
        )
    )
    return generate_latest(desk.meter.registry) + generate_latest(moment)


class _Gathered(Collector):
    """Metrics that were gathered already."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nightsafe_{name}", text, value=value)


def _gauges(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nightsafe_{name}", text, labels=labels)


def _service(desk: Desk) -> Iterator[Metric]:
    yield _gauge("ready", "1 while payments are taken.", desk.ready())
    yield _gauge("start_time_seconds", "When the service began to start, since 1970.", desk.started_at_us() / US)


def _spool(health: Health) -> Iterator[Metric]:
    yield _gauge("spool_accepting", "1 while the spool takes new entries.", health.accepting)
    yield _gauge("spool_free_bytes", "Bytes free on the spool's disk.", health.free_bytes)
    yield _gauge("spool_reserve_bytes", "Bytes of it kept in reserve.", health.reserve_bytes)
    yield _gauge("spool_size_bytes", "Bytes the spool takes on disk.", health.size_bytes)
    yield _gauge("spool_alone", "1 while the database is away and this node takes payments by itself.", health.alone)
    yield _gauge("spool_beside_entries", "Payments it took so and has yet to bring over.", health.beside)


def _keys(desk: Desk) -> Iterator[Metric]:
    custody = desk.keeper.custody()
    yield _gauge("keys_trouble", "1 while the master key can't be asked, or a key not be made.", bool(custody.trouble))
    yield _gauge("keys_outdated", "Keys that another master wraps than the newest.", custody.outdated)
    yield _gauge("keys_sealed_records", "Records sealed under the key that seals, about.", custody.sealed_count)
    made_s = custody.kept.serving.made_us / US
    yield _gauge("keys_made_time_seconds", "When the key that seals was made, since 1970.", made_s)


def _books(desk: Desk) -> Iterator[Metric]:
    labels = ("route", "channel", "currency", "kind", "state")
    entries = _gauges("entries", "Entries by where they are.", *labels)
    minor = _gauges("entries_minor_units", "Their sums.", *labels)
    found: dict[tuple[str, ...], Sum] = {}
    for cell, total in desk.spool.store.tally.cells():
        place = (cell.route, cell.channel, cell.currency, cell.kind.word, cell.state.word)
        found[place] = found.get(place, Sum(0, 0)) + total
    for at, total in found.items():
        entries.add_metric(at, total.entries)
        minor.add_metric(at, total.amount)
    yield entries
    yield minor
    yield from _exposure(desk)


def _exposure(desk: Desk) -> Iterator[Metric]:
    labels = ("route", "channel", "currency")
    entries = _gauges("exposure_payments", "Payments taken provisionally and unfinished.", *labels)
    minor = _gauges("exposure_minor_units", "Their sum.", *labels)
    entries_max = _gauges("exposure_payments_max", "Most of them; channel is empty for the route.", *labels)
    minor_max = _gauges("exposure_minor_units_max", "Largest sum of them; channel is empty for the route.", *labels)
    for route in desk.routes:
        ceilings = {channel: policy.channel for channel, policy in route.policies.items()}
        ceilings[""] = next(iter(route.policies.values())).route
        for channel, ceiling in ceilings.items():
            at, now = (route.name, channel, route.currency), desk.spool.store.tally.exposure(route.name, channel)
            entries.add_metric(at, now.entries)
            minor.add_metric(at, now.amount)
            if ceiling.count_max is not None:
                entries_max.add_metric(at, ceiling.count_max)
            if ceiling.sum_max is not None:
                minor_max.add_metric(at, ceiling.sum_max)
    yield from (entries, minor, entries_max, minor_max)


def _routes(desk: Desk, oldest: dict[str, int]) -> Iterator[Metric]:
    zone = _gauges("route_zone", "1 for the zone a route is in.", "route", "zone")
    since = _gauges("route_zone_since_seconds", "When that zone began, since 1970.", "route")
    operation = _gauges("operation_zone", "1 for the zone an operation is in.", "route", "operation", "zone")
    share = _gauges("route_share", "Share of new payments that pass through while closed or soft.", "route")
    forced = _gauges("route_forced", "1 while a person's word stands above the evidence.", "route")
    slowed = _gauges("route_slowed", "1 while a person's word keeps its pace below what is configured.", "route")
    window = _gauges("window_active", "1 while a route stands in for a planned window: quiet its pager.", "route")
    overrun = _gauges("window_overrun_seconds", "How long a route should be back from a window; 0 when it is.", "route")
    pace = _gauges("route_pace", "Attempts that may be under way at once.", "route")
    recovering = _gauges("route_recovering", "1 from an outage's end until all that waited is posted.", "route")
    empty = _gauges("route_empty_seconds", "Seconds until nothing waits; -1 while that can't be said.", "route")
    in_hand = _gauges("route_in_hand", "Entries being sent or asked about.", "route")
    age = _gauges("route_oldest_waiting_seconds", "Age of the oldest entry in arrival order; 0 when none.", "route")
    trips = CounterMetricFamily("nightsafe_route_trips", "Openings of a route, by rule.", labels=("route", "trip"))
    evidence = CounterMetricFamily(
        "nightsafe_route_evidence", "What outcomes said of a core's health.", labels=("route", "evidence")
    )
    probes = CounterMetricFamily("nightsafe_route_probes", "Probes of a core.", labels=("route", "passed"))
    now_us = desk.clock.now_us()
    for route in desk.routes:
        name, counts = route.name, route.health.counts
        for each in Zone:
            zone.add_metric((name, each.value), route.health.zone is each)
        for own in Operation:
            for each in Zone:
                operation.add_metric((name, own.value, each.value), route.health.zone_of(own) is each)
        share.add_metric((name,), route.health.share() if route.health.zone in PASSING else 0.0)
        since.add_metric((name,), route.health.since_us / US)
        forced.add_metric((name,), route.health.forced is not None)
        slowed.add_metric((name,), route.health.pace.slowed is not None)
        window.add_metric((name,), name in desk.plan.entered)
        late = desk.plan.overruns.get(name)
        overrun.add_metric((name,), 0 if late is None else max(0, now_us - late.since_us) / US)
        pace.add_metric((name,), desk.forwarders[name].pace.limit)
        recovering.add_metric((name,), route.health.pace.recovering)
        empty_s = desk.forwarders[name].estimate.empty_s
        empty.add_metric((name,), -1 if math.isinf(empty_s) else empty_s)
        in_hand.add_metric((name,), desk.forwarders[name].in_hand)
        age.add_metric((name,), max(0, now_us - oldest[name]) / US if oldest[name] else 0)
        for trip, count in counts.trips.items():
            trips.add_metric((name, trip), count)
        for kind, count in counts.evidence.items():
            evidence.add_metric((name, kind), count)
        probes.add_metric((name, "yes"), counts.probes_passed)
        probes.add_metric((name, "no"), counts.probes_failed)
    yield from (
        zone,
        operation,
        share,
        since,
        forced,
        slowed,
        window,
        overrun,
        pace,
        recovering,
        empty,
        in_hand,
        age,
        trips,
        evidence,
        probes,
    )


def _endpoints(desk: Desk) -> Iterator[Metric]:
    """Of cores with several; an endpoint is its place in the order, from 1, as its address may be long."""
    zone = _gauges("endpoint_zone", "1 for the zone an endpoint is in.", "route", "endpoint", "zone")
    in_use = _gauges("endpoint_in_use", "1 for the endpoint that is asked first.", "route", "endpoint")
    for route in desk.routes:
        if not isinstance(route.core, Endpoints):
            continue
        for place, (each, use) in enumerate(zip(route.core.each, route.core.uses(), strict=True), start=1):
            in_use.add_metric((route.name, str(place)), use is Use.IN_USE)
            for one in Zone:
                zone.add_metric((route.name, str(place), one.value), each.health.zone is one)
    yield from (zone, in_use)


def _returns(desk: Desk, owed_since: dict[str, int]) -> Iterator[Metric]:
    labels = ("route", "channel", "currency")
    entries = _gauges("returns_due", "Refused after a yes, and not known to be given back.", *labels)
    minor = _gauges("returns_due_minor_units", "Their sum.", *labels)
    age = _gauges("returns_oldest_seconds", "How long the oldest has been owed; 0 when none is.", "route")
    stage = _gauges("returns_stage", "1 for how urgent the oldest is; 0 everywhere when none is.", "route", "stage")
    for route, cells in owed_cells(desk.spool.store.tally.cells()).items():
        found: dict[tuple[str, ...], Sum] = {}
        for cell, total in cells:
            at = (route, cell.channel, cell.currency)
            found[at] = found.get(at, Sum(0, 0)) + total
        for place, total in found.items():
            entries.add_metric(place, total.entries)
            minor.add_metric(place, total.amount)
    now_us = desk.clock.now_us()
    for route, since_us in owed_since.items():
        age.add_metric((route,), max(0, now_us - since_us) / US if since_us else 0)
        is_at = stage_of(since_us, now_us, desk.config.returns) if since_us else None
        for each in Stage:
            stage.add_metric((route, each.value), each is is_at)
    yield from (entries, minor, age, stage)


def _proposals(desk: Desk, waiting: Sequence[Proposal]) -> Iterator[Metric]:
    count = _gauges("proposals_waiting", "Proposals that wait for a second person.")
    age = _gauges("proposals_oldest_seconds", "How long the oldest of them has waited; 0 when none does.")
    now_us = desk.clock.now_us()
    count.add_metric((), len(waiting))
    age.add_metric((), max((now_us - each.made_at_us for each in waiting), default=0) / US)
    yield from (count, age)


def _sinks(desk: Desk) -> Iterator[Metric]:
    waiting = _gauges("sink_events_waiting", "Events that wait to be told by a sink.", "sink")
    failing = _gauges("sink_failures", "Tries of a sink that failed since it took a message.", "sink")
    sent = _gauges(
        "sink_sent_time_seconds", "When a sink took a message last, since 1970; 0 when it never did.", "sink"
    )
    faults = _gauges("sink_faults", "Faults of the service's own in telling by a sink, in this run.", "sink")
    for each in desk.telling.states():
        waiting.add_metric((each.name,), each.waiting)
        failing.add_metric((each.name,), each.failures)
        sent.add_metric((each.name,), each.sent_us / US)
        faults.add_metric((each.name,), each.faults)
    yield _gauge("telling", "1 while this node tells people; of several nodes one does.", desk.telling.tells)
    payers = desk.payers.state
    told = _gauges("payers_messages", "Messages to payers in this run, by what became of them.", "outcome")
    told.add_metric(("told",), payers.told)
    told.add_metric(("unreached",), payers.unreached)
    yield from (waiting, failing, sent, faults, told)
