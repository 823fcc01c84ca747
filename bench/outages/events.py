"""Simulated time for outages: what happens next, and a clock that is there already."""

import heapq
from collections.abc import Callable
from random import Random

Act = Callable[[], None]


class Events:
    """What will happen, in order of time; the clock of everything on this stage."""

    def __init__(self, seed: int) -> None:
        """Begin at 0 with nothing to come."""
        self.chance_of = Random(seed)  # noqa: S311 - repeatable on purpose
        self._now_s = 0.0
        self._order = 0
        self._coming: list[tuple[float, int, Act]] = []

    def at(self, when_s: float, act: Act) -> None:
        """Have `act` happen at `when_s`, after what was asked for before at the same time."""
        self._order += 1
        heapq.heappush(self._coming, (max(when_s, self._now_s), self._order, act))

    def after(self, seconds: float, act: Act) -> None:
        """Have `act` happen in so many seconds."""
        self.at(self._now_s + seconds, act)

    def every(self, seconds: float, act: Act) -> None:
        """Have `act` happen again and again."""

        def again() -> None:
            act()
            self.after(seconds, again)

        self.after(seconds, again)

    def run(self, until_s: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Let everything up to `until_s` happen, or until `unless`."""
        while self._coming and self._coming[0][0] <= until_s and not unless():
            self._now_s, _, act = heapq.heappop(self._coming)
            act()
        self._now_s = self._now_s if unless() else until_s

    # The gateway's clock

    def now_us(self) -> int:
        """Microseconds since 1970, from 2026 on."""
        return 1_767_225_600_000_000 + round(self._now_s * 1_000_000)

    def follow(self, now_us: int) -> None:
        """There is no database."""

    def monotonic(self) -> float:
        """Seconds since the beginning."""
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        """Nobody sleeps on this stage."""
        raise NotImplementedError(seconds)

    def chance(self, bits: int) -> int:
        """So many bits of the seed."""
        return self.chance_of.getrandbits(bits)

    def fraction(self) -> float:
        """A number in [0, 1) of the seed."""
        return self.chance_of.random()
