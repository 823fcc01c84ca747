"""One process of the gateway: the real parts, joined over a store and a core that aren't real, until it is killed."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from adapters.payment import Answer, Check, Inquiry, Payment, Request, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.admin.duties.closing import Closing
from gateway.admin.entries.acts import Acts
from gateway.admin.entries.inquiring import Inquiring
from gateway.admin.entries.reopening import Reopening
from gateway.forward.forwarder import Forwarder
from gateway.forward.order import OrderRuleSettings, OrderSettings
from gateway.forward.settings import ForwardSettings
from gateway.meter import Meter
from gateway.outages.recorder import Recorder
from gateway.returns.settings import ReturnSettings
from gateway.route.health import RouteHealth
from gateway.route.record import KeptInMemory
from gateway.route.route import Route, Routing
from gateway.route.settings import BreakerSettings
from gateway.settle import Settler
from gateway.standin.accounts import Accounts
from gateway.standin.headroom import Headroom
from gateway.standin.settings import StandinChannelSettings, StandinSettings
from gateway.telling.channels import ChannelReturns, channels_told
from gateway.telling.watch import Parts as Looked
from gateway.telling.watch import Watch
from gateway.windows.plan import Plan
from spool.keys import KeyRing
from spool.number import Numbers
from spool.seal import Sealer
from spool.spool import Spool
from tests.paying import paid_in_turn
from tests.simulation.billing import Billing
from tests.simulation.dialects import dialect, through_bytes
from tests.simulation.disk import Disk, SimStore
from tests.simulation.judge import Judge
from tests.simulation.nature import ROUTE, Mix, Nature, SeededClock
from tests.simulation.people import People, Witnessed, telling_settings
from tests.simulation.seeded_loop import OWNER

NODE: Final = "sim"
CHANNELS: Final = ("kiosk", "bank")
SHOP: Final = "shop"
"""A channel with a route of its own, to a core that is always well."""

SHOP_ROUTE: Final = "shop-billing"
CHANNELS_OF: Final = {ROUTE: CHANNELS, SHOP_ROUTE: (SHOP,)}
KEYS: Final = KeyRing([(1, b"\x01" * 32)], b"\x02" * 32)
GRACE_S: Final = 2.0


@dataclass(frozen=True)
class Parts:
    """What a process is made of; a planted bug is another part in the same place."""

    store: Callable[[Disk, float], Any] = SimStore
    spool: Callable[..., Spool] = Spool
    acceptor: Callable[..., Acceptor] = Acceptor
    settler: Callable[..., Settler] = Settler
    forwarder: Callable[..., Forwarder] = Forwarder
    health: Callable[..., RouteHealth] = RouteHealth
    numbers: Callable[[], Numbers] = Numbers
    billing: Callable[[Nature, Judge], Billing] = Billing
    closing: Callable[..., Closing] = Closing
    telling: type[Witnessed] = Witnessed


@dataclass
class Site:
    """A route's core, and what outlives a process of the route's health."""

    core: Billing
    keeper: KeptInMemory


T = TypeVar("T")


async def nobody_gives_back() -> frozenset[str]:
    """No proposals are made here."""
    return frozenset()


class Process:
    """See above. `dead` ends it at once: none of its callbacks runs again. While it is `stopped`, none does."""

    def __init__(
        self, *, nature: Nature, judge: Judge, disk: Disk, sites: dict[str, Site], parts: Parts, people: People
    ) -> None:
        """Join the parts; opens nothing yet. `sites` are by route."""
        mix = nature.mix
        self.dead = self.stopped = False
        self.ready = False
        self.nature = nature
        self.judge = judge
        self.clock = self.a_clock()
        self.context: Context = nature.loop.outside.copy()
        self.context.run(OWNER.set, self)
        #: Requests whose clients wait, and acts whose persons do.
        self.waiting: dict[asyncio.Future[Any], None] = {}
        self.loops: list[asyncio.Task[None]] = []
        self.context.run(self._join, mix, disk, sites, parts)
        self.context.run(self._join_telling, parts, people)

    def _join(self, mix: Mix, disk: Disk, sites: dict[str, Site], parts: Parts) -> None:
        clock, meter = self.clock, Meter()
        self.store = parts.store(disk, 0.5 * mix.deadline_s)
        self.spool = parts.spool(self.store, KEYS, Sealer(KEYS, self.nature.chance.randbytes))
        self.settler = parts.settler(self.spool, clock)
        self.routes = [self._route(name, site, parts) for name, site in sites.items()]
        self.numbers = parts.numbers()
        self.accounts = Accounts(self.spool, clock)
        for route in self.routes:
            self.accounts.watch(route)
        self.acceptor = parts.acceptor(
            spool=self.spool,
            routing=Routing(
                [(channel, frozenset(), route) for route in self.routes for channel in CHANNELS_OF[route.name]]
            ),
            clock=clock,
            numbers=self.numbers,
            settler=self.settler,
            meter=meter,
            accounts=self.accounts,
        )
        self.forwarders = {
            route.name: parts.forwarder(route=route, spool=self.spool, clock=clock, settler=self.settler, meter=meter)
            for route in self.routes
        }
        levels = {route.name: route.core.capabilities.level for route in self.routes}
        reopening = Reopening(self.spool, self.store, clock, levels, nobody_gives_back)
        inquiring = Inquiring({route.name: route.core for route in self.routes}, self.forwarders)
        self.acts = Acts(self.spool, self.store, clock, self.forwarders, reopening, unaskable=inquiring.obstacle)
        self.closing = parts.closing(self.spool, clock, {route.name: route for route in self.routes}.get)
        self.dialects = {name: dialect(mix.protocol, name, mix.deadline_s) for name in (*CHANNELS, SHOP)}

    def _join_telling(self, parts: Parts, people: People) -> None:
        after_s = self.nature.mix.returns_after_s
        channels = () if after_s < 0 else CHANNELS
        settings, plan = telling_settings(channels), Plan(self.store, self.routes, self.clock)
        self.outages = Recorder(
            self.store,
            self.routes,
            NODE,
            self.clock,
            estimate_s=lambda route: self.forwarders[route].estimate.empty_s,
            planned=lambda _route: False,
        )
        looked_at = Looked(
            store=self.store,
            routes=self.routes,
            plan=plan,
            headroom=Headroom(),
            clock=self.clock,
            returns=ReturnSettings(),
            telling=settings,
            own=self.outages.conditions,
        )
        self.telling = parts.telling(
            settings=settings,
            store=self.store,
            node=NODE,
            clock=self.clock,
            watch=Watch(looked_at),
            channels=ChannelReturns(
                self.store,
                self.clock,
                ReturnSettings(channel_after_s=max(0, after_s)),
                channels_told(settings.sinks.values()),
            ),
            make=people.make,
        )
        self.telling.people = people

    def _route(self, name: str, site: Site, parts: Parts) -> Route:
        mix, core, forward = self.nature.mix, site.core, forward_of(self.nature.mix)
        probe = (lambda: core.probe(5.0)) if mix.safe_probe else None
        return Route(
            name,
            core=core,
            health=parts.health(name, breaker_of(mix), self.clock, probe, keeper=site.keeper, sending=forward),
            currency="RUB",
            forward=forward,
            standin=standin_of(mix) if name == ROUTE else StandinSettings(answer_margin_s=0.5),
            channels=CHANNELS_OF[name],
            order=order_of(mix),
        )

    def start(self) -> "asyncio.Task[None]":
        """Begin to live."""
        return self.nature.loop.create_task(self._start(), context=self.context.copy())

    async def _start(self) -> None:
        """As the service starts."""
        await self.spool.open(await self.time_us())
        self.numbers.start_above(await self.store.highest_number())
        self.loops += map(asyncio.ensure_future, self.works())
        if self.nature.mix.sinks:
            await self.outages.open()
            await self.telling.open()
            self.loops += [asyncio.ensure_future(self.outages.run()), *self.telling.tasks()]
        for loop in self.loops:
            loop.add_done_callback(self._loop_ended)
        self.ready = True
        self.nature.note("ready")

    def a_clock(self) -> SeededClock:
        """What it tells the time by."""
        return SeededClock(self.nature)

    async def time_us(self) -> int:
        """The time it begins at."""
        return self.clock.now_us()

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on beside requests."""
        return [work for route in self.routes for work in (route.health.run(), self.forwarders[route.name].run())]

    def _loop_ended(self, loop: "asyncio.Task[None]") -> None:
        if not loop.cancelled() and loop.exception() is not None:
            self.judge.broken("no task of ours dies", f"{loop.exception()!r}")

    async def stop(self) -> None:
        """As the service stops."""
        self.ready = False
        while self.waiting:
            await asyncio.wait(list(self.waiting))
        for forwarder in self.forwarders.values():
            await forwarder.stop(GRACE_S)
        await self.settler.finish(GRACE_S)
        for loop in self.loops:
            loop.cancel()
        await asyncio.wait(self.loops)
        await self.store.close()

    # What channels and persons ask

    def ask(self, request: Request) -> "asyncio.Future[Answer | None]":
        """Take a request; the future, of the world outside, has the answer, or None when the connection broke."""
        return self._hear(lambda: self._answer(request))

    def order(self, act: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Future[T | None]":
        """Do what a person says; None when the process died over it."""
        return self._hear(act)

    def _hear(self, work: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Future[T | None]":
        heard: asyncio.Future[T | None] = self.nature.loop.create_future()
        self.waiting[heard] = None
        self.nature.loop.create_task(self._work(work, heard), context=self.context.copy())
        return heard

    async def _work(self, work: Callable[[], Coroutine[Any, Any, T]], heard: "asyncio.Future[T | None]") -> None:
        try:
            result = await work()
        except Exception as error:  # noqa: BLE001 - whatever comes out of the gateway here is a finding
            self.judge.broken("no request ends in an error", f"{error!r}")
            result = None
        self.waiting.pop(heard, None)
        if not heard.done():
            heard.set_result(result)

    async def _answer(self, request: Request) -> Answer:
        arrived = self.clock.monotonic()
        deadline_s = self.nature.mix.deadline_s
        dialect = self.dialects[request.channel]
        asked = through_bytes(dialect, request)
        answer = await self._take(asked, arrived + deadline_s)
        reply = dialect.channel.write(asked, answer)
        answer = dialect.understood(request, reply, answer)
        took_s = self.clock.monotonic() - arrived
        if isinstance(request, Check):
            self.judge.checked(request, answer, took_s, deadline_s)
        elif not isinstance(request, Inquiry):
            self.judge.said(request, answer, took_s, deadline_s)
            self.judge.wrote(request, answer, reply.body)
        return answer

    async def _take(self, request: Request, until: float) -> Answer:
        if isinstance(request, Payment):
            return await paid_in_turn(self.acceptor, request, until, until)
        if isinstance(request, Reversal):
            return await self.acceptor.reverse(request, until, until)
        if isinstance(request, Check):
            return await self.acceptor.check(request, until)
        return await self.acceptor.inquire(request)


def breaker_of(mix: Mix) -> BreakerSettings:
    """How quick this seed's gateway is to notice."""
    return BreakerSettings(
        watch_interval_s=mix.watch_s,
        open_for_max_s=mix.open_max_s,
        probe_interval_s=1.0,
        idle_probe_interval_s=10.0,
        probe_distrust_s=20.0,
        trial_deadline_s=20.0,
        slow_call_s=3.0,
    )


def forward_of(mix: Mix) -> ForwardSettings:
    """How this seed's gateway sends."""
    return ForwardSettings(
        in_flight_max=mix.in_flight_max,
        rate_max_per_s=mix.rate_max,
        attempt_timeout_s=min(10.0, 0.9 * mix.settle_s),
        attempts_max=mix.attempts_max,
        backoff_first_s=0.5,
        backoff_max_s=8.0,
        window_entries_max=mix.window_max,
        lane_entries_max=mix.lane_max,
    )


def order_of(mix: Mix) -> OrderSettings:
    """Which waiting payments of this seed go before others: with every other window, most by rules."""
    if mix.window_max % 64:
        rules = [OrderRuleSettings(goes="first", amount_min="5"), OrderRuleSettings(goes="late", channels=["bank"])]
        return OrderSettings(rules=rules, first_ahead_s=3600, late_behind_s=60)
    return OrderSettings()


def standin_of(mix: Mix) -> StandinSettings:
    """What this seed's gateway takes on its own."""
    return StandinSettings(
        enabled=mix.standin,
        exposure_count_max=mix.exposure_count,
        exposure_sum_max=f"{mix.exposure_sum // 100}.{mix.exposure_sum % 100:02}",
        answer_margin_s=0.5,
        channels={name: StandinChannelSettings(exposure_count_max=mix.channel_count) for name in CHANNELS},
    )
