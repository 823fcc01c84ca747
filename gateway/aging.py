"""How old what is on disk is held to be, before it is destroyed for its age: a clock that was wrong at a start destroys nothing.

Within a process nobody moves the clock (docs/decisions/0016), but a restart takes the machine's time as it is. A year too
far ahead, everything that is over would be old enough at once, and a repeat of yesterday's payment be taken as a new one.
"""

from typing import Final

from gateway.clock import Clock
from spool.store import Store

HASTE: Final = 2
"""So much faster than time passes in processes may what is on disk age: what was missed while none ran is made up for."""

KEPT: Final = "aged_to/"
"""Under such names the spool keeps how far they have come."""


class Aging:
    """A time that comes after the machine's, and catches up with it only slowly."""

    def __init__(self, store: Store, clock: Clock, what: str) -> None:
        """Go on from what the spool keeps of this; the first time ever, the machine is believed."""
        self._store = store
        self._name = KEPT + what
        self._clock = clock
        self._asked_at = clock.monotonic()

    async def now_us(self) -> int:
        """The machine's time, or what has been counted up to, if that is less; microseconds since 1970.

        What has been counted never goes back: a machine that thinks it is 1970 at one start would else hold up all later ones.
        Errors: see `Store.remember`.
        """
        asked_at, kept = self._clock.monotonic(), await self._store.recall(self._name)
        now_us = reached_us = self._clock.now_us()
        if kept is not None:
            passed_us = round((asked_at - self._asked_at) * 1_000_000)
            reached_us = max(int(kept), min(now_us, int(kept) + HASTE * passed_us))
        await self._store.remember(self._name, str(reached_us).encode())
        self._asked_at = asked_at
        return min(now_us, reached_us)

    def look_away(self) -> None:
        """Time passes that isn't to be counted here: another node counts it."""
        self._asked_at = self._clock.monotonic()
