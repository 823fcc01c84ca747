"""How much of the event loop the admin side gets while payments wait: a small share, in turns of those who ask.

Both sides live on one loop. Whoever asks the admin side as fast as it answers, with a token or without, would take most of it
from payments (`python -m bench besieged`). While none waits nobody is slowed. While some do, requests to the admin side wait
until what was answered is paid for, out of a budget that grows by `SHARE` seconds a second. Who was let in before waits in a
row of their own, and whoever had least of late goes first, so that a crowd of strangers, or one person's hundred requests,
costs the others a turn and no more. What takes long (an export, the report of a day) steps aside between two of its pieces.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any, Final, Generic, Protocol, TypeVar

SHARE: Final = 0.04
"""Seconds of the loop a second; what it costs around a request (its socket, its thread) comes to as much again."""

BURST_S: Final = 0.05
"""What may be saved up: the requests of a page that is opened."""

DEBT_MAX_S: Final = 0.06
"""No more is owed: a long request is not paid for by everybody's minutes."""

AROUND_S: Final = 0.000_3
"""What the server does before and after each."""

KNOWN_MAX: Final = 256
"""Callers remembered that were let in."""

STRANGERS: Final = 0

STRANGERS_AT_ONCE: Final = 4
"""Requests of those not known under way at once, while payments wait; of anybody known one is."""

PRESSING: Final = 4
"""Payments in hand above which they wait for each other."""

PRESSED_S: Final = 1.0
"""Payments that waited so lately count as waiting: between two commits none does."""

LOOK_S_MAX: Final = 0.05
"""So often it is looked whether payments still wait."""

T = TypeVar("T")


class Metered(Generic[T]):
    """A coroutine that is charged for its steps as it goes; what it waits for is free."""

    def __init__(
        self, coroutine: Coroutine[Any, Any, T], now: Callable[[], float], charge: Callable[[float], None]
    ) -> None:
        self._coroutine = coroutine
        self._now = now
        self._charge = charge
        self._began_s = now()

    def settle(self) -> None:
        """Charge what its step came to so far."""
        now = self._now()
        self._charge(now - self._began_s)
        self._began_s = now

    def __await__(self) -> Generator[Any, Any, T]:
        """Drive it."""
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731 - it changes with each step
        while True:
            self._began_s = self._now()
            try:
                waits_for = step()
            except StopIteration as ended:
                result: T = ended.value
                return result
            finally:
                self.settle()
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - cancellation too goes where it belongs
                step = _thrown(self._coroutine, error)
            else:
                step = _sent(self._coroutine, sent)


def _sent(coroutine: Coroutine[Any, Any, Any], value: Any) -> Callable[[], Any]:
    return lambda: coroutine.send(value)


