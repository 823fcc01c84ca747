"""Judges several gateways on one database, as one is judged, but for what several don't promise."""

from typing import Final

from adapters.core import Delivery
from adapters.payment import Answer, AnswerKind, Check, Payment, Reversal
from gateway.route.zone import PASSING
from spool.entry import Entry
from spool.lifecycle import FINAL, State, Told
from tests.simulation.database import Image
from tests.simulation.judge import YES, File, Judge
from tests.simulation.nature import START_US, Nature
from tests.simulation.node import Node
from tests.simulation.seeded_loop import OWNER
from tests.simulation.sharing import Sharing

NEAR_S: Final = 1.0
"""What clocks that follow the database's may be off by, in seconds of a node's own standing still apart."""


class NodesJudge(Judge):
    """As the one of a single gateway, but for what several don't promise."""

    def __init__(self, nature: Nature, tables: Image) -> None:
        """Over these tables."""
        super().__init__(nature)
        self.tables = tables
        self.sharing = Sharing(nature)
        #: The last answer about what was forgotten before it left.
        self._old_word: Answer | None = None
        #: Payments that billing refused once.
        self._refused: set[int] = set()
        #: When each entry came to be there, by number.
        self._came_at: dict[int, float] = {}
        #: Attempts whose bytes left, by number of payment and of attempt.
        self._left: set[tuple[int, int]] = set()
        #: Since when payments are said not to be there, by channel and key; and when a node last went on that had stood still.
        self._absent: dict[tuple[str, str], float] = {}
        self.went_on_at = -1.0

    def _look_ahead(self, entry: Entry) -> None:
        """Nothing unfinished of its lane was there, with a lower number, when its attempt began.

        Of payments that were under way at two nodes at once either may go first: one that was recorded after the other's
        attempt had begun stood in nobody's way.
        """
        tables = self.tables
        begun = max(tables.begun.get(entry.number, 0), tables.recorded[entry.number])
        for other in tables._entries.values():
            earlier = other.number < entry.number and tables.recorded[other.number] < begun
            if other.lane == entry.lane and earlier and other.state not in FINAL:
                self.broken("no lane is overtaken", f"{entry} was sent before {other}")
                return

    def disk_changed(self) -> None:
        """What has left it was over."""
        gone, self.tables.gone = self.tables.gone, []
        for entry, owned in gone:
            self._look_at_forgotten(entry)
            self.forgotten[entry.number] = entry
            self._check_end(entry)
            if owned:
                self._close_file(entry)
        for number in self.tables._entries.keys() - self._came_at.keys():
            self._came_at[number] = self.nature.loop.time()
        self._refused.update(each.number for each in self.tables._entries.values() if each.state is State.REFUSED)
        self._look_for_absent()
        super().disk_changed()

    def said_absent(self, payment: Payment) -> None:
        """It doesn't come later."""
        self._absent[payment.channel, payment.key] = self.nature.loop.time()

    def _look_for_absent(self) -> None:
        """Unless a node stood still before it had so much as read the request: then it came after the answer."""
        for key in self._absent.keys() & self.tables._owners.keys():
            if self.went_on_at < self._absent[key]:
                self.broken(
                    "what was said not to be there does not come", f"{self.tables._entries[self.tables._owners[key]]}"
                )

    def _was_reopened(self, entry: Entry) -> bool:
        """Histories are read at the end alone."""
        return entry.number in self._refused

    def _look_at_forgotten(self, entry: Entry) -> None:
        """Only what has ended, and long ago; and nobody is owed."""
        self.nature.counts["forgotten"] += 1
        owed = entry.state is State.REFUSED and entry.told in {Told.POSTED, Told.PROVISIONAL}
        since_s = self.nature.loop.time() - (entry.changed_at_us - START_US) / 1_000_000
        is_young = since_s < self.nature.mix.retention_s - NEAR_S
        undoes = [each for each in self._ever_kept() if each.reverses == entry.number and each.state not in FINAL]
        if entry.state not in FINAL or owed or is_young or undoes:
            self.broken("what is forgotten is over", f"{entry}, changed {since_s:.1f} s ago, {undoes}")

    def _close_file(self, entry: Entry) -> None:
        """What was said of it was kept; from now on its key is a new one."""
        key = entry.channel, entry.key
        file = self.files[key]
        self._check_word(file, entry)
        later = {number for number in file.numbers - {entry.number} if not self.bookings[number]}
        self.files[key] = File(file.request, numbers=later)
        self.forgotten_at[key] = self.nature.loop.time()
        for each in self.files.values():
            asked = each.request
            if isinstance(asked, Reversal) and (asked.channel, asked.payment_key) == key:
                self._let_go_of_a_no(each)

    @staticmethod
    def _let_go_of_a_no(file: File) -> None:
        """A no to undoing what has left, of which there is no record: it binds nobody once the payment's key comes anew."""
        if file.settled is not None and not file.settled.number:
            file.settled = None

    def booked(self, operation: str, delivery: Delivery) -> None:
        """Nothing of what was over."""
        if delivery.number in self.forgotten:
            self.broken("P2 booked once", f"{operation} of {delivery}: it was over, and forgotten")
        super().booked(operation, delivery)

    def calls(self, operation: str, delivery: Delivery) -> bool:
        """Until its bytes leave others may take it over, where this node stands still."""
        self.nature.note("sets out", operation, delivery.number, delivery.attempt)
        self._look_at_share(delivery)
        return True

    def leaves(self, operation: str, delivery: Delivery) -> None:
        """What a node has under way that stands still is nobody's any more once the tables let another one begin."""
        if getattr(self._calling.get(delivery.account), "stopped", False):
            del self._calling[delivery.account]
        self._left.add((delivery.number, delivery.attempt))
        super().calls(operation, delivery)

    def _look_at_share(self, delivery: Delivery) -> None:
        """Together the nodes send no more of the backlog than one alone might."""
        node, entry = OWNER.get(), self.tables._entries.get(delivery.number)
        assert isinstance(node, Node), "nobody else calls"
        if entry is None or entry.told is not Told.PROVISIONAL or node.routes[0].health.zone not in PASSING:
            return
        found = self.sharing.begins(delivery.number, node.name)
        if found:
            self.broken("nodes share what the core bears", found)

    def hangs_up(self, delivery: Delivery) -> None:
        """One call less at the core."""
        self.sharing.ends(delivery.number)
        if (delivery.number, delivery.attempt) in self._left:
            super().hangs_up(delivery)

    def gateway_died(self, process: object) -> None:
        """The others' shares will be larger."""
        self.sharing.unsettled()
        super().gateway_died(process)

    def said(self, request: Payment | Reversal, answer: Answer, took_s: float, deadline_s: float) -> None:
        """Whoever stood still meanwhile met no deadline; and what is said of what was forgotten meanwhile binds nobody."""
        key = request.channel, request.key
        asked_at = self.nature.loop.time() - took_s
        if self.forgotten_at.get(key, -1.0) >= asked_at and (answer.kind not in YES or answer.number in self.forgotten):
            self.nature.note("says what was", *key, answer.kind.value)
            self._old_word = answer
            return
        stood_still = self._stood_still_since(asked_at)
        if stood_still and answer.kind is AnswerKind.TRY_LATER and self._came_since(request, asked_at):
            self.nature.note("says what was", *key, answer.kind.value)
            return
        super().said(request, answer, 0.0 if stood_still else took_s, deadline_s)
        if isinstance(request, Reversal) and (request.channel, request.payment_key) in self.forgotten_at:
            self._let_go_of_a_no(self.file(request))

    def checked(self, check: Check, answer: Answer, took_s: float, deadline_s: float) -> None:
        """See `said`."""
        stood_still = self._stood_still_since(self.nature.loop.time() - took_s)
        super().checked(check, answer, 0.0 if stood_still else took_s, deadline_s)

    @staticmethod
    def _stood_still_since(asked_at: float) -> bool:
        """The node that speaks did."""
        node = OWNER.get()
        return isinstance(node, Node) and node.went_on_at >= asked_at

    def _came_since(self, request: Payment | Reversal, asked_at: float) -> bool:
        """Another node took it, of whom this one had looked before it stood still; its sender was to ask again, and has."""
        owner = self._owner(request)
        return owner is not None and self._came_at[owner.number] >= asked_at

    def wrote(self, request: Payment | Reversal, answer: Answer, body: bytes) -> None:
        """See `said`."""
        if answer is not self._old_word:
            super().wrote(request, answer, body)

    def close(self) -> None:
        """With the histories, which are looked at once."""
        self.tables.read_histories()
        super().close()
