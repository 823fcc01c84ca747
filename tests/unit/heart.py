"""The heart of the gateway on a bench: acceptor, forwarder, spool and a fake core, with time standing still."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.core import Capabilities, Level
from adapters.payment import Answer, Payment, Reversal
from gateway.accept.acceptor import Acceptor
from gateway.clock import ManualClock, settle
from gateway.forward.forwarder import Forwarder
from gateway.forward.order import OrderSettings
from gateway.forward.settings import ForwardSettings
from gateway.meter import Meter
from gateway.route.health import Probe, RouteHealth
from gateway.route.record import RecordKeeper
from gateway.route.route import Route, Routing
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Zone
from gateway.settle import Settler
from gateway.standin.accounts import Accounts
from gateway.standin.settings import StandinSettings
from spool.entry import Draft, Entry
from spool.keys import KeyRing
from spool.memory import MemoryStore
from spool.number import Numbers
from spool.spool import Spool
from spool.store import Filter
from tests.paying import paid
from tests.unit.fake_core import FakeCore, able
from tests.unit.troubled_store import TroubledStore

ROUTE: Final = "billing"
KEYS: Final = KeyRing([(1, b"\x01" * 32)], b"\x02" * 32)
HOUR_US: Final = 3_600_000_000
DEADLINE_S: Final = 20.0
"""Real seconds a test's request may wait for what never comes; none does in a test that passes."""

NO_STANDIN: Final = StandinSettings(enabled=False)
FORWARD: Final = ForwardSettings(backoff_first_s=1.0, backoff_max_s=60.0, slow_start_s=0.0)


def payment(key: str = "k1", account: str = "100", amount: int = 1_000, **changes: Any) -> Payment:
    """A payment of 10.00 by the kiosk."""
    usual: dict[str, Any] = {"channel": "kiosk", "key": key, "account": account, "amount": amount, "currency": "RUB"}
    return Payment(**usual | changes)


def reversal(key: str = "r1", payment_key: str = "k1", **changes: Any) -> Reversal:
    """Its reversal."""
    usual: dict[str, Any] = {"channel": "kiosk", "key": key, "payment_key": payment_key}
    return Reversal(**usual | changes)


def kept(new: Draft, **changes: Any) -> Entry:
    """A draft as an entry, without a store: recorded, never attempted."""
    facts = {name: getattr(new, name) for name in Draft.__struct_fields__ if name in Entry.__struct_fields__}
    begun = {"epoch": 0, "attempts": 0, "due_at_us": 0, "changed_at_us": new.accepted_at_us, "reason": ""}
    return Entry(**facts | begun | {"core_id": "", "key_id": 1, "sealed": b""} | changes)


