"""One process of the gateway: the real parts, joined over a store and a core that aren't real, until it is killed."""

import asyncio
import json
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from adapters.channel import Inbound, Rejected, Reply
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.json_v1 import JsonChannel
from adapters.payment import Answer, AnswerKind, Inquiry, Payment, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.forward.forwarder import Forwarder
from gateway.forward.settings import ForwardSettings
from gateway.meter import Meter
from gateway.route.health import RouteHealth
from gateway.route.record import KeptInMemory
from gateway.route.route import Route, Routing
from gateway.route.settings import BreakerSettings
from gateway.settle import Settler
from gateway.standin.settings import StandinChannelSettings, StandinSettings
from spool.keys import KeyRing
from spool.number import Numbers
from spool.seal import Sealer
from spool.spool import Spool
from tests.simulation.billing import Billing
from tests.simulation.disk import Disk, SimStore
from tests.simulation.judge import Judge
from tests.simulation.nature import Mix, Nature, SeededClock
from tests.simulation.seeded_loop import OWNER

ROUTE: Final = "billing"
CHANNELS: Final = ("kiosk", "bank")
KEYS: Final = KeyRing([(1, b"\x01" * 32)], b"\x02" * 32)
TOKEN: Final = {name: f"token-of-the-{name}-long-enough-to-be-one" for name in CHANNELS}
GRACE_S: Final = 2.0


@dataclass(frozen=True)
class Parts:
    """What a process is made of; a planted bug is another part in the same place."""

    store: Callable[[Disk, float], SimStore] = SimStore
    spool: Callable[..., Spool] = Spool
    acceptor: Callable[..., Acceptor] = Acceptor
    settler: Callable[..., Settler] = Settler
    forwarder: Callable[..., Forwarder] = Forwarder
    health: Callable[..., RouteHealth] = RouteHealth
    numbers: Callable[[], Numbers] = Numbers
    billing: Callable[[Nature, Judge], Billing] = Billing


class Process:
    """See above. `dead` ends it at once: none of its callbacks runs again."""

    def __init__(
        self, *, nature: Nature, judge: Judge, disk: Disk, core: Billing, keeper: KeptInMemory, parts: Parts
    ) -> None:
        """Join the parts; opens nothing yet."""
        mix = nature.mix
        self.dead = False
        self.ready = False
        self.nature = nature
        self.judge = judge
        self.clock = SeededClock(nature)
        self.context: Context = nature.loop.outside.copy()
        self.context.run(OWNER.set, self)
        #: Requests whose clients wait.
        self.waiting: dict[asyncio.Future[Answer | None], None] = {}
        self.loops: list[asyncio.Task[None]] = []
        self.context.run(self._join, mix, disk, core, keeper, parts)

    def _join(self, mix: Mix, disk: Disk, core: Billing, keeper: KeptInMemory, parts: Parts) -> None:
        clock, meter = self.clock, Meter()
        self.store = parts.store(disk, 0.5 * mix.deadline_s)
        self.spool = parts.spool(self.store, KEYS, Sealer(KEYS, self.nature.chance.randbytes))
        self.settler = parts.settler(self.spool, clock)
        probe = (lambda: core.probe(5.0)) if mix.safe_probe else None
        self.health = parts.health(ROUTE, breaker_of(mix), clock, probe, keeper=keeper)
        route = Route(
            ROUTE,
            core=core,
            health=self.health,
            currency="RUB",
            forward=forward_of(mix),
            standin=standin_of(mix),
            channels=CHANNELS,
        )
        self.numbers = parts.numbers()
        self.acceptor = parts.acceptor(
            spool=self.spool,
            routing=Routing([(channel, frozenset(), route) for channel in CHANNELS]),
            clock=clock,
            numbers=self.numbers,
            settler=self.settler,
            meter=meter,
        )
        self.forwarder = parts.forwarder(route=route, spool=self.spool, clock=clock, settler=self.settler, meter=meter)
        self.channels = {name: channel_of(name, mix) for name in CHANNELS} if mix.json else {}

    def start(self) -> "asyncio.Task[None]":
        """Begin to live."""
        return self.nature.loop.create_task(self._start(), context=self.context.copy())

    async def _start(self) -> None:
        """As the service starts."""
        await self.spool.open(self.clock.now_us())
        self.numbers.start_above(await self.store.highest_number())
        for work in (self.health.run(), self.forwarder.run()):
            loop = asyncio.ensure_future(work)
            loop.add_done_callback(self._loop_ended)
            self.loops.append(loop)
        self.ready = True
        self.nature.note("ready")

    def _loop_ended(self, loop: "asyncio.Task[None]") -> None:
        if not loop.cancelled() and loop.exception() is not None:
            self.judge.broken("no task of ours dies", f"{loop.exception()!r}")

    async def stop(self) -> None:
        """As the service stops."""
        self.ready = False
        while self.waiting:
            await asyncio.wait(list(self.waiting))
        await self.forwarder.stop(GRACE_S)
        await self.settler.finish(GRACE_S)
        for loop in self.loops:
            loop.cancel()
        await asyncio.wait(self.loops)
        await self.store.close()

    # What channels ask

    def ask(self, request: Payment | Reversal | Inquiry) -> "asyncio.Future[Answer | None]":
        """Take a request; the future, of the world outside, has the answer, or None when the connection broke."""
        heard: asyncio.Future[Answer | None] = self.nature.loop.create_future()
        self.waiting[heard] = None
        self.nature.loop.create_task(self._answer(request, heard), context=self.context.copy())
        return heard

    async def _answer(self, request: Payment | Reversal | Inquiry, heard: "asyncio.Future[Answer | None]") -> None:
        arrived = self.clock.monotonic()
        deadline_s = self.nature.mix.deadline_s
        try:
            answer = await (self._through_bytes if self.channels else self._take)(request, arrived + deadline_s)
            if not isinstance(request, Inquiry):
                self.judge.said(request, answer, self.clock.monotonic() - arrived, deadline_s)
        except Exception as error:  # noqa: BLE001 - whatever comes out of the gateway here is a finding
            self.judge.broken("no request ends in an error", f"{request}: {error!r}")
            answer = None
        self.waiting.pop(heard, None)
        if not heard.done():
            heard.set_result(answer)

    async def _take(self, request: Payment | Reversal | Inquiry, until: float) -> Answer:
        if isinstance(request, Payment):
            return await self.acceptor.pay(request, until, until)
        if isinstance(request, Reversal):
            return await self.acceptor.reverse(request, until, until)
        return await self.acceptor.inquire(request)

    async def _through_bytes(self, request: Payment | Reversal | Inquiry, until: float) -> Answer:
        """As a bank does it: JSON in, JSON out; what is said is what its bytes say."""
        channel = self.channels[request.channel]
        try:
            asked = channel.read(inbound_of(request))
        except Rejected as rejected:
            raise AssertionError(f"the channel rejects {request}: {rejected.reason}") from None
        assert isinstance(asked, Payment | Reversal | Inquiry), "a payment comes in as one"
        answer = await self._take(asked, until)
        return read_reply(channel.write(asked, answer))


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
        attempt_timeout_s=min(10.0, 0.9 * mix.settle_s),
        attempts_max=mix.attempts_max,
        backoff_first_s=0.5,
        backoff_max_s=8.0,
        window_entries_max=mix.window_max,
        lane_entries_max=mix.lane_max,
    )


