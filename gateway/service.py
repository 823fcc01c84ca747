"""The service: everything joined, started in the order that keeps the promises, and stopped in the other.

Start: configuration checked (by the caller), keys, spool, what was found, then the admin side, so that operators see the
rest, forwarders, and last the channels. Stop: no more requests of channels, answer what is in hand, let attempts end
within the grace time, record; the admin side looks on until only the spool is left to close.
"""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.channels.registry import open_channel
from gateway.accept.acceptor import Acceptor
from gateway.accept.closed import Closed
from gateway.admin.desk import Desk
from gateway.admin.http.listener import AdminListener
from gateway.admin.http.server import AdminSide
from gateway.admin.state.trend import Sample, Trend, sample_of
from gateway.clock import Clock
from gateway.config.load import load_access
from gateway.config.model import Config, RouteSettings
from gateway.custody.keeper import Keeper
from gateway.custody.provider import open_chest
from gateway.custody.resealing import Resealer
from gateway.engines.forgetting import forgetting
from gateway.engines.moving import require_here
from gateway.engines.opening import keeper_of, shelf_of, store_of, trend_keeper_of
from gateway.evidence.evidence import Evidence
from gateway.forward.forwarder import Forwarder
from gateway.http.doors import Doors
from gateway.http.listener import Listener
from gateway.joining import Joining
from gateway.log import log
from gateway.meter import Meter
from gateway.outages.answers import Measured
from gateway.outages.recorder import Recorder
from gateway.page.side import PageSide
from gateway.returns.listed import ListedReturns
from gateway.route.endpoints import Endpoints
from gateway.route.gossip import Gossip
from gateway.route.health import RouteHealth
from gateway.route.opening import open_route_core, probe_of, watched_by
from gateway.route.route import Route, Routing
from gateway.route.zone import PASSING, Operation
from gateway.settle import Settler
from gateway.standin.accounts import Accounts
from gateway.standin.headroom import SAMPLE_S, Headroom
from gateway.standin.kept import Policies
from gateway.telling.channels import ChannelReturns, channels_told
from gateway.telling.company import TELLER
from gateway.telling.making import make_sink
from gateway.telling.own import own_conditions
from gateway.telling.payers.rounds import Payers
from gateway.telling.telling import Telling
from gateway.telling.watch import Parts, Proposed, Watch
from gateway.tracing.joined import tracing_of
from gateway.windows.board import Board
from gateway.windows.plan import ACTOR as WINDOW_ACTOR
from gateway.windows.plan import Plan
from spool.errors import SpoolError
from spool.keys import KeyRing
from spool.number import Numbers
from spool.office import Office
from spool.spool import Spool
from spool.tally import Sum

FOLLOW_S: Final = 1.0
"""How soon a node looks for keys that others made; an entry under one it lacks has it look at once."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What lay in the spool at start: counts and sums by state."""

    by_state: dict[str, Sum]


