"""How much of the event loop the admin side gets while payments wait: a small share, in turns of those who ask.

Both sides live on one loop. Whoever asks the admin side as fast as it answers, with a token or without, would take most of it
from payments (`python -m bench besieged`). While none waits nobody is slowed. While some do, requests to the admin side wait
until what was answered is paid for, out of a budget that grows by `SHARE` seconds a second. Who was let in before waits in a
row of their own, so that a crowd of strangers, or one person's hundred requests, costs the others a turn and no more.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Generic, Protocol, TypeVar

SHARE: Final = 0.04
"""Seconds of the loop a second; what it costs around a request (its socket, its thread) comes to as much again."""

BURST_S: Final = 0.1
"""What may be saved up: the requests of a page that is opened."""

AROUND_S: Final = 0.000_3
"""What the server does before and after each."""

COST_MAX_S: Final = 0.25
"""No request is charged more: a long one is not paid for by everybody's minutes."""

KNOWN_MAX: Final = 256
"""Callers remembered that were let in."""

STRANGERS: Final = 0

PRESSING: Final = 4
"""Payments in hand above which they wait for each other."""

PRESSED_S: Final = 1.0
"""Payments that waited so lately count as waiting: between two commits none does."""

LOOK_S_MAX: Final = 0.05
"""So often it is looked whether payments still wait."""

T = TypeVar("T")


class Metered(Generic[T]):
    """A coroutine, and how long it had the loop: steps are counted, what it waits for is not."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], now: Callable[[], float]) -> None:
        self._coroutine = coroutine
        self._now = now
        #: Seconds so far.
        self.spent_s = 0.0

    def __await__(self) -> Generator[Any, Any, T]:
        """Drive it."""
        step: Callable[[], Any] = lambda: self._coroutine.send(None)  # noqa: E731 - it changes with each step
        while True:
            began = self._now()
            try:
                waits_for = step()
            except StopIteration as ended:
                result: T = ended.value
                return result
            finally:
                self.spent_s += self._now() - began
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
        self._costs: dict[int, float] = {}
        self._rows: OrderedDict[int, deque[asyncio.Future[None]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, caller: str, answer: Callable[[], Coroutine[Any, Any, T]], is_in: Callable[[T], bool]) -> T:
        """Have a request answered in its turn. `caller` is what it came with; `is_in` says whether that let it in."""
        mark = hash(caller)
        row = mark if mark in self._known else STRANGERS
        await self._turn(row)
        reserved_s = self._costs.get(row, AROUND_S)
        metered = Metered(answer(), self._now)
        try:
            found = await metered
        finally:
            cost_s = min(metered.spent_s + AROUND_S, COST_MAX_S)
            self._budget_s += reserved_s - cost_s
            self._costs[row] = cost_s
        if is_in(found):
            self._remember(mark)
        return found

    def _remember(self, mark: int) -> None:
        self._known[mark] = None
        self._known.move_to_end(mark)
        if len(self._known) > KNOWN_MAX:
            forgotten, _ = self._known.popitem(last=False)
            self._costs.pop(forgotten, None)

    async def _turn(self, row: int) -> None:
        if not self._rows and (not self._pressed() or self._has_budget()):
            self._budget_s -= self._costs.get(row, AROUND_S)
            return
        waits: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.setdefault(row, deque()).append(waits)
        self._serve()
        await waits

    def _pressed(self) -> bool:
        now = self._now()
        if self._payments.in_hand > PRESSING:
            self._pressed_until = now + PRESSED_S
        return now < self._pressed_until

    def _has_budget(self) -> bool:
        now = self._now()
        self._budget_s = min(BURST_S, self._budget_s + SHARE * (now - self._counted_at))
        self._counted_at = now
        return self._budget_s > 0

    def _serve(self) -> None:
        """Let in whose turn it is, until the budget is used up; then look again when there is some."""
        while self._rows and (self._has_budget() or not self._pressed()):
            row, waiting = self._rows.popitem(last=False)
            if not (waits := waiting.popleft()).done():
                self._budget_s -= self._costs.get(row, AROUND_S)
                waits.set_result(None)
            if waiting:
                self._rows[row] = waiting
        if self._rows and self._timer is None:
            after_s = min(LOOK_S_MAX, max(0.001, -self._budget_s / SHARE))
            self._timer = asyncio.get_running_loop().call_later(after_s, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._serve()
