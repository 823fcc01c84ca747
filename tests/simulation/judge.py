"""The judge: what clients were told, what the core booked and what is on disk, against what was promised.

It stands outside the gateway and uses none of its decisions. Each rule is looked at at the moment it could be broken:
when the gateway speaks, calls or asks, when the disk changes, when the core books. The rest waits for the end.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from adapters.core import Delivery, Level
from adapters.payment import Answer, AnswerKind, Check, Payment, Reversal
from gateway.returns.word import PREFIX
from spool.entry import Entry
from spool.lifecycle import FINAL, REOPEN, Kind, State, Told
from spool.memory import MemoryStore
from tests.simulation.nature import Nature
from tests.simulation.seeded_loop import OWNER
from tests.simulation.slowing import Places

YES: Final = frozenset({AnswerKind.POSTED, AnswerKind.PROVISIONAL})
SETTLED: Final = YES | {AnswerKind.REFUSED}
LATE_S: Final = 1.0
"""Seconds an answer may be late: what reading takes on a sick disk."""

WELL: Final = "shop"
"""The channel whose core is always well, and its route."""

WELL_ROUTE: Final = "shop-billing"
WELL_WITHIN_S: Final = 2.0
"""Seconds within which a well core's channel is answered while the disk is well too, whatever ails other routes."""

ACTS: Final = frozenset({"hold", "release", "retry", "reopen", "close_posted", "close_refused"})


@dataclass
class File:
    """All that is known of one key."""

    request: Payment | Reversal
    settled: Answer | None = None
    last: AnswerKind | None = None
    numbers: set[int] = field(default_factory=set)
    #: The bytes of the first yes.
    wrote: bytes = b""