def standin_of(mix: Mix) -> StandinSettings:
    """What this seed's gateway takes on its own."""
    return StandinSettings(
        enabled=mix.standin,
        exposure_count_max=mix.exposure_count,
        exposure_sum_max=f"{mix.exposure_sum // 100}.{mix.exposure_sum % 100:02}",
        answer_margin_s=0.5,
        channels={name: StandinChannelSettings(exposure_count_max=mix.channel_count) for name in CHANNELS},
    )


def channel_of(name: str, mix: Mix) -> JsonChannel:
    """A bank's channel."""
    digest = sha256(TOKEN[name].encode()).hexdigest()
    return JsonChannel(
        name, JsonChannelSettings(protocol="json", currency="RUB", deadline_s=mix.deadline_s, tokens_sha256=(digest,))
    )


def inbound_of(request: Payment | Reversal | Inquiry) -> Inbound:
    """The bytes of a request."""
    headers = {"Authorization": f"Bearer {TOKEN[request.channel]}", "Content-Type": "application/json"}
    method, path, query, body = "POST", "/v1/payments", "", b""
    if isinstance(request, Inquiry):
        method, query = "GET", f"key={request.key}"
        del headers["Content-Type"]
    elif isinstance(request, Payment):
        headers["Idempotency-Key"] = request.key
        body = json.dumps(
            {
                "account": request.account,
                "amount": f"{request.amount // 100}.{request.amount % 100:02}",
                "currency": request.currency,
            }
        ).encode()
    else:
        headers["Idempotency-Key"] = request.key
        path = f"/v1/payments/{request.number}/reversal"
    return Inbound(method=method, path=path, query=query, headers=headers, body=body, peer="127.0.0.1")


_KIND_OF_CODE: Final = {
    "refused": AnswerKind.REFUSED,
    "payment_not_found": AnswerKind.REFUSED,
    "in_progress": AnswerKind.IN_PROGRESS,
    "conflict": AnswerKind.CONFLICT,
    "try_later": AnswerKind.TRY_LATER,
}


def read_reply(reply: Reply) -> Answer:
    """What a bank understands of a reply: its kind and the payment's number, from the bytes alone."""
    said = json.loads(reply.body)
    if reply.status in {200, 201, 202}:
        return Answer(kind=AnswerKind(said["status"]), number=int(said["id"]))
    return Answer(kind=_KIND_OF_CODE[said["code"]], number=int(said.get("payment_id") or 0))
