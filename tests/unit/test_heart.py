"""Everything at once, by seeds: a moody core, a disk with bad moments, kills, and channels that come again.

The judge stands outside: what channels were told against what the core's ledger holds.
"""

import asyncio
import random
from collections import defaultdict
from typing import Final

import pytest

from adapters.core import Delivery, Level
from adapters.outcome import Cause, InquiryOutcome, NotSent, Outcome, Unknown
from adapters.payment import Answer, AnswerKind, Payment, Reversal
from gateway.clock import ManualClock, settle
from gateway.forward.settings import ForwardSettings
from gateway.route.settings import BreakerSettings
from gateway.standin.settings import StandinSettings
from spool.entry import Entry
from spool.lifecycle import FINAL, State
from spool.verify import verify
from tests.unit.fake_core import NOT_SENT, SETTLE_S, SILENCE, FakeCore, able
from tests.unit.heart import Heart, payment, reversal
from tests.unit.troubled_store import Trouble, TroubledStore

POSITIVE: Final = {AnswerKind.POSTED, AnswerKind.PROVISIONAL}
FINAL_ANSWERS: Final = POSITIVE | {AnswerKind.REFUSED, AnswerKind.CONFLICT}
PAYMENTS: Final = 60
ACCOUNTS: Final = 6
STRANGER: Final = "5"
STEPS: Final = 400
TROUBLES: Final = (Trouble.FULL, Trouble.CLOSED, Trouble.UNSURE_KEPT, Trouble.UNSURE_LOST, Trouble.NONE)
"""What any call of a store that nobody shares may meet."""
TROUBLED: Final = ("insert", "reverse", "move", "set_behind", "followers", "remember", "get")


class MoodyCore(FakeCore):
    """Books at once, or late, or not; tells, or stays silent. What it says it did, it did."""

    def __init__(self, level: Level, chance: random.Random, clock: ManualClock) -> None:
        """In all moods."""
        super().__init__(able(level))
        self.chance = chance
        self.moody = True
        self.clock = clock
        self._late: list[tuple[float, str, Delivery]] = []

    async def inquire(self, delivery: Delivery, timeout_s: float) -> InquiryOutcome:
        """Tell from the ledger as it is by now, or stay silent."""
        self.catch_up()
        if self.moody and self.chance.random() < 0.3:
            return NOT_SENT if self.chance.random() < 0.5 else SILENCE
        return await super().inquire(delivery, timeout_s)

    def catch_up(self) -> None:
        """Book what was late: within the settle delay, as the contract says."""
        now = self.clock.monotonic()
        for _, operation, delivery in filter(lambda late: late[0] <= now, self._late):
            self._book(operation, delivery)
        self._late = [late for late in self._late if late[0] > now]

    async def _order(self, operation: str, delivery: Delivery) -> Outcome:
        self.catch_up()
        mood = self.chance.random() if self.moody else 1.0
        if mood < 0.1:
            return NotSent(cause=Cause.THROTTLED)
        if mood < 0.2:
            return NOT_SENT
        if mood < 0.3:
            await self._come_in(operation, delivery)
            return Unknown(cause=Cause.RESET)
        if mood < 0.45 and delivery.account != STRANGER:
            await self._come_in(operation, delivery)
            self._late.append((self.clock.monotonic() + self.chance.uniform(0, SETTLE_S - 0.5), operation, delivery))
            return SILENCE
        outcome = await super()._order(operation, delivery)
        return SILENCE if mood < 0.55 else outcome