class Judge:
    """See above."""

    def __init__(self, nature: Nature) -> None:
        """Nothing has happened."""
        self.nature = nature
        self.image = MemoryStore()
        #: By what the disk gave back limits may be overshot.
        self.taken_back: list[Entry] = []
        self.files: dict[tuple[str, str], File] = {}
        #: Which payment a number was made for.
        self._of_number: dict[int, Payment] = {}
        self.bookings: Counter[int] = Counter()
        self.undone: Counter[int] = Counter()
        self._arrived: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        #: Accounts with an attempt under way, and which process makes it.
        self._calling: dict[str, object] = {}
        #: Where calls are at a core, by the clerk's word on the pace.
        self.places: Places
        #: What persons were told that they had done: the entry, the act, by whom, why.
        self._acts: list[tuple[int, str, str, str]] = []
        #: What was over and has left the spool, by number.
        self.forgotten: dict[int, Entry] = {}
        #: The keys of these, and when they were the last time, in virtual seconds.
        self.forgotten_at: dict[tuple[str, str], float] = {}

    def broken(self, promise: str, found: str) -> None:
        """Tell of a broken promise."""
        self.nature.broken(promise, found)

    def file(self, request: Payment | Reversal) -> File:
        """The file of a request's key, opened by its first request."""
        return self.files.setdefault((request.channel, request.key), File(request))

    # When the gateway speaks

    def said(self, request: Payment | Reversal, answer: Answer, took_s: float, deadline_s: float) -> None:
        """An answer leaves the gateway."""
        self.nature.note("says", request.channel, request.key, answer.kind.value, answer.number, answer.state)
        self.nature.counts[f"answer {answer.kind.value}"] += 1
        if took_s > deadline_s + LATE_S:
            self.broken("P7 a deadline is met", f"{request} waited {took_s:.3f} s of {deadline_s} s")
        self._look_at_well_route(request, answer, took_s)
        file = self.file(request)
        if not _same(file.request, request):
            self._answered_other(file, request, answer)
            return
        file.last = answer.kind
        owner = self._owner(request)
        if answer.kind in YES:
            self._said_yes(request, answer, owner)
        elif answer.kind is AnswerKind.TRY_LATER and owner is not None:
            self.broken("P3b no is never said of what is taken", f"{request}: {owner}")
        elif answer.kind is AnswerKind.CONFLICT:
            self.broken("P3 the same request gets the same answer", f"{request}: a conflict with itself")
        self._compare(file, request, answer)

    def _look_at_well_route(self, request: Payment | Reversal, answer: Answer, took_s: float) -> None:
        """While the disk is well too, nobody notices there that another core is down."""
        if request.channel != WELL or self.nature.mix.disk or isinstance(request, Reversal):
            return
        if answer.kind in {AnswerKind.TRY_LATER, AnswerKind.PROVISIONAL} or took_s > WELL_WITHIN_S:
            self.broken("P9 a route in trouble troubles no other", f"{request}: {answer} after {took_s:.3f} s")

    def wrote(self, request: Payment | Reversal, answer: Answer, body: bytes) -> None:
        """The bytes of a yes."""
        if answer.kind is AnswerKind.POSTED:
            file = self.file(request)
            file.wrote = file.wrote or body
            if self.nature.mix.protocol == "osmp" and file.wrote != body:
                self.broken("P3 the same request gets the same answer", f"{request}: {body!r} after {file.wrote!r}")

    def checked(self, check: Check, answer: Answer, took_s: float, deadline_s: float) -> None:
        """A check was answered."""
        self.nature.note("says of", check.account, answer.kind.value)
        self.nature.counts[f"check {answer.kind.value}"] += 1
        strange = check.account.startswith("s")
        if took_s > deadline_s + LATE_S:
            self.broken("P7 a deadline is met", f"{check} waited {took_s:.3f} s of {deadline_s} s")
        if answer.kind is (AnswerKind.POSTED if strange else AnswerKind.REFUSED):
            self.broken("a check says what the core says", f"{check}: {answer}")

    def acted(self, number: int, act: str, actor: str, reason: str) -> None:
        """A person was told that an act was done."""
        self.nature.note("acts", number, act)
        self.nature.counts[f"act {act}"] += 1
        self._acts.append((number, act, actor, reason))

    def _answered_other(self, file: File, request: Payment | Reversal, answer: Answer) -> None:
        """The key with other content: whoever comes second is never taken."""
        if answer.kind not in {AnswerKind.CONFLICT, AnswerKind.IN_PROGRESS, AnswerKind.TRY_LATER}:
            if file.settled is not None:
                self.broken("P3 other content is refused", f"{request}: {answer} after {file.settled}")
            elif file.last is None or file.last is AnswerKind.TRY_LATER:
                file.request, file.settled = request, answer

    def _said_yes(self, request: Payment | Reversal, answer: Answer, owner: Entry | None) -> None:
        if owner is None or owner.number != answer.number:
            self.broken("P1 a yes is on disk before it is said", f"{request}: {answer}, on disk is {owner}")
            return
        if answer.kind is AnswerKind.PROVISIONAL:
            if owner.told is not Told.PROVISIONAL and owner.state not in FINAL:
                self.broken("P1 a yes is on disk before it is said", f"{request}: provisional, on disk is {owner.told}")
            return
        done = self.bookings if isinstance(request, Payment) else self.undone
        netted = isinstance(request, Reversal) and owner.state is State.CANCELLED
        if not done[owner.number] and not netted:
            self.broken("P2 posted means booked", f"{request}: {answer} and nothing is in the ledger")

    def _compare(self, file: File, request: Payment | Reversal, answer: Answer) -> None:
        """What was said for good stays said."""
        before = file.settled
        if before is None:
            if answer.kind in SETTLED:
                file.settled = answer
            return
        if answer.kind in SETTLED and (answer.kind, answer.number) != (before.kind, before.number):
            self.broken("P3 the same request gets the same answer", f"{request}: {answer} after {before}")
        if answer.kind is AnswerKind.TRY_LATER and before.kind in YES:
            self.broken("P3b no is never said of what is taken", f"{request}: {answer} after {before}")

    def _owner(self, request: Payment | Reversal) -> Entry | None:
        return self.image._owner(request.channel, request.key)

    # When it calls the core

    def prepared(self, number: int, payment: Payment) -> None:
        """Bytes were made for a payment."""
        before = self._of_number.get(number)
        if before is not None:
            # A number that never came to disk may be given out again by the next process.
            self.file(before).numbers.discard(number)
        self._of_number[number] = payment
        self.file(payment).numbers.add(number)

    def calls(self, operation: str, delivery: Delivery) -> bool:
        """An attempt begins; true, to be ended by `hangs_up`."""
        number = delivery.number
        self.nature.note("calls", operation, number, delivery.attempt)
        entry = self.image._entries.get(number)
        if entry is None or entry.state is not State.IN_FLIGHT or entry.attempts != delivery.attempt:
            self.broken("an attempt is on disk before it leaves", f"{operation} of {delivery}: on disk is {entry}")
        elif delivery.account in self._calling:
            self.broken("an account has one attempt at once", f"{operation} of {delivery}")
        else:
            self._look_ahead(entry)
        self._calling[delivery.account] = OWNER.get()
        return True

    def leaves(self, operation: str, delivery: Delivery) -> None:
        """Its first byte is about to leave; where there is one gateway nobody can have taken it over since it began."""

    def goes(self, core: object, operation: str) -> None:
        """Whatever a core is asked that takes a place there; to be ended by `is_back`."""
        if found := self.places.begins(core, operation):
            self.broken("no more goes there than a person lets", found)

    def is_back(self, core: object) -> None:
        """It is answered, or nobody waits for that any more."""
        self.places.ends(core)

    def _look_ahead(self, entry: Entry) -> None:
        """Nothing unfinished of its lane came before it."""
        for other in self.image._entries.values():
            if other.lane == entry.lane and other.number < entry.number and other.state not in FINAL:
                self.broken("no lane is overtaken", f"{entry} was sent before {other}")
                return

    def hangs_up(self, delivery: Delivery) -> None:
        """An attempt ended."""
        if self._calling.get(delivery.account) is OWNER.get():
            del self._calling[delivery.account]

    def gateway_died(self, process: object) -> None:
        """It calls no more, or nobody counts on it."""
        self._calling = {account: calling for account, calling in self._calling.items() if calling is not process}

    def asked(self, delivery: Delivery) -> None:
        """An inquiry begins."""
        self.nature.note("asks", delivery.number)
        if not self.nature.mix.lookup:
            self.broken("a core that can't be asked isn't asked", f"{delivery}")

    # When the core gets and books

    def said_absent(self, payment: Payment) -> None:
        """Its sender, who has given up, was told that it isn't there."""

    def arrived(self, operation: str, delivery: Delivery) -> None:
        """An order came to the core."""
        before = self._arrived[operation, delivery.number]
        before.append(delivery.attempt)
        payment = self._of_number.get(delivery.number)
        if operation == "post":
            if payment is None:
                self.broken("nothing is booked that nobody asked for", f"{delivery}")
            elif (payment.account, payment.amount) != (delivery.account, delivery.amount):
                self.broken("what is booked is what was asked for", f"{delivery}: asked was {payment}")
            elif delivery.wire != f"pay {delivery.number} {payment.account} {payment.amount}".encode():
                self.broken("the bytes are the same on every attempt", f"{delivery}: {delivery.wire!r}")

    def booked(self, operation: str, delivery: Delivery) -> None:
        """The core booked, or undid a booking."""
        number = delivery.number
        if operation == "post":
            self.bookings[number] += 1
            payment = self._of_number[number]
            total = sum(self.bookings[each] for each in self.file(payment).numbers)
            if total > 1:
                self.broken("P2 booked once", f"{delivery}: {total} times under {payment.key}")
            return
        self.undone[number] += 1
        original = int(delivery.wire.split()[1])
        if not self.bookings[original]:
            self.broken("only what is booked is undone", f"{delivery}: {original} is not booked")
        entry = self.image._entries[number]
        undone = sum(self.undone[e.number] for e in self._ever_kept() if e.reverses == entry.reverses)
        if undone > 1:
            self.broken("P2 undone once", f"{delivery}: {undone} times")

    # When the disk changes

    def _was_reopened(self, entry: Entry) -> bool:
        return entry.attempts > 0 and any(event.name == REOPEN.name for event in self.image._history[entry.number])

    def disk_changed(self) -> None:
        """Limits hold, but for what was counted as finished too soon, and for what persons sent again beyond them."""
        mix = self.nature.mix
        exposed: Counter[str] = Counter()
        money = 0
        for entry in self.image._entries.values():
            limited = entry.told is Told.PROVISIONAL and entry.route != WELL_ROUTE
            waits = limited and entry.state not in FINAL and entry.kind is Kind.PAYMENT
            if waits and not self._was_reopened(entry):
                exposed[entry.channel] += 1
                money += entry.amount
        slack = Counter(entry.channel for entry in self.taken_back)
        slack_minor = sum(entry.amount for entry in self.taken_back)
        if exposed.total() > mix.exposure_count + slack.total() or money > mix.exposure_sum + slack_minor:
            self.broken("limits are never overshot", f"{exposed.total()} payments over {money} are provisional")
        most = max((exposed[channel] - slack[channel] for channel in exposed), default=0)
        if mix.channel_count is not None and most > mix.channel_count:
            self.broken("limits are never overshot", f"{dict(exposed)} payments are provisional")

    # At the end

    def unfinished(self) -> list[Entry]:
        """What still has to go somewhere by itself: neither finished, nor a person's, nor behind one that is."""
        found: list[Entry] = []
        stopped: set[int] = set()
        for number in self.image._numbers:
            entry = self.image._entries[number]
            if entry.state in {State.PARKED, State.QUARANTINED, State.HELD}:
                stopped.add(entry.lane)
            elif entry.state not in FINAL and entry.lane not in stopped:
                found.append(entry)
        return found

    def is_with_a_person(self, request: Payment | Reversal, answer: Answer | None) -> bool:
        """No machine can answer this client: a person must see to its payment, or to what fills the limits."""
        owner = self._owner(request)
        if owner is None and isinstance(request, Reversal):
            # Whether its payment can be undone is open as long as nobody knows what became of that.
            owner = self.image._entries.get(request.number) or self.image._owner(request.channel, request.payment_key)
        if owner is not None and owner.state in {State.PARKED, State.HELD}:
            return True
        parked = any(entry.state is State.PARKED for entry in self.image._entries.values())
        return parked and answer is not None and answer.kind is AnswerKind.TRY_LATER and not self.unfinished()

    def close(self) -> None:
        """All is healed and drained: is everything where it belongs?"""
        for entry in self.image._entries.values():
            self._check_end(entry)
        for file in self.files.values():
            self._check_word(file, self._owner(file.request))
        for entry in self.told_as_refused():
            if entry.state is not State.REFUSED:
                self.broken("P3b what was told as refused stays so", f"{entry}")
        self._check_acts()
        self._count_money()

    def told_as_refused(self) -> list[Entry]:
        """Of which it is on disk that somebody outside was told of the no, as far as they are there still."""
        told = [int(name.removeprefix(PREFIX)) for name, word in self.image._memos.items() if _says_told(name, word)]
        return [self.image._entries[number] for number in told if number in self.image._entries]

    def _check_end(self, entry: Entry) -> None:
        done = (self.undone if entry.reverses else self.bookings)[entry.number]
        if entry.state is State.POSTED and done != 1:
            self.broken("P2 posted means booked", f"{entry}: {done} times in the ledger")
        if entry.state in {State.REFUSED, State.CANCELLED, State.READY} and done:
            self.broken("P2 what is not posted is not booked", f"{entry}: {done} times in the ledger ({entry.reason})")
        if entry.state is State.PARKED:
            self._check_parked(entry)
        if entry.state is State.QUARANTINED:
            self.broken("nothing is damaged by itself", f"{entry}")

    def _check_parked(self, entry: Entry) -> None:
        """A person is called only where the machine may not go on."""
        mix = self.nature.mix
        blind = entry.reason == "core_cannot_tell" and (mix.level is Level.C or not mix.not_found_is_final)
        tired = entry.reason == "attempts" and mix.attempts_max > 0
        stuck = entry.reason == "core_cannot_undo" and not mix.reversal
        if not (blind or tired or stuck):
            self.broken("a person is called only where needed", f"{entry}: {entry.reason}")

    def _check_acts(self) -> None:
        """P10: whatever a person did is in the history, with who and why; and nobody did anything without."""
        found = set[tuple[int, str, str, str]]()
        for number in self.image._numbers:
            for event in self.image._history[number]:
                if event.name in ACTS or event.actor:
                    found.add((number, event.name, event.actor, event.note))
        nameless = [event for event in found if not event[2] or not event[3]]
        missing = {act for act in self._acts if act[0] not in self.forgotten} - found
        if nameless or missing:
            self.broken("P10 what a person does is recorded", f"{nameless or missing}")

    def _check_word(self, file: File, owner: Entry | None) -> None:
        """A yes is kept; a no too."""
        answer = file.settled
        if answer is None or answer.kind not in YES:
            booked = sum(self.bookings[number] for number in file.numbers)
            if answer is not None and booked:
                self.broken("P3b nothing is booked after a no", f"{file.request}: {answer}")
            return
        if owner is None or owner.number != answer.number:
            self.broken("P1 nothing is lost", f"{file.request}: {answer}, on disk is {owner}")
        elif owner.state is State.REFUSED and answer.kind is AnswerKind.POSTED:
            self.broken("P3 what was posted stays posted", f"{file.request}: {owner}")
        elif owner.state is State.CANCELLED and isinstance(file.request, Payment) and not self._was_reversed(owner):
            self.broken("P1 nothing is lost", f"{file.request}: cancelled, and nobody undid it")

    def _was_reversed(self, payment: Entry) -> bool:
        return any(entry.reverses == payment.number for entry in self._ever_kept())

    def _ever_kept(self) -> list[Entry]:
        """What is in the spool, and what has left it."""
        return [*self.image._entries.values(), *self.forgotten.values()]

    def _count_money(self) -> None:
        """P5: what clients were told of adds up to what the ledger and the queue hold."""
        entries = self.image._entries.values()
        accepted = sum(entry.amount for entry in entries)
        by_state: Counter[State] = Counter()
        for entry in entries:
            by_state[entry.state] += entry.amount
        kept = sum(total.amount for _, total in self.image.tally.cells())
        here = {number: times for number, times in self.bookings.items() if number not in self.forgotten}
        ledger = sum(self._of_number[number].amount * times for number, times in here.items())
        posted = sum(e.amount for e in entries if e.state is State.POSTED and not e.reverses)
        open_ = sum(e.amount for e in entries if e.state is State.PARKED and not e.reverses)
        if kept != accepted or not posted <= ledger <= posted + open_:
            self.broken("P5 all adds up", f"accepted {accepted}, kept {kept}, ledger {ledger}, posted {posted}")


def _says_told(name: str, word: bytes) -> bool:
    return name.startswith(PREFIX) and word == b"told"


def _same(a: Payment | Reversal, b: Payment | Reversal) -> bool:
    """The same request, whatever time and place it came from."""
    if isinstance(a, Payment) and isinstance(b, Payment):
        return (a.account, a.amount, a.currency, a.service) == (b.account, b.amount, b.currency, b.service)
    if isinstance(a, Reversal) and isinstance(b, Reversal):
        return (a.number, a.payment_key) == (b.number, b.payment_key)
    return False
