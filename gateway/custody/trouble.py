"""What keeps a keeper from making or wrapping keys, and since when; told once, and again when it is over."""

from typing import Final

from gateway.clock import Clock
from gateway.log import log
from spool.errors import KeysAway, MasterUnreachable, SpoolClosed, SpoolError, StorageFull, StorageUncertain

_SPOOL_IS_AWAY: Final = (KeysAway, SpoolClosed, StorageFull, StorageUncertain)
"""It passes by itself, and of a spool that is away or full there is word enough: none of it is told as an error."""


class Trouble:
    """Of one keeper."""

    def __init__(self, clock: Clock) -> None:
        """All is well."""
        self._clock = clock
        #: What it is; empty while all is well.
        self.why = ""
        #: Microseconds since 1970 in UTC; 0 while all is well.
        self.since_us = 0

    def meet(self, error: Exception) -> None:
        """It could not be done, for this."""
        why = str(error) if isinstance(error, SpoolError) else type(error).__name__
        if why != self.why:
            say = log.warning if isinstance(error, _SPOOL_IS_AWAY) else log.error
            say("keys_in_trouble", unreachable=isinstance(error, MasterUnreachable), error=type(error).__name__)
        self.since_us = self.since_us or self._clock.now_us()
        self.why = why

    def is_over(self) -> None:
        """It could be done."""
        if self.why:
            log.warning("keys_well_again", after_s=(self._clock.now_us() - self.since_us) // 1_000_000)
        self.why, self.since_us = "", 0