def _thrown(coroutine: Coroutine[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: coroutine.throw(error)


class Payments(Protocol):
    """Whoever takes them."""

    @property
    def in_hand(self) -> int:
        """How many are to be answered now."""
        ...


class _Row:
    """Those who wait by one name."""

    __slots__ = ("had_s", "in_hand", "waiting")

    def __init__(self, had_s: float) -> None:
        self.waiting = deque[asyncio.Future[None]]()
        #: Requests under way.
        self.in_hand = 0
        #: What it had of the loop; a row that asked for nothing is not owed what the others had meanwhile.
        self.had_s = had_s


class _Visit:
    """A request that was let in."""

    __slots__ = ("_is_in", "_name", "_share", "is_over", "settle")

    def __init__(self, share: "Share", name: int) -> None:
        self._share = share
        self._name = name
        self._is_in = False
        #: It was answered; what it began and goes on by itself is in nobody's turn.
        self.is_over = False
        #: Charges what its step came to so far.
        self.settle: Callable[[], None] = lambda: None

    async def enter(self) -> None:
        await self._share.turn(self._name)
        self._is_in = True

    def leave(self) -> None:
        if self._is_in:
            self._is_in = False
            self._share.left(self._name)

    def charge(self, cost_s: float) -> None:
        self._share.charge(self._name, cost_s)


_visit: ContextVar[_Visit | None] = ContextVar("visit", default=None)


@contextlib.asynccontextmanager
async def aside() -> AsyncGenerator[None]:
    """Let others go first for the length of a block, then wait for a turn; outside a request of the admin side nothing.

    For what takes long, between two of its pieces, and while nothing of ours is held that others wait for.
    """
    visit = _visit.get()
    if visit is None or visit.is_over:
        yield
        return
    visit.settle()
    visit.leave()
    yield
    await visit.enter()


async def step_aside() -> None:
    """Wait for another turn."""
    async with aside():
        pass


class Share:
    """The admin side's share."""

    def __init__(self, payments: Payments, now: Callable[[], float]) -> None:
        """`payments` wait when many are in hand, `now` is monotonic, in seconds."""
        self._payments = payments
        self._pressed_until = 0.0
        self._now = now
        self._budget_s = BURST_S
        self._counted_at = now()
        self._known: OrderedDict[int, None] = OrderedDict()
        self._rows: dict[int, _Row] = {}
        #: What the row had that was served last.
        self._had_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, caller: str, answer: Callable[[], Coroutine[Any, Any, T]], is_in: Callable[[T], bool]) -> T:
        """Have a request answered in its turn. `caller` is what it came with; `is_in` says whether that let it in."""
        mark = hash(caller)
        visit = _Visit(self, mark if mark in self._known else STRANGERS)
        await visit.enter()
        metered = Metered(answer(), self._now, visit.charge)
        visit.settle = metered.settle
        before = _visit.set(visit)
        try:
            found = await metered
        finally:
            _visit.reset(before)
            visit.charge(AROUND_S)
            visit.leave()
            visit.is_over = True
        if is_in(found):
            self._remember(mark)
        return found

    def _remember(self, mark: int) -> None:
        self._known[mark] = None
        self._known.move_to_end(mark)
        if len(self._known) > KNOWN_MAX:
            forgotten, _ = self._known.popitem(last=False)
            self._drop(forgotten)

    async def turn(self, name: int) -> None:
        """Wait for a turn."""
        row = self._rows.setdefault(name, _Row(self._had_s))
        if not row.waiting:
            row.had_s = max(row.had_s, self._had_s)
            if not self._pressed() or (self._has_budget() and row.in_hand < _at_once(name)):
                row.in_hand += 1
                return
        waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        row.waiting.append(waits)
        self._look_later()
        try:
            await waits
        except asyncio.CancelledError:
            if not waits.cancelled():
                self.left(name)
            raise

    def left(self, name: int) -> None:
        """One is under way no more."""
        self._rows[name].in_hand -= 1
        self._drop(name)
        self._serve()

    def _drop(self, name: int) -> None:
        """Keep no row of a name that was forgotten, once nobody is in it."""
        row = self._rows.get(name)
        if row is not None and name != STRANGERS and name not in self._known and not row.in_hand and not row.waiting:
            del self._rows[name]

    def charge(self, name: int, cost_s: float) -> None:
        """It had the loop for so long."""
        self._gain()
        self._budget_s = max(-DEBT_MAX_S, self._budget_s - cost_s)
        row = self._rows.get(name)
        if row is not None:  # its name may have been forgotten while it stood aside
            row.had_s += cost_s

    def _pressed(self) -> bool:
        now = self._now()
        if self._payments.in_hand > PRESSING:
            self._pressed_until = now + PRESSED_S
        return now < self._pressed_until

    def _has_budget(self) -> bool:
        self._gain()
        return self._budget_s > 0

    def _gain(self) -> None:
        now = self._now()
        self._budget_s = min(BURST_S, self._budget_s + SHARE * (now - self._counted_at))
        self._counted_at = now

    def _serve(self) -> None:
        """Let in whose turn it is, until the budget is used up."""
        while (pressed := self._pressed()) is False or self._has_budget():
            name = self._next(pressed=pressed)
            if name is None:
                break
            row = self._rows[name]
            self._had_s = max(self._had_s, row.had_s)
            if not (waits := row.waiting.popleft()).done():
                row.in_hand += 1
                waits.set_result(None)

    def _next(self, *, pressed: bool) -> int | None:
        """Who had least of those who may."""
        may = [
            name for name, row in self._rows.items() if row.waiting and not (pressed and row.in_hand >= _at_once(name))
        ]
        return min(may, key=lambda name: self._rows[name].had_s, default=None)

    def _look_later(self) -> None:
        """Look again when there is some budget."""
        if self._timer is None:
            after_s = min(LOOK_S_MAX, max(0.001, -self._budget_s / SHARE))
            self._timer = asyncio.get_running_loop().call_later(after_s, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._serve()
        if any(row.waiting for row in self._rows.values()):
            self._look_later()


def _at_once(name: int) -> int:
    return STRANGERS_AT_ONCE if name == STRANGERS else 1
