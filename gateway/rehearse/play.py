"""One kind of outage, played in real time: health, the outage, and billing back, until nothing waits any more."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from adapters.cores.scripted.books import Accounts
from adapters.cores.scripted.orders import Kind as Booked
from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from adapters.payment import AnswerKind
from gateway.clock import Clock
from gateway.config.model import Config, RouteSettings
from gateway.rehearse.kinds import FAULTS, Kind, Seen
from gateway.rehearse.payers import Paid, Payers
from gateway.rehearse.scratch import on_scratch
from gateway.route.diagnosis import Diagnosis
from gateway.route.route import Route
from gateway.route.zone import Zone
from gateway.service import Service
from spool.entry import Entry
from spool.lifecycle import WAITING, State
from spool.masters import make_key_file
from spool.number import id_text

LOOK_S: Final = 0.1
_POSITIVE: Final = frozenset({AnswerKind.POSTED, AnswerKind.PROVISIONAL})
_OWED: Final = frozenset({State.REFUSED, State.RETURNED})
"""Ends of a payment that billing doesn't have: its money is on its way back."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how much."""

    before_s: float = 2.0
    outage_s: float = 10.0
    after_s: float = 3.0
    #: Payments a second on each route.
    rate: float = 5.0
    #: Seconds after the outage's end in which nothing must wait any more; 0 = as the configuration's own times need.
    patience_s: float = 0.0


class Watch:
    """When a route was opened, and when it was closed again."""

    def __init__(self, route: Route, clock: Clock) -> None:
        """Listen from now on."""
        self._clock = clock
        self.opened: list[float] = []
        self.closed: list[float] = []
        self.diagnosis = ""
        route.health.on_change(self._changed)

    def _changed(self, _old: Zone, new: Zone, diagnosis: Diagnosis | None) -> None:
        if new is Zone.OPEN:
            self.opened.append(self._clock.monotonic())
            self.diagnosis = self.diagnosis or ("" if diagnosis is None else diagnosis.words)
        elif new is Zone.CLOSED:
            self.closed.append(self._clock.monotonic())


async def play(config: Config, kind: Kind, folder: Path, clock: Clock, pace: Pace) -> list[Seen]:
    """Play one kind against every route at once; what was seen of each.

    Raises:
        SpoolUnfit, KeysUnfit, OSError: this machine can't do it.
    """
    async with contextlib.AsyncExitStack() as stack:
        cores = dict[str, ScriptedCore]()
        for name, settings in config.cores.items():
            currency = next((each.currency for each in config.routes.values() if each.core == name), "RUB")
            scripted = Settings(
                ledger=folder / f"{name}.ledger.db", level=settings.level, currency=currency, accounts=Accounts()
            )
            cores[name] = await stack.enter_async_context(ScriptedCore.start(scripted))
        made = on_scratch(config, folder, {name: core.url for name, core in cores.items()})
        made.spool.key_file.parent.mkdir(parents=True, mode=0o700)
        make_key_file(made.spool.key_file, clock.now_us())
        service = Service(made, clock)
        await service.start()
        stack.push_async_callback(service.stop)
        return await _Stage(service, cores, kind, clock, pace).played()


