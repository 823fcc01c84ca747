"""How the service stands: one look at every part, for people and for metrics. The first screen of an operator."""

import math
from collections.abc import Iterable

import msgspec

from adapters.amount import write_amount
from adapters.core import Core
from gateway.admin.desk import Desk
from gateway.admin.duties.proposals import Proposals
from gateway.admin.duties.views import ReturnsShown, owed_cells, returns_shown
from gateway.admin.state.shown import (
    ChannelShown,
    CustodyShown,
    DiagnosisShown,
    EndpointShown,
    EstimateShown,
    EvidenceShown,
    Exposure,
    ForcedShown,
    KeyShown,
    OperationShown,
    RouteShown,
    SpoolShown,
    Status,
    WitnessShown,
    slowed_shown,
)
from gateway.admin.views import (
    by_currency,
    by_state,
    conservation,
    moment,
    money,
    moneys,
    netted_of,
)
from gateway.custody.keeper import Custody
from gateway.evidence.evidence import Evidence
from gateway.forward.estimate import Estimate
from gateway.returns.settings import ReturnSettings
from gateway.route.diagnosis import Diagnosis
from gateway.route.endpoints import Endpoints
from gateway.route.health import RouteHealth
from gateway.route.record import Forced
from gateway.route.route import Route
from gateway.route.zone import PASSING, Operation, Zone
from gateway.standin.policy import Ceiling
from spool.errors import SpoolError
from spool.keys import KeyRing
from spool.keystore import DataKey, KeptKeys
from spool.lifecycle import WAITING
from spool.store import Health, Store


async def status(desk: Desk, proposals: Proposals) -> Status:
    """Look at everything."""
    cells = list(desk.spool.store.tally.cells())
    now_us = desk.clock.now_us()
    custody = desk.keeper.custody()
    return Status(
        node=desk.config.node.name,
        running=True,
        ready=desk.ready(),
        now=moment(now_us),
        started=moment(desk.started_at_us()),
        routes=tuple([await _route(desk, route) for route in desk.routes]),
        states=by_state(cells),
        conservation=conservation(cells),
        spool=spool_shown(await desk.spool.store.health()),
        custody=custody_shown(custody),
        keys=tuple(key_shown(key, custody.kept, desk.spool.keys) for key in custody.kept.data_keys),
        returns=await returns_of(desk.spool.store, desk.config.returns, now_us),
        proposals=await _waiting(proposals),
        evidence=evidence_shown(desk.evidence),
        channels=tuple(_channel(desk, name) for name in desk.config.channels),
        netted=netted_of(cells),
    )


def _channel(desk: Desk, name: str) -> ChannelShown:
    answers, rejected = desk.meter.of_channel(name)
    return ChannelShown(name=name, answers=answers, rejected=rejected)


def evidence_shown(evidence: Evidence) -> EvidenceShown:
    """How the evidence stands."""
    notary, epoch = evidence.notary, evidence.epoch
    newest = None if notary is None else notary.newest
    gap = "" if epoch.accepted else f"{epoch.missing} events are known to be missing: {epoch.source or 'no checkpoint'}"
    return EvidenceShown(
        origin=evidence.origin,
        epoch=epoch.number,
        gap=gap,
        checkpoint_events=0 if newest is None else newest.size,
        checkpoint_at="" if notary is None or newest is None else moment(notary.signed_at_us),
        audited_at=moment(evidence.audited_at_us),
        audit_faults=evidence.audit_faults,
        witnesses=tuple(
            WitnessShown(
                name=each.name,
                events=each.size,
                trouble=each.trouble,
                since=moment(each.since_us) if each.trouble else "",
            )
            for each in (() if notary is None else notary.standings)
        ),
    )


def custody_shown(custody: Custody) -> CustodyShown:
    """How it stands with the keys, as it is shown."""
    return CustodyShown(
        master=custody.master,
        trouble=custody.trouble,
        troubled_since=moment(custody.troubled_since_us),
        outdated=custody.outdated,
        sealed=custody.sealed_count,
    )


def key_shown(key: DataKey, kept: KeptKeys, ring: KeyRing) -> KeyShown:
    """A data key as it is shown."""
    return KeyShown(
        id=key.id,
        fingerprint=ring.fingerprint(key.id) if key.id in ring.ids else "",
        seals=key.id == kept.sealing,
        made=moment(key.made_us),
        master=key.master,
        destroyed=moment(key.destroyed_us),
    )


async def returns_of(store: Store, settings: ReturnSettings, now_us: int) -> tuple[ReturnsShown, ...]:
    """What is owed back, by route, also of routes the configuration has no more."""
    owed = owed_cells(store.tally.cells())
    return tuple(
        [
            returns_shown(route, cells, await owed_since_us(store, route), now_us, settings)
            for route, cells in sorted(owed.items())
        ]
    )


async def owed_since_us(store: Store, route: str) -> int:
    """Since when the oldest return of a route is due; 0 when none is, or the spool can't say now."""
    try:
        found = await store.returns_due(route, 1)
    except SpoolError:
        return 0
    return found[0].changed_at_us if found else 0


async def _waiting(proposals: Proposals) -> int:
    try:
        return len(await proposals.waiting())
    except SpoolError:
        return 0


async def oldest_us(desk: Desk, route: str) -> int:
    """When the oldest entry of a route in arrival order was accepted; 0 when none waits, or the spool can't say now."""
    try:
        return await desk.spool.store.oldest_waiting_us(route)
    except SpoolError:
        return 0