class Service:
    """One running Nightsafe."""

    def __init__(self, config: Config, clock: Clock, *, file: Path | None = None) -> None:
        """Join the parts; opens nothing yet. Who may use the admin side is read anew from the configuration's `file`.

        Raises:
            KeysUnfit: the key file can't be used.
            TracingUnfit: traces can't be made.
            SecretMissing: a secret isn't where the configuration says.
        """
        self.config = config
        self.clock = clock
        self._file = file
        self.meter = Meter()
        self.tracing = tracing_of(config, clock)
        self.spool = self._spool()
        #: The same entries, to look through without standing in the way of payments.
        self.shelf = shelf_of(config, self.spool.store)
        self.evidence = Evidence(config, self.spool.store, self.shelf, clock, self.meter.registry)
        self.numbers = Numbers()
        self.numbers.seat = lambda: self.spool.store.nodes.seat
        self.keeper = Keeper(
            chest=open_chest(config),
            spool=self.spool,
            shelf=self.shelf,
            numbers=self.numbers,
            clock=clock,
            settings=config.keys,
        )
        self.resealer = Resealer(
            keeper=self.keeper, spool=self.spool, shelf=self.shelf, clock=clock, per_s=config.keys.reseal_per_s
        )
        self.settler = Settler(self.spool, clock)
        self.accounts = Accounts(self.spool, clock)
        self.routes = [self._route(name, settings) for name, settings in config.routes.items()]
        self.policies = Policies(self.spool.store, self.routes, clock)
        self.headroom = Headroom()
        self.trend = Trend(clock, self._samples, trend_keeper_of(config))
        self.plan = Plan(self.spool.store, self.routes, clock)
        self.outages = self._outages()
        self.telling = self._telling()
        self.payers = self._payers()
        self.routing = Routing(
            (channel, frozenset(config.routes[route.name].services), route)
            for route in self.routes
            for channel in config.routes[route.name].channels
        )
        self.acceptor = Acceptor(
            spool=self.spool,
            routing=self.routing,
            clock=clock,
            numbers=self.numbers,
            settler=self.settler,
            meter=self.meter,
            accounts=self.accounts,
        )
        for route in self.routes:
            self.accounts.watch(route)
        self.forwarders = {
            route.name: Forwarder(route=route, spool=self.spool, clock=clock, settler=self.settler, meter=self.meter)
            for route in self.routes
        }
        self.spool.store.nodes.on_news = self._look_anew
        self.channels = {name: open_channel(name, settings) for name, settings in config.channels.items()}
        self.joining = self._joining()
        self.channel_listener = Listener(
            config.listen.channels,
            self.joining.handle,
            clock=clock,
            on_unfit=lambda why: self.meter.rejected("", why),
            grace_s=config.node.stop_grace_s,
        )
        self.admin = AdminSide(self._desk())
        self.page = PageSide(self._desk(), self.admin)
        self.admin_listener = AdminListener(config, self.page.handle, self.acceptor, clock)
        #: True from the moment requests are taken until stopping begins.
        self.ready = False
        self.started_at_us = 0
        self._loops: list[asyncio.Task[None]] = []

    def _spool(self) -> Spool:
        store = store_of(self.config)
        return Spool(store) if self.tracing is None else self.tracing.spool(store)

    def _doors(self) -> Doors:
        doors = Doors if self.tracing is None else self.tracing.doors
        returns = ListedReturns(self.spool.store, self.clock, self.config.returns)
        return doors(self.channels.values(), self.acceptor, self.clock, self.meter, self._board(), returns=returns)

    def _joining(self) -> Joining:
        return Joining(
            spool=self.spool,
            unlock=self._unlock,
            keeper=self.keeper,
            numbers=self.numbers,
            policies=self.policies,
            clock=self.clock,
            doors=self._doors(),
            closed=Doors(self.channels.values(), Closed(), self.clock, self.meter, self._board(), returns=None),
            listen=self._listen,
        )

    def _route(self, name: str, settings: RouteSettings) -> Route:
        forward = settings.forward
        if not forward.live_max:
            forward = forward.model_copy(update={"live_max": self._live_max})
        core = open_route_core(
            settings.core,
            self.config.cores[settings.core],
            settings.breaker,
            self.clock,
            lambda endpoint: keeper_of(self.config, f"{name}.{endpoint}"),
        )
        health = RouteHealth(
            name,
            watched_by(core, settings.breaker),
            self.clock,
            probe_of(core, settings.breaker),
            keeper=keeper_of(self.config, name),
            sending=forward,
            apart={
                each: keeper_of(self.config, f"{name}.{each.value}") for each in Operation if each is not Operation.POST
            },
        )
        if isinstance(core, Endpoints):
            core.is_on_trial = lambda: health.zone not in PASSING
        health.on_change(lambda old, new, diagnosis: _log_zone(name, old, new, diagnosis))
        health.on_change(lambda old, new, diagnosis: self.evidence.soon())  # noqa: ARG005 - a checkpoint at each change
        route = Route(
            name,
            core=core,
            health=health,
            currency=settings.currency,
            forward=forward,
            standin=settings.standin,
            channels=settings.channels,
            order=settings.order,
            accounts=settings.accounts,
        )
        if self.tracing is not None:
            route.spans = self.tracing.spans
        return route

    async def _unlock(self, listed: tuple[int, ...]) -> KeyRing:
        """The keys, once it is known that this spool may be worked on."""
        await require_here(self.spool.store)
        return await self.keeper.unlock(listed)

    def _look_anew(self) -> None:
        for forwarder in self.forwarders.values():
            forwarder.look_anew()

    async def _follow_keys(self) -> None:
        """Have the keys that other nodes seal by, soon after they are made."""
        self.spool.fetch_keys = self.keeper.take_up
        while True:
            with contextlib.suppress(SpoolError):
                await self.spool.follow_keys()
            await self.clock.sleep(FOLLOW_S)

    def _gossip(self) -> Gossip:
        healths = [route.health for route in self.routes]
        return Gossip(self.spool.store, healths, self.clock, own=frozenset({WINDOW_ACTOR}))

    @property
    def _live_max(self) -> int:
        """So many payers may wait for one route's core that others' find a connection, whatever becomes of it."""
        return max(1, self.config.listen.channels.connections_max // (len(self.config.routes) + 1))

    async def _watch_headroom(self) -> None:
        """Note what is held, again and again, so that it can be told how long limits last."""
        while True:
            tally = self.spool.store.tally
            scopes = [(route.name, channel) for route in self.routes for channel in ("", *route.channels)]
            self.headroom.note(self.clock.monotonic(), {scope: tally.exposure(*scope) for scope in scopes})
            await self.clock.sleep(SAMPLE_S)

    def _samples(self) -> dict[str, Sample]:
        """The routes as they stand, for the charts."""
        tally, now_us = self.spool.store.tally, self.clock.now_us()
        return {route.name: sample_of(route, tally, self.meter, now_us) for route in self.routes}

    def _outages(self) -> Recorder:
        return Recorder(
            self.spool.store,
            self.routes,
            self.config.node.name,
            self.clock,
            estimate_s=lambda route: self.forwarders[route].estimate.empty_s,
            planned=self.plan.is_planned,
            tells=lambda: self.telling.tells,
            measure=self._measured,
            is_away_elsewhere=lambda route: self.telling.is_away_elsewhere(route),  # noqa: PLW0108 - made after this
        )

    def _measured(self, route: str) -> Measured:
        """How this node answered a route's channels so far."""
        answers = self.meter.answered_within(self.config.routes[route].channels)
        return Measured(answers, self.meter.turned_away_by_why(route))

    def _payers(self) -> Payers:
        telling = self.config.telling
        used = {each.sink for each in telling.payers.values()}
        return Payers(
            spool=self.spool,
            shelf=self.shelf,
            clock=self.clock,
            settings=telling.payers,
            sinks={name: (each, make_sink(each, self.clock)) for name, each in telling.sinks.items() if name in used},
            deadline_s=max((each.deadline_s for each in self.config.channels.values()), default=0.0),
            office=Office(self.spool.store, TELLER),
        )

    async def _proposed(self) -> list[Proposed]:
        return [Proposed(each.made_at_us, each.ends_at_us) for each in await self.admin.proposals()]

    def _telling(self) -> Telling:
        parts = Parts(
            store=self.spool.store,
            routes=self.routes,
            plan=self.plan,
            headroom=self.headroom,
            clock=self.clock,
            returns=self.config.returns,
            telling=self.config.telling,
            own=lambda: [*own_conditions(self.keeper, self.evidence), *self.outages.conditions()],
            proposed=self._proposed,
        )
        return Telling(
            settings=self.config.telling,
            store=self.spool.store,
            node=self.config.node.name,
            clock=self.clock,
            watch=Watch(parts),
            channels=ChannelReturns(
                self.spool.store, self.clock, self.config.returns, channels_told(self.config.telling.sinks.values())
            ),
        )

    def _board(self) -> Board:
        routes = [(route, self.config.routes[route.name].services) for route in self.routes]
        return Board(routes, self.plan, self.clock)

    def _desk(self) -> Desk:
        return Desk(
            config=self.config,
            clock=self.clock,
            spool=self.spool,
            shelf=self.shelf,
            keeper=self.keeper,
            resealer=self.resealer,
            routes=self.routes,
            forwarders=self.forwarders,
            meter=self.meter,
            accounts=self.accounts,
            policies=self.policies,
            headroom=self.headroom,
            plan=self.plan,
            trend=self.trend,
            evidence=self.evidence,
            telling=self.telling,
            payers=self.payers,
            outages=self.outages,
            begin=self.begin,
            reread=None if self._file is None else partial(load_access, self._file),
            ready=lambda: self.ready or self.joining.alone,
            waits=lambda: self.joining.waits,
            started_at_us=lambda: self.started_at_us,
        )

    async def start(self) -> Found:
        """Open the spool, start forwarding, then listen; says what was found.

        Raises:
            SpoolHeld, SpoolUnfit, KeysUnfit: refused, with the reason.
            OSError: a port can't be listened on.
        """
        self.started_at_us = self.clock.now_us()
        try:
            await self.joining.open(self.started_at_us)
            self.started_at_us = self.clock.now_us()
        except BaseException:
            await self.channel_listener.stop()
            await self.page.close()
            await self.admin_listener.stop()
            await self.keeper.close()
            raise
        try:
            through = self.joining.through
            self.numbers.start_above(await through(self.spool.store.highest_number))
            found = self._found()
            log.info("spool_opened", **{state: total.entries for state, total in found.by_state.items()})
            epoch = await through(self.evidence.open)
            await through(self._open_admin_side)
            self._loops.append(asyncio.create_task(self.keeper.run(), name="keeper of keys"))
            if self.spool.store.nodes.shared:
                self._loops.append(asyncio.create_task(self._follow_keys(), name="keys of other nodes"))
            self._loops.append(asyncio.create_task(self.resealer.run(), name="resealing"))
            for step in (
                self.accounts.refresh,
                self.policies.follow,
                self.plan.follow,
                self.outages.open,
                self.telling.open,
            ):
                await through(step)
            self._loops.append(asyncio.create_task(self.plan.run(), name="planned windows"))
            self._loops.append(asyncio.create_task(self.policies.run(), name="policies"))
            self._loops.append(asyncio.create_task(self.admin.run(), name="jobs"))
            self._loops.append(asyncio.create_task(self._watch_headroom(), name="headroom"))
            self._loops.append(asyncio.create_task(self.trend.run(), name="charts"))
            self._loops.append(asyncio.create_task(self.accounts.run(), name="accounts"))
            self._loops.append(asyncio.create_task(self.outages.run(), name="outages"))
            self._loops += self.telling.tasks()
            self._loops += forgetting(self.config.spool, self.spool.store, self.clock)
            if self.config.telling.payers:
                self._loops.append(asyncio.create_task(self.payers.run(), name="payers"))
            if epoch.accepted:
                await self.begin()
        except BaseException:
            await self.stop()
            raise
        return found

    async def begin(self) -> None:
        """Take and send payments. Called once; where the spool lacks what was witnessed, when a person has accepted that.

        Raises:
            OSError: the channels' port can't be listened on.
        """
        await self.joining.through(partial(self.evidence.note_configuration, self.config))
        self._loops += self.evidence.tasks()
        if self.spool.store.nodes.shared:
            self._loops.append(asyncio.create_task(self._gossip().run(), name="gossip of nodes"))
        for route in self.routes:
            self._loops.append(asyncio.create_task(route.health.run(), name=f"health of {route.name}"))
            if isinstance(route.core, Endpoints):
                self._loops.append(asyncio.create_task(route.core.run(), name=f"endpoints of {route.name}"))
            self._loops.append(
                asyncio.create_task(self.forwarders[route.name].run(), name=f"forwarder of {route.name}")
            )
        self.joining.take_payments()
        await self._listen_to_channels()
        self.ready = True

    async def _open_admin_side(self) -> None:
        if self.shelf is not self.spool.store:
            await self.shelf.open(self.started_at_us)
        await self._listen_to_persons()

    async def _listen(self) -> None:
        await self._listen_to_persons()
        await self._listen_to_channels()

    async def _listen_to_channels(self) -> None:
        if not self.channel_listener.port:
            await self.channel_listener.start()
            log.info("listening", listener="channels", port=self.channel_listener.port)

    async def _listen_to_persons(self) -> None:
        if not self.admin_listener.port:
            await self.admin_listener.start()
            log.info("listening", listener="admin", port=self.admin_listener.port)

    async def _close_admin_side(self) -> None:
        """Before the spool: whoever closes a SQLite file last checkpoints it, and that must be its writer."""
        await self.page.close()
        await self.admin_listener.stop()
        await self.admin.close()
        if self.shelf is not self.spool.store:
            await self.shelf.close()

    def _found(self) -> Found:
        by_state: dict[str, Sum] = {}
        for cell, total in self.spool.store.tally.cells():
            word = cell.state.word
            by_state[word] = by_state.get(word, Sum(0, 0)) + total
        return Found(by_state=by_state)

    async def stop(self) -> None:
        """Stop in good order; what could not end within the grace time is in doubt at the next start."""
        self.ready = False
        grace_s = self.config.node.stop_grace_s
        telling = asyncio.create_task(self._finish_telling(grace_s))
        await self.channel_listener.stop()
        left = sum([await forwarder.stop(grace_s) for forwarder in self.forwarders.values()])
        left += await self.settler.finish(grace_s)
        await telling
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        await self.telling.close()
        await self.payers.close()
        for route in self.routes:
            route.health.keep()
            with contextlib.suppress(OSError):
                await route.core.close()
        await self._close_admin_side()
        await self.accounts.flush()
        await self.evidence.close()
        await self.spool.close()
        await self.keeper.close()
        if self.tracing is not None:
            await self.tracing.close()
        log.info("stopped", left_in_doubt=left)

    async def _finish_telling(self, grace_s: float) -> None:
        """Whoever is being told is told once, if his sink answers in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await asyncio.gather(self.telling.finish(), self.payers.finish())


def _log_zone(route: str, old: Any, new: Any, diagnosis: Any) -> None:
    cause = "" if diagnosis is None else str(diagnosis.cause)
    log.warning("route_zone", route=route, old=str(old), new=str(new), cause=cause)
