"""The state machine of one breaker. The only module that knows pybreaker.

pybreaker keeps the state and its transitions; its own ways of making a call are not used, because under asyncio they
were measured wrong: they count cancellations as failures and can swallow them, let every caller through in half-open,
let results of old calls move a new state, and know neither rates nor slowness (`tests/unit/test_pybreaker_facts.py`).
So only `open()`, `half_open()`, `close()` and the state are used, and `gateway.route.breaker` counts the calls.
"""

from datetime import datetime
from typing import Final

import pybreaker

from gateway.route.zone import Zone

_ZONES: Final = {
    pybreaker.STATE_CLOSED: Zone.CLOSED,
    pybreaker.STATE_HALF_OPEN: Zone.TRIAL,
    pybreaker.STATE_OPEN: Zone.OPEN,
}
_STATES: Final = {zone: state for state, zone in _ZONES.items()}


class _Storage(pybreaker.CircuitBreakerStorage):
    """The state pybreaker works on. Its counters and its wall-clock time of opening are not used, so not kept."""

    def __init__(self, zone: Zone) -> None:
        super().__init__("gateway")
        self.zone = zone

    @property
    def state(self) -> str:
        return _STATES[self.zone]

    @state.setter
    def state(self, state: str) -> None:
        self.zone = _ZONES[state]

    @property
    def counter(self) -> int:
        return 0

    @property
    def success_counter(self) -> int:
        return 0

    @property
    def opened_at(self) -> datetime | None:
        return None

    @opened_at.setter
    def opened_at(self, datetime: datetime) -> None:
        """Not kept: it is the wall clock's, which may jump."""


class Machine:
    """Closed, in trial or open."""

    def __init__(self, name: str, zone: Zone) -> None:
        """Begin in `zone`: CLOSED or OPEN."""
        self._storage = _Storage(zone)
        self._breaker = pybreaker.CircuitBreaker(name=name, state_storage=self._storage)

    @property
    def zone(self) -> Zone:
        """CLOSED, TRIAL or OPEN."""
        return self._storage.zone

    def open(self) -> None:
        """Go to OPEN."""
        self._breaker.open()

    def half_open(self) -> None:
        """Go to TRIAL."""
        self._breaker.half_open()

    def close(self) -> None:
        """Go to CLOSED."""
        self._breaker.close()
