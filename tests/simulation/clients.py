"""Clients as the protocols want them: the same key until there is a final answer, whatever becomes of the connection."""

import asyncio
from typing import Final

from msgspec.structs import replace

from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Request, Reversal
from tests.simulation.dialects import dialect
from tests.simulation.judge import YES, Judge
from tests.simulation.nature import Nature, SeededClock
from tests.simulation.process import CHANNELS, SHOP, Process

FINAL: Final = YES | {AnswerKind.REFUSED, AnswerKind.CONFLICT, AnswerKind.INVALID}
BEYOND_S: Final = 5.0
"""Seconds past its deadline after which a client hangs up."""


AGAIN_MAX: Final = 60
"""How often a client asks again before it calls an answer another one."""


class Counter:
    """Where payments are handed in: sends requests to whichever process lives."""

    def __init__(self, nature: Nature, judge: Judge) -> None:
        """Nobody is behind it yet."""
        self.nature = nature
        self.judge = judge
        #: Clients doze together with everybody else.
        self.clock = SeededClock(nature)
        self.process: Process | None = None

    async def send(self, request: Request) -> Answer | None:
        """Ask once; None when no answer came."""
        nature, mix = self.nature, self.nature.mix
        await nature.pause(nature.chance.choice((0.0, 0.001, 0.05)))
        process = self.process
        if process is None or not process.ready:
            return None
        if nature.happens(mix.request_lost):
            nature.fault("request lost")
            await nature.pause(mix.deadline_s + BEYOND_S)
            return None
        if isinstance(request, Payment | Reversal):
            self.judge.file(request)
        nature.counts["requests"] += 1
        heard = process.ask(request)
        await asyncio.wait([heard], timeout=mix.deadline_s + BEYOND_S)
        if nature.happens(mix.answer_lost):
            nature.fault("answer lost")
            return None
        return heard.result() if heard.done() else None


class Client:
    """One payer's errand: a payment, perhaps its reversal, perhaps the same again later."""

    def __init__(self, counter: Counter, payment: Payment, at_s: float) -> None:
        """Begin `at_s` seconds from the start."""
        self.counter = counter
        self.nature = counter.nature
        self.payment = payment
        self.at_s = at_s
        #: What was asked, and what it came to for the client; None where it gave up without an answer.
        self.asked: list[tuple[Payment | Reversal, Answer | None]] = []

    async def run(self) -> None:
        """The errand."""
        mix, chance = self.nature.mix, self.nature.chance
        await self.nature.pause(self.at_s)
        self.nature.counts["payments"] += 1
        if self.nature.happens(mix.checks):
            self.nature.counts["checks"] += 1
            await self.counter.send(_check(self.payment))
        answer = await self._insist(self.payment)
        if answer is None or answer.kind not in FINAL:
            # Whoever gave up may make sure that nothing is booked, but doesn't come back with the payment after that.
            await (self._inquire() if self.nature.happens(mix.inquires) else self._undo(None))
            return
        if self.nature.happens(mix.conflicts):
            await self.counter.send(replace(self.payment, amount=self.payment.amount + 1))
        if self.nature.happens(mix.reversals):
            await self.nature.pause(chance.choice((0.0, 0.5, 20.0)))
            await self._undo(answer)
        if self.nature.happens(mix.repeats):
            await self.nature.pause(chance.choice((0.0, 5.0, 60.0)))
            await self.counter.send(self.payment)
            await self.counter.send(Inquiry(channel=self.payment.channel, key=self.payment.key))

    async def _inquire(self) -> None:
        """Whatever he is told he goes by."""
        found = await self.counter.send(Inquiry(channel=self.payment.channel, key=self.payment.key))
        if found is not None and found.kind is AnswerKind.REFUSED and not found.number:
            self.nature.counts["inquiries in vain"] += 1
            self.counter.judge.said_absent(self.payment)

    async def _undo(self, answer: Answer | None) -> None:
        mix = self.nature.mix
        speaks = dialect(mix.protocol, self.payment.channel, mix.deadline_s)
        reversal = speaks.undoing(self.payment, 0 if answer is None else answer.number)
        if reversal is not None:
            self.nature.counts["reversals"] += 1
            await self._insist(reversal)

    async def _insist(self, request: Payment | Reversal) -> Answer | None:
        """Send the same until there is a final answer, or patience ends."""
        nature, mix = self.nature, self.nature.mix
        answer = None
        wait_s = 0.5
        while answer is None or answer.kind not in FINAL:
            if nature.happens(mix.twins):
                nature.counts["twins"] += 1
                first, second = await asyncio.gather(self.counter.send(request), self.counter.send(request))
                answer = first if first is not None and first.kind in FINAL else second
            else:
                answer = await self.counter.send(request)
            if answer is not None and answer.kind in FINAL:
                break
            if nature.happens(mix.gives_up):
                nature.counts["given up"] += 1
                break
            if nature.healed and self.counter.judge.is_with_a_person(request, answer):
                nature.counts["left to a person"] += 1
                break
            await self.counter.clock.sleep(wait_s * (0.5 + nature.chance.random()))
            wait_s = min(15.0, 2 * wait_s)
        self.asked.append((request, answer))
        return answer

    async def ask_again(self) -> None:
        """Long after: the same requests get the same answers; the judge compares."""
        for request, answer in self.asked:
            if answer is None or answer.kind not in FINAL:
                continue
            again = await self._heard_again(request)
            if (request.channel, request.key) in self.counter.judge.forgotten_at:
                continue  # it was taken as a new one
            if self.counter.judge.is_with_a_person(request, again) or self.nature.over.done():
                continue
            if answer.kind in YES and (again is None or again.kind not in YES):
                self.counter.judge.broken(
                    "P3 the same request gets the same answer", f"{request}: {again}, was {answer}"
                )

    async def _heard_again(self, request: Payment | Reversal) -> Answer | None:
        """What it is told by the end of a disk's last trouble."""
        again = None
        for _ in range(AGAIN_MAX):
            again = await self.counter.send(request)
            if again is not None and again.kind in FINAL:
                break
            await self.nature.pause(1.0)
        return again


def _check(payment: Payment) -> Check:
    """May it be paid?"""
    facts = {name: getattr(payment, name) for name in ("channel", "account", "amount", "currency", "key")}
    return Check(**facts)


def crowd(counter: Counter) -> list[Client]:
    """Everybody of this seed."""
    mix, chance = counter.nature.mix, counter.nature.chance
    accounts = [f"{each:07}" for each in range(mix.accounts)] + [f"s{each:06}" for each in range(mix.strangers)]
    rush = chance.random() * mix.span_s
    clients = list[Client]()
    for number in range(mix.payments + mix.shopping):
        shops = number >= mix.payments
        payment = Payment(
            channel=SHOP if shops else chance.choice(CHANNELS),
            key=f"{number}" if mix.protocol == "osmp" else f"k{number}",
            account=f"9{number:06}" if shops else chance.choice(accounts),
            amount=chance.randrange(1, 1_000),
            currency="RUB",
            channel_time="20260101120000" if mix.protocol == "osmp" else "",
        )
        at_s = rush if chance.random() < 0.3 else chance.random() * mix.span_s
        clients.append(Client(counter, payment, at_s))
    return clients