class _Stage:
    """A running service before its scripted cores."""

    def __init__(self, service: Service, cores: dict[str, ScriptedCore], kind: Kind, clock: Clock, pace: Pace) -> None:
        self._service = service
        self._cores = cores
        self._kind = kind
        self._clock = clock
        self._pace = pace
        self._watches = {route.name: Watch(route, clock) for route in service.routes}
        self._payers = {
            route.name: Payers(service, route, service.config.routes[route.name], clock, pace.rate)
            for route in service.routes
        }

    async def played(self) -> list[Seen]:
        """Health, outage, recovery."""
        await self._pay(self._pace.before_s)
        begun = self._clock.monotonic()
        for core in self._cores.values():
            core.control.set(FAULTS[self._kind])
        await self._pay(self._pace.outage_s)
        ended = self._clock.monotonic()
        for core in self._cores.values():
            core.control.clear()
        await self._pay(self._pace.after_s)
        for payers in self._payers.values():
            await payers.answered()
        drained = await self._drained(ended)
        return [await self._seen(route, begun, ended, drained.get(route.name)) for route in self._service.routes]

    async def _pay(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds
        await asyncio.gather(*(payers.pay_until(end) for payers in self._payers.values()))

    async def _drained(self, ended: float) -> dict[str, float]:
        """When nothing of a route waited any more, and it was open no more; without those that weren't in time.

        Without payers it may be on trial for ever: only a real payment closes it.
        """
        found = dict[str, float]()
        patience_s = self._pace.patience_s or max(map(patience_of, self._settings()))
        while len(found) < len(self._service.routes) and self._clock.monotonic() - ended < patience_s:
            for route in self._service.routes:
                if route.name not in found and not self._waits(route) and route.health.zone is not Zone.OPEN:
                    found[route.name] = self._clock.monotonic() - ended
            await self._clock.sleep(LOOK_S)
        return found

    def _settings(self) -> list[tuple[RouteSettings, float]]:
        config = self._service.config
        return [(route, config.cores[route.core].settle_delay_s) for route in config.routes.values()]

    def _waits(self, route: Route) -> int:
        """Entries the machine still has to see to."""
        cells = self._service.spool.store.tally.cells()
        states = WAITING - {State.PARKED}
        return sum(total.entries for cell, total in cells if cell.route == route.name and cell.state in states)

    async def _seen(self, route: Route, begun: float, ended: float, drained_s: float | None) -> Seen:
        paid, watch = self._payers[route.name].paid, self._watches[route.name]
        entries = [await self._service.spool.store.find(each.channel, each.key) for each in paid]
        verdict = judged(paid, entries, self._bookings())
        told = Counter(each.told for each in paid)
        config = self._service.config
        deadlines = {name: config.channels[name].deadline_s for name in config.routes[route.name].channels}
        slowest_s, deadline_s = nearest([each for each in paid if begun <= each.at < ended], deadlines)
        return Seen(
            kind=self._kind.value,
            route=route.name,
            core=config.routes[route.name].core,
            level=route.core.capabilities.level.value,
            payments=len(paid),
            posted=told[AnswerKind.POSTED],
            provisional=told[AnswerKind.PROVISIONAL],
            try_later=told[AnswerKind.TRY_LATER],
            refused=told[AnswerKind.REFUSED],
            unclear=len(paid) - sum(told[kind] for kind in (*_POSITIVE, AnswerKind.TRY_LATER, AnswerKind.REFUSED)),
            slowest_before_s=round(max((each.took_s for each in paid if each.at < begun), default=0.0), 2),
            slowest_s=slowest_s,
            deadline_s=deadline_s,
            turned_away=Counter(each.why for each in paid if each.told is AnswerKind.TRY_LATER),
            known_after_s=_after(watch.opened, begun),
            back_after_s=_after(watch.closed, ended),
            drained_after_s=None if drained_s is None else round(drained_s, 1),
            diagnosis=watch.diagnosis,
            **verdict,
        )

    def _bookings(self) -> Counter[str]:
        """How often each reference was booked, at whichever core: an account may have a route of its own."""
        bookings = (each for core in self._cores.values() for each in core.ledger.bookings())
        return Counter(each.reference for each in bookings if each.kind is Booked.PAYMENT)


def patience_of(of: tuple[RouteSettings, float]) -> float:
    """Seconds after an outage's end in which a route's payments must be through, by its own times."""
    route, settle_s = of
    return 60.0 + route.forward.attempt_timeout_s + settle_s + route.breaker.open_for_max_s


def judged(paid: Sequence[Paid], entries: Sequence[Entry | None], booked: Counter[str]) -> dict[str, int]:
    """What payers were told, held against what the spool and billing's own ledger say."""
    counts = Counter[str]()
    for each, entry in zip(paid, entries, strict=True):
        times = 0 if entry is None else booked[str(entry.number)] + booked[id_text(entry.id)]
        parked = entry is not None and entry.state is State.PARKED
        owed = entry is not None and entry.state in _OWED
        waits = entry is not None and entry.state in WAITING
        counts["booked"] += times > 0
        counts["doubled"] += times > 1
        counts["lost"] += each.told in _POSITIVE and times == 0 and not (owed or waits)
        counts["booked_after_no"] += each.told in {AnswerKind.REFUSED, AnswerKind.TRY_LATER} and times > 0
        counts["for_a_person"] += parked
    return {name: counts[name] for name in ("booked", "doubled", "lost", "booked_after_no", "for_a_person")}


def nearest(paid: Sequence[Paid], deadlines: Mapping[str, float]) -> tuple[float, float]:
    """The answer that came nearest to the deadline of its channel: seconds it took, of how many."""
    took = max(((each.took_s / deadlines[each.channel], each) for each in paid), default=None, key=itemgetter(0))
    if took is None:
        return 0.0, min(deadlines.values())
    return round(took[1].took_s, 2), deadlines[took[1].channel]


def _after(times: Sequence[float], since: float) -> float | None:
    """Seconds from a moment to the first of these after it."""
    return next((round(at - since, 2) for at in times if at >= since), None)