@dataclass
class Heart:
    """Everything that works on one route, over a store and a core that outlive it."""

    store: MemoryStore
    core: FakeCore
    clock: ManualClock
    standin: StandinSettings
    forward: ForwardSettings
    breaker: BreakerSettings
    #: Asks whether the core is there; without it an open route is tried by a payment.
    probe: Probe | None = None
    order: OrderSettings = field(default_factory=OrderSettings)
    #: Where the route's record is kept for the next process; without it nothing is.
    keeper: RecordKeeper | None = None
    spool: Spool = field(init=False)

    def __post_init__(self) -> None:
        """Make the objects of one process."""
        self.spool = Spool(self.store, KEYS)
        self.settler = Settler(self.spool, self.clock)
        self.meter = Meter()
        self.accounts = Accounts(self.spool, self.clock)
        self.health = RouteHealth(ROUTE, self.breaker, self.clock, self.probe, sending=self.forward, keeper=self.keeper)
        self.route = Route(
            ROUTE,
            core=self.core,
            health=self.health,
            currency="RUB",
            forward=self.forward,
            standin=self.standin,
            channels=("kiosk", "bank"),
            order=self.order,
        )
        routing = Routing([("kiosk", frozenset(), self.route), ("bank", frozenset(), self.route)])
        self.accounts.watch(self.route)
        self.numbers = Numbers()
        self.acceptor = Acceptor(
            spool=self.spool,
            routing=routing,
            clock=self.clock,
            numbers=self.numbers,
            settler=self.settler,
            meter=self.meter,
            accounts=self.accounts,
        )
        self.forwarder = Forwarder(
            route=self.route, spool=self.spool, clock=self.clock, settler=self.settler, meter=self.meter
        )

    async def open(self) -> None:
        """Open the spool as a process does when it starts."""
        await self.spool.open(self.clock.now_us())
        self.numbers.start_above(await self.store.highest_number())

    async def crash(self) -> None:
        """The process is killed: its tasks die where they stand, the store keeps what it has."""
        self.core.hang()
        await self.forwarder.stop(0)
        await self.settler.finish(0)
        await self.store.close()
        self.core.let_go()

    async def restarted(self) -> "Heart":
        """The next process over the same store and core."""
        await self.crash()
        again = Heart(
            self.store,
            self.core,
            self.clock,
            self.standin,
            self.forward,
            self.breaker,
            self.probe,
            self.order,
            self.keeper,
        )
        await again.open()
        return again

    # What channels do

    async def pay(self, key: str = "k1", account: str = "100", amount: int = 1_000, **changes: Any) -> Answer:
        """Send a payment and wait for the answer."""
        return await self.take(payment(key, account, amount, **changes))

    async def take(self, request: Payment | Reversal) -> Answer:
        """Send a payment or reversal and wait for the answer."""
        until = self.clock.monotonic() + DEADLINE_S
        if isinstance(request, Payment):
            return await paid(self.acceptor, request, until, until)
        return await self.acceptor.reverse(request, until, until)

    async def undo(self, key: str = "r1", payment_key: str = "k1", **changes: Any) -> Answer:
        """Send a reversal and wait for the answer."""
        return await self.take(reversal(key, payment_key, **changes))

    # What happens

    def open_route(self) -> None:
        """The core is down, as a person says."""
        self._force(Zone.OPEN)

    def close_route(self) -> None:
        """The core is well, as a person says."""
        self._force(Zone.CLOSED)

    def _force(self, zone: Zone) -> None:
        self.health.force(zone, until_us=self.clock.now_us() + HOUR_US, actor="test", reason="test")

    async def forwards(self, rounds: int = 1) -> None:
        """Let the forwarder do rounds, each to its end."""
        for _ in range(rounds):
            await self.forwarder.run_once()
            await settle()

    async def later(self, seconds: float, rounds: int = 2) -> None:
        """Let time go on, then forward."""
        await self.clock.advance(seconds)
        await self.forwards(rounds)

    async def entry(self, key: str = "k1", channel: str = "kiosk") -> Entry:
        """The entry that owns a key."""
        found = await self.store.find(channel, key)
        assert found is not None, f"there is an entry {key}"
        return found

    async def entries(self) -> list[Entry]:
        """All of them, in order."""
        return await self.store.page(Filter(), 100_000)

    async def events(self, key: str = "k1") -> list[str]:
        """Names of what happened to an entry."""
        return [event.name for event in await self.store.history((await self.entry(key)).number)]

    @property
    def troubles(self) -> TroubledStore:
        """The store, where it is one with bad moments."""
        assert isinstance(self.store, TroubledStore), "this heart has a troubled store"
        return self.store


OpenHeart = Callable[..., Coroutine[Any, Any, Heart]]
"""Opens a heart; its arguments are those of `make`."""


def make(
    level: Level = Level.A,
    *,
    capabilities: Capabilities | None = None,
    standin: StandinSettings | None = None,
    forward: ForwardSettings = FORWARD,
    breaker: BreakerSettings | None = None,
    store: MemoryStore | None = None,
    order: OrderSettings | None = None,
    seed: int = 1,
) -> Heart:
    """A heart over an empty store (with bad moments to be had) and an honest core."""
    return Heart(
        store=store or TroubledStore(),
        core=FakeCore(capabilities or able(level)),
        clock=ManualClock(seed=seed),
        standin=standin or StandinSettings(),
        forward=forward,
        breaker=breaker or BreakerSettings(),
        order=order or OrderSettings(),
    )
