"""A crowd of senders: payments by several channels at once, each asked for until it has a final answer.

As the protocols demand, a payment's key is written down before its first request leaves, and every request of it is the
same. A lost connection, no answer in time or a non-final answer is asked again after a pause; some requests are sent as
twins at the same moment, and some again after they were answered, as terminals do.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

import aiohttp
import msgspec

from adapters.channels.scripted.diary import Diary, Heard, Order
from adapters.channels.scripted.speech import Speech

AMOUNT_MAX: Final = 50_000
"""Largest sum, in minor units."""


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How a crowd behaves."""

    #: New payments a second, over all channels.
    rate: float = 50.0
    #: Accounts they are paid to, shared by all channels.
    accounts: int = 200
    #: Share of requests sent twice at the same moment.
    twins: float = 0.05
    #: Share of answered payments asked for once more.
    echoes: float = 0.05
    #: Share of payments answered yes that are reversed afterwards, as insistently as they were paid.
    reversals: float = 0.0
    #: Seconds a sender waits for an answer before it hangs up.
    patience_s: float = 10.0
    #: Shortest and longest pause before the same request goes again, in seconds.
    pause_min_s: float = 0.1
    pause_max_s: float = 0.5
    #: By how much the pause grows with each try, and what it never exceeds.
    pause_growth: float = 1.0
    pause_longest_s: float = 60.0
    #: Payments without a final answer above which no new ones begin.
    unanswered_max: int = 2000
    currency: str = "RUB"


class Crowd:
    """Senders at work. Made by `gather`; the address may change from one request to the next."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        address: Callable[[], str],
        speeches: Sequence[Speech],
        *,
        diary: Diary,
        chance: Callable[[], float],
        habits: Habits,
    ) -> None:
        """Senders for each of `speeches`; `chance` gives numbers in [0, 1)."""
        self._client = client
        self._address = address
        self._speeches = speeches
        self._diary = diary
        self._chance = chance
        self._habits = habits
        self._loop = asyncio.get_running_loop()
        self._serials = dict.fromkeys((speech.channel for speech in speeches), 0)
        self._open: set[asyncio.Task[None]] = set()
        self._asking: set[tuple[str, str]] = set()
        self._timeout = aiohttp.ClientTimeout(total=habits.patience_s)
        #: Payments begun, and those with a final yes or no.
        self.begun = 0
        self.yes = 0
        self.no = 0
        #: Reversals begun.
        self.undone = 0
        #: Of the yes, how many were provisional as far as the protocol tells.
        self.provisional = 0
        #: Seconds the slowest answered request of the crowd took.
        self.slowest_s = 0.0
        #: Requests that somebody hung up on, for want of an answer.
        self.hung_up = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def gather(
        cls,
        address: Callable[[], str],
        speeches: Sequence[Speech],
        *,
        diary: Diary,
        chance: Callable[[], float],
        habits: Habits | None = None,
    ) -> AsyncGenerator["Crowd"]:
        """A crowd for the length of a block; at its end whoever still asks is sent home."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as client:
            crowd = cls(client, address, speeches, diary=diary, chance=chance, habits=habits or Habits())
            try:
                yield crowd
            finally:
                await crowd.disperse()

    @property
    def unanswered(self) -> int:
        """Payments without a final answer."""
        return len(self._open)

    async def send(self, until: asyncio.Event) -> None:
        """Begin payments at the habits' rate until told to stop."""
        due = self._loop.time()
        while not until.is_set():
            due += 1.0 / self._habits.rate
            # Who lags behind its rate does not make up for it in a burst.
            due = max(due, self._loop.time() - 1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await until.wait()
            if not until.is_set() and len(self._open) < self._habits.unanswered_max:
                self.begin()

    @property
    def unheard(self) -> set[tuple[str, str]]:
        """Channel and key of every payment and reversal without a final answer."""
        return set(self._asking)

    def begin(self) -> Order:
        """Begin one payment by the next channel."""
        speech = self._speeches[self.begun % len(self._speeches)]
        self.begun += 1
        order = Order(
            channel=speech.channel,
            key=speech.key(self._serial(speech)),
            account=str(100_000 + int(self._chance() * self._habits.accounts)),
            amount=1 + int(self._chance() * AMOUNT_MAX),
            currency=self._habits.currency,
        )
        task = asyncio.create_task(self._pursue(speech, order))
        self._open.add(task)
        task.add_done_callback(self._ended)
        return order

    async def settled(self) -> None:
        """Wait until every payment begun has its final answer."""
        while self._open:
            await asyncio.wait(set(self._open))

    async def disperse(self) -> None:
        """Nobody asks any more."""
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(set(self._open))

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._open.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._loop.call_exception_handler({"message": "a sender failed", "exception": error, "task": task})

    def _serial(self, speech: Speech) -> int:
        self._serials[speech.channel] += 1
        return self._serials[speech.channel]

    async def _pursue(self, speech: Speech, order: Order) -> None:
        """Pay; perhaps, once there is a yes, think better of it."""
        heard = await self._insist(speech, order)
        self.yes += heard.kind == "yes"
        self.no += heard.kind == "no"
        self.provisional += heard.status == "provisional"
        if heard.kind == "yes" and self._chance() < self._habits.reversals:
            self.undone += 1
            key = speech.undo_key(self._serial(speech))
            undoing = msgspec.structs.replace(order, key=key, reverses=order.key, receipt=heard.number)
            await self._insist(speech, undoing)
            # What a payment was told stays told, whatever became of it.
            await self._ask(speech, order)

    async def _insist(self, speech: Speech, order: Order) -> Heard:
        """Ask until there is a final answer; perhaps once more after it."""
        self._asking.add((order.channel, order.key))
        tries = 0
        while (heard := await self._ask_once_or_twice(speech, order)).kind == "unknown":
            await self._pause(tries)
            tries += 1
        self._asking.discard((order.channel, order.key))
        if self._chance() < self._habits.echoes:
            await self._ask(speech, order)
        return heard

    async def _ask_once_or_twice(self, speech: Speech, order: Order) -> Heard:
        if self._chance() >= self._habits.twins:
            return await self._ask(speech, order)
        first, second = await asyncio.gather(self._ask(speech, order), self._ask(speech, order))
        return second if first.kind == "unknown" else first

    async def _ask(self, speech: Speech, order: Order) -> Heard:
        asking = speech.ask(order)
        url = self._address() + asking.path
        started = self._loop.time()
        self._diary.asks(order, started)
        try:
            async with self._client.request(
                asking.method, url, headers=asking.headers, data=asking.body or None, timeout=self._timeout
            ) as answer:
                heard = speech.hear(answer.status, await answer.read())
                self.slowest_s = max(self.slowest_s, self._loop.time() - started)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # aiohttp's own time-outs of a connection are TimeoutErrors too; nobody sets one here.
            self.hung_up += isinstance(error, TimeoutError)
            heard = Heard(kind="unknown", code=type(error).__name__)
        self._diary.hears(order, heard, self._loop.time())
        return heard

    async def _pause(self, tries: int) -> None:
        habits = self._habits
        over = asyncio.Event()
        pause_s = habits.pause_min_s + self._chance() * (habits.pause_max_s - habits.pause_min_s)
        # Bounded before it is raised to a power: who asks for days would overflow.
        grown_s = pause_s * habits.pause_growth ** min(tries, 64)
        timer = self._loop.call_later(min(grown_s, habits.pause_longest_s), over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()