async def missing(desk: Desk) -> list[str]:
    """What keeps the service from taking payments, in bounded words; empty when nothing does.

    A core that is down is no hindrance: payments are taken in its place.
    """
    if desk.waits():
        return [f"spool: not open yet; {desk.waits()}"]
    found = list[str]()
    if not desk.ready():
        found.append("listener: payments are not taken yet, or not any more")
    if not desk.evidence.epoch.accepted:
        found.append("evidence: the spool lacks what was witnessed; nightsafe evidence accept")
    if not (await desk.spool.store.health()).accepting:
        found.append("spool: takes nothing new; status says why")
    return found


def spool_shown(health: Health) -> SpoolShown:
    """An engine's health as it is shown."""
    return SpoolShown(**msgspec.structs.asdict(health))


async def _route(desk: Desk, route: Route) -> RouteShown:
    health, forwarder = route.health, desk.forwarders[route.name]
    waiting = [
        (cell, total)
        for cell, total in desk.spool.store.tally.cells()
        if cell.route == route.name and cell.state in WAITING
    ]
    return RouteShown(
        name=route.name,
        core=desk.config.routes[route.name].core,
        level=route.core.capabilities.level.value,
        currency=route.currency,
        channels=tuple(route.policies),
        zone=health.zone.value,
        since=moment(health.since_us),
        operations={each.value: _operation(health, each) for each in Operation},
        trip=health.trip.value if health.trip else "",
        forced=_forced(health.forced),
        diagnosis=_diagnosis(health.diagnosis),
        pace=forwarder.pace.limit,
        in_hand=forwarder.in_hand,
        waiting=moneys(by_currency(waiting)),
        estimate=None if health.zone is Zone.OPEN else estimate_shown(forwarder.estimate),
        recovering=health.pace.recovering,
        falls_above=health.pace.ramp.learned or 0,
        oldest=moment(await oldest_us(desk, route.name)),
        states=by_state(waiting),
        exposure=tuple(_exposures(desk, route)),
        endpoints=tuple(_endpoints(route.core)),
        policy=route.standin.version,
        policy_changed=desk.policies.is_changed(route.name),
        window_until=moment(desk.plan.entered[route.name][1].ends_us) if route.name in desk.plan.entered else "",
        overrun_since=moment(desk.plan.overruns[route.name].since_us) if route.name in desk.plan.overruns else "",
        slowed=slowed_shown(health.pace.slowed),
    )


def _endpoints(core: Core) -> Iterable[EndpointShown]:
    if not isinstance(core, Endpoints):
        return
    for each, use in zip(core.each, core.uses(), strict=True):
        yield EndpointShown(
            address=each.name,
            zone=each.health.zone.value,
            since=moment(each.health.since_us),
            diagnosis=_diagnosis(each.health.diagnosis),
            use=use.value,
        )


def estimate_shown(found: Estimate) -> EstimateShown:
    """An estimate as it is shown: what isn't known is absent."""
    ends = [None if math.isinf(each) else round(each, 1) for each in (found.empty_s, found.low_s, found.high_s)]
    return EstimateShown(
        rate_in=round(found.rate_in, 1),
        rate_out=round(found.rate_out, 1),
        empty_s=ends[0],
        low_s=ends[1],
        high_s=ends[2],
    )


def _operation(health: RouteHealth, operation: Operation) -> OperationShown:
    zone, usual, sluggish_s = health.zone_of(operation), health.usual(operation), health.sluggish_s(operation)
    return OperationShown(
        zone=zone.value,
        share=health.share(operation) if zone in PASSING else 0.0,
        usual_s=round(usual.median_s, 4) if usual else 0.0,
        usual_worst_s=round(usual.high_s, 4) if usual else 0.0,
        sluggish_s=round(sluggish_s, 4) if usual else 0.0,
        hung_s=round(health.hung_s(operation), 4),
    )


def _exposures(desk: Desk, route: Route) -> Iterable[Exposure]:
    for policy in list(route.policies.values())[:1]:
        yield _exposure(desk, route, "", policy.route)
    for channel, policy in route.policies.items():
        yield _exposure(desk, route, channel, policy.channel)


def _exposure(desk: Desk, route: Route, channel: str, ceiling: Ceiling) -> Exposure:
    exposed = desk.spool.store.tally.exposure(route.name, channel)
    lasts_s = desk.headroom.full_in_s((route.name, channel), desk.clock.monotonic(), exposed, ceiling)
    return Exposure(
        channel=channel,
        now=money(route.currency, exposed),
        entries_max=ceiling.count_max,
        amount_max=None if ceiling.sum_max is None else write_amount(ceiling.sum_max, route.currency),
        full_in_s=None if lasts_s is None else round(lasts_s),
    )


def _forced(word: Forced | None) -> ForcedShown | None:
    if word is None:
        return None
    return ForcedShown(zone=word.zone.value, until=moment(word.until_us), actor=word.actor, reason=word.reason)


def _diagnosis(found: Diagnosis | None) -> DiagnosisShown | None:
    if found is None:
        return None
    return DiagnosisShown(
        cause=found.cause.value,
        words=found.words,
        first_seen=moment(found.first_seen_us),
        last_seen=moment(found.last_seen_us),
        seen=found.seen,
        example=found.example,
    )
