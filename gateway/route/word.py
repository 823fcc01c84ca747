"""A person's word about a route: while it stands at a node, and that it is to hold at all of them.

What other nodes are told is what a person said, and when: a word, or that it is taken back. That one ended by itself nobody
said: it is no news, and takes no word back that was given at another node in the same moment.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.clock import Clock
from gateway.route.record import Forced, Slowed

Word = TypeVar("Word", bound=Forced | Slowed)


class Standing(Generic[Word]):
    """A word, while it stands here."""

    def __init__(self, clock: Clock, found: Word | None = None, said_at_us: int = 0) -> None:
        """Begin as the former run ended: with what it `found`, and when that had been said."""
        self._clock = clock
        #: The word; nothing while none stands.
        self.now = found
        #: When it was given or taken back here, microseconds since 1970 in UTC; its own end changes nothing of that.
        self.said_at_us: int = said_at_us

    @property
    def is_over(self) -> bool:
        """It stands, and has come to its end."""
        return self.now is not None and self._clock.now_us() >= self.now.until_us

    def say(self, word: Word | None) -> None:
        """A person gives it, or takes it back."""
        self.now = word
        self.said_at_us = max(self._clock.now_us(), self.said_at_us + 1)

    def lapse(self) -> None:
        """It ends by itself."""
        self.now = None


class Shared(Generic[Word]):
    """What was said last, here or at any other node, and when."""

    def __init__(self, here: Standing[Word], heed: Callable[[Word | None], None], own: frozenset[str]) -> None:
        """Tell what is said `here`, and `heed` what is elsewhere. Words of `own` actors are each node's own, and not told."""
        self._here = here
        self._heed = heed
        self._own = own
        self._seen_us: int = here.said_at_us
        #: As it is told; a word may be over since.
        self.word, self.at_us = (None, 0) if self._is_own else (here.now, here.said_at_us)

    @property
    def _is_own(self) -> bool:
        return self._here.now is not None and self._here.now.actor in self._own

    def note(self) -> None:
        """What was said here since the last look is the newest there is."""
        said_at_us = self._here.said_at_us
        if said_at_us != self._seen_us and not self._is_own:
            self.word, self.at_us = self._here.now, max(said_at_us, self.at_us + 1)
        self._seen_us = said_at_us

    def hear(self, word: Word | None, at_us: int, now_us: int) -> bool:
        """The newest holds until its end, and of two of one moment each node holds to its own; says whether that changed anything.

        That a word is over or taken back says nothing of what a node does by itself since.
        """
        # A person may have said something here while the others' words were read.
        self.note()
        if at_us <= self.at_us:
            return False
        self.word, self.at_us = word, at_us
        holds, before = word if word is not None and word.until_us > now_us else None, self._here.now
        if holds == before or (holds is None and self._is_own and self._here.said_at_us > at_us):
            return False
        self._heed(holds)
        self._seen_us = self._here.said_at_us
        return self._here.now != before