class Story:
    """One run: channels pay and undo, everything fails now and then, and at the end all of it is healed."""

    def __init__(self, level: Level, seed: int) -> None:
        """Nothing has happened."""
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.clock = ManualClock(seed=seed)
        self.core = MoodyCore(level, self.chance, self.clock)
        self.store = TroubledStore()
        self.heart = self._new_heart()
        self.asked: dict[str, Payment | Reversal] = {}
        self.told: defaultdict[str, list[Answer]] = defaultdict(list)
        self.under_way: dict[str, asyncio.Task[Answer]] = {}
        self.kills = 0

    def _new_heart(self) -> Heart:
        return Heart(
            self.store,
            self.core,
            self.clock,
            StandinSettings(exposure_count_max=25),
            ForwardSettings(
                attempts_max=0, window_entries_max=16, lane_entries_max=2, backoff_first_s=0.2, backoff_max_s=2.0
            ),
            BreakerSettings(open_for_max_s=4.0),
        )

    async def run(self) -> None:
        """All of it."""
        await self.heart.open()
        for _ in range(STEPS):
            await self._step()
        await self._heal()

    async def _step(self) -> None:
        act = self.chance.choices(
            [self._pay, self._undo, self._come_again, self._forward, self._wait, self._trouble, self._kill],
            [20, 6, 25, 25, 15, 8, 2],
        )[0]
        await act()
        self._hear()

    async def _pay(self) -> None:
        number = sum(key.startswith("k") for key in self.asked)
        if number < PAYMENTS:
            self._send(payment(f"k{number}", f"{number % ACCOUNTS}", 100 + number))
        await settle(self.chance.randrange(6))

    async def _undo(self) -> None:
        keys = [key for key, answers in self.told.items() if key[0] == "k" and answers[-1].kind in POSITIVE]
        if keys:
            key = self.chance.choice(keys)
            self._send(reversal(f"r{key}", key))

    async def _come_again(self) -> None:
        if self.asked:
            self._send(self.asked[self.chance.choice(list(self.asked))])
        await settle(self.chance.randrange(6))

    async def _forward(self) -> None:
        self.heart.health.watch_once()
        running = asyncio.ensure_future(self.heart.forwarder.run())
        await settle(self.chance.randrange(40))
        running.cancel()
        await asyncio.wait([running])

    async def _wait(self) -> None:
        await self.heart.clock.advance(self.chance.uniform(0, 2))

    async def _trouble(self) -> None:
        self.store.will(self.chance.choice(TROUBLED), self.chance.choice(TROUBLES))

    async def _kill(self) -> None:
        self.kills += 1
        for task in self.under_way.values():
            task.cancel()
        if self.under_way:
            await asyncio.wait(self.under_way.values())
        self.under_way.clear()
        self.store.ahead.clear()
        self.heart = await self.heart.restarted()

    def _send(self, request: Payment | Reversal) -> None:
        """A channel has one request of a key under way at a time, but for twins, which the acceptor's tests have."""
        self.asked.setdefault(request.key, request)
        if request.key not in self.under_way:
            self.under_way[request.key] = asyncio.ensure_future(self.heart.take(request))

    def _hear(self) -> None:
        for key, task in list(self.under_way.items()):
            if task.done():
                self.told[key].append(task.result())
                del self.under_way[key]

    async def _heal(self) -> None:
        """The core is well, the disk too; every channel asks until it knows."""
        self.core.moody = False
        self.store.ahead.clear()
        running = asyncio.ensure_future(self.heart.forwarder.run())
        for _ in range(400):
            self.heart.health.watch_once()
            for key, request in self.asked.items():
                if not self.told[key] or self.told[key][-1].kind not in FINAL_ANSWERS:
                    self._send(request)
            await self._wait()
            self._hear()
        await self.heart.forwarder.stop(0)
        await self.heart.clock.advance(2.0)
        await running

    async def entry(self, key: str) -> Entry:
        """What owns a key."""
        return await self.heart.entry(key)


def assert_steady(answers: list[Answer]) -> None:
    """The same request gets the same final answer, and a number never changes."""
    final = [answer for answer in answers if answer.kind in FINAL_ANSWERS]
    assert len({(answer.kind, answer.number) for answer in final}) == 1, answers


@pytest.mark.parametrize("level", [Level.A, Level.B])
@pytest.mark.parametrize("seed", range(12))
async def test_every_positive_answer_is_booked_exactly_once(level: Level, seed: int) -> None:
    """P1, P2, P3, P5: whatever failed, and whenever we died."""
    story = Story(level, seed)
    await story.run()
    entries = await story.heart.entries()
    assert len(story.asked) > PAYMENTS
    for entry in entries:
        assert entry.state in FINAL, (entry, entry.reason, await story.store.history(entry.number))
        done = story.core.bookings if entry.reverses == 0 else story.core.undone
        assert done[entry.number] == (entry.state is State.POSTED), (entry, await story.store.history(entry.number))
    for key, answers in story.told.items():
        assert_steady(answers)
        await assert_kept_word(story, key, answers[-1])
    assert story.core.crossed_accounts == set()
    assert (await verify(story.store)).ok
    await story.heart.crash()


async def assert_kept_word(story: Story, key: str, answer: Answer) -> None:
    """A positive answer about a payment that was not undone is booked; a no is not."""
    if answer.kind is AnswerKind.REFUSED and not answer.number:
        return
    entry = await story.entry(key)
    booked = story.core.bookings[entry.number] + story.core.undone[entry.number]
    undone_here = entry.state is State.CANCELLED and answer.kind in POSITIVE
    refused = entry.state is State.REFUSED
    assert booked == (answer.kind in POSITIVE and not undone_here and not refused)


async def test_first_attempts_of_an_account_are_in_order() -> None:
    """No lane is overtaken, by any seed above: one is looked at here in full."""
    story = Story(Level.B, 99)
    await story.run()
    first = defaultdict[str, dict[int, None]](dict)
    for call in filter(lambda call: call.operation == "post", story.core.calls):
        first[call.delivery.account][call.number] = None
    assert story.kills > 0
    for numbers in first.values():
        assert list(numbers) == sorted(numbers)
    await story.heart.crash()
