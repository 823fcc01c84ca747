"""A person has the route go slower and thinks better of it; and whether that is kept, as far as one sees it from the core.

He has a chance of his own, so that all else of a seed is drawn as it was. What he says once more does he say in the moment in
which the former word ends, as people do who look at a clock.
"""

import asyncio
import random
from collections import Counter as Counts
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from gateway.admin.asks import PaceBody
from gateway.admin.state.house_side import let_go, slow
from gateway.route.record import Slowed
from gateway.route.route import Route
from gateway.route.zone import PASSING, Operation
from tests.simulation.nature import ROUTE, Nature
from tests.simulation.seeded_loop import OWNER

if TYPE_CHECKING:
    from tests.simulation.clients import Counter
    from tests.simulation.process import Process

ACTOR: Final = "clerk"
LASTS_S: Final = (1, 1, 10, 60, 600)
"""How long a word holds; each ends before all has to be drained, though nobody takes it back."""

AUTO: Final = 0.2
RENEWED: Final = 0.5
"""Of words that end within a second, how many are given again as they end."""

ABOUT_S: Final = 0.2
AGAIN_S: Final = 1.0
OVER_WITHIN_S: Final = 30.0
"""So long after its end no gateway goes by a word any more, however seldom it looks."""

RATE_WINDOW_S: Final = 10.0
LATE_S: Final = 1.0
"""So much later than its turn a call is at the core, where the disk is quick."""


class Slowing:
    """What he said last, and what came of it."""

    def __init__(self, counter: "Counter", nature: Nature) -> None:
        """He sits where the counter is."""
        self._counter = counter
        self._nature = nature
        self._chance = random.Random(f"pace {nature.seed}")  # noqa: S311 - repeatable on purpose
        #: What he said last; nothing: as fast as it goes.
        self.word: Slowed | None = None
        self.said_at = 0.0
        #: How long before it he had said something else.
        self.silent_s = 0.0
        #: Nobody knows whether it was heard, or is kept: a process died over it, or its record was lost.
        self.is_unsure = False
        self._over = asyncio.Event()
        self.places = Places(nature, self)

    async def run(self) -> None:
        """The day's work."""
        mix, chance = self._nature.mix, self._chance
        for _ in range(mix.acts):
            await self._nature.pause(chance.random() * 2 * mix.span_s / mix.acts)
            if self._nature.healed:
                break
            told = self._thought()
            await self._say(told)
            if told is not None and told.for_s == min(LASTS_S) and chance.random() < RENEWED:
                await self._nature.pause(told.for_s + ABOUT_S * (chance.random() - 0.5))
                await self._say(replace(told, for_s=max(LASTS_S)))
        self._over.set()

    def _thought(self) -> PaceBody | None:
        mix, chance = self._nature.mix, self._chance
        if chance.random() < AUTO:
            return None
        at_once = min(chance.choice((1, 2, 8)), mix.in_flight_max)
        rate = min(chance.choice((0.5, 2.0, 10.0)), mix.rate_max or 10.0)
        bounds: dict[str, Any] = chance.choice(
            (
                {"in_flight_max": at_once},
                {"rate_max_per_s": rate},
                {"in_flight_max": at_once, "rate_max_per_s": rate},
            )
        )
        return PaceBody(reason="their ask", for_s=chance.choice(LASTS_S), **bounds)

    async def tidy_up(self) -> None:
        """At the end of the day he takes it back, but for one in three which ends by itself."""
        await self._over.wait()
        if not self._nature.mix.acts:
            return
        ends_by_itself = self._chance.random() < 1 / 3
        if ends_by_itself:
            await self._nature.pause(max(LASTS_S) + OVER_WITHIN_S)
        else:
            # Of two words within what machines' clocks differ by either may be the later one.
            await self._nature.pause(AGAIN_S)
            while not await self._say(None):
                await self._nature.pause(AGAIN_S)
            await self._nature.pause(OVER_WITHIN_S)
        process = self._counter.process
        stands = process.routes[0].health.pace.slowed if process is not None and process.ready else None
        if process is None or stands is None:
            return
        # A clock that was moved back is that much later at the word's end.
        if not ends_by_itself or stands.until_us <= process.clock.now_us():
            self._nature.broken("a word on the pace has an end", f"{stands}")

    async def _say(self, told: PaceBody | None) -> bool:
        """At whichever gateway is there; false where none was, or it died over it."""
        process = self._counter.process
        if process is None or not process.ready:
            return False
        self.is_unsure = True
        heard = await process.order(lambda: _slows(process, told))
        if heard is None:
            return False
        (self.word,) = heard
        # A process that was killed before he heard may have been the last to know.
        now = self._nature.loop.time()
        self.silent_s, self.said_at, self.is_unsure = now - self.said_at, now, process.dead
        self._nature.counts["act pace" if told else "act pace_auto"] += 1
        self._nature.note("pace", repr(self.word))
        self.heard()
        return True

    def is_kept(self, stands: Slowed | None, now_us: int) -> bool:
        """Is what stands at a gateway what he said last, over restarts too? Until it is over, by a clock that isn't moved."""
        if self.is_unsure or self._nature.mix.clock_jump_s or stands == self.word:
            return True
        return stands is None and self.word is not None and self.word.until_us <= now_us

    def heard(self) -> None:
        """A gateway goes by it from now on; where there are several, the others do soon."""


async def _slows(process: "Process", told: PaceBody | None) -> tuple[Slowed | None]:
    route = process.routes[0]
    if told is None:
        let_go(route)
        return (None,)
    return (slow(route, told, process.clock.now_us(), ACTOR),)


class Places:
    """What each gateway has at a core, by calls that began and didn't end, against the places it believes to have given."""

    def __init__(self, nature: Nature, slowing: Slowing) -> None:
        """Nothing is there."""
        self._nature = nature
        self._slowing = slowing
        self._under_way: Counts[tuple[object, str]] = Counts()
        #: The word by which the last call went, and how many places were taken then.
        self._last: dict[tuple[object, str], tuple[Slowed, int]] = {}
        #: When orders left by the word that stands.
        self._left: dict[tuple[object, str], list[float]] = {}

    def begins(self, core: object, operation: str) -> str:
        """A call goes to a core; what is wrong with that, if anything."""
        route = _route_to(core)
        key, pace = (OWNER.get(), route.name), route.health.pace
        self._under_way[key] += 1
        taken, last, word = sum(pace.at_core), self._last.pop(key, None), pace.slowed
        if self._under_way[key] > taken:
            return f"{self._under_way[key]} calls of {operation} at the core, and {taken} places taken"
        if route.name == ROUTE and not self._slowing.is_kept(word, _gateway().clock.now_us()):
            return f"{self._slowing.word} was said last, and there stands {word}"
        if word is None:
            return ""
        self._last[key] = word, taken
        is_same = last is not None and last[0] == word
        left = self._left[key] = [*(self._left.get(key, ()) if is_same else ()), self._nature.loop.time()]
        if any(route.health.zone_of(each) not in PASSING for each in Operation):
            # A trial asks for no place.
            return ""
        most = pace.share().part(word.in_flight_max) if word.in_flight_max else taken
        if is_same and last is not None and taken > max(most, last[1]):
            return f"{taken} at once by {word}, and {last[1]} before"
        return self._too_fast(left, word, route)

    def _too_fast(self, left: list[float], word: Slowed, route: Route) -> str:
        since = self._nature.loop.time() - RATE_WINDOW_S
        lately = [each for each in left if each > since]
        rate = word.rate_max_per_s
        if not rate or self._nature.mix.disk or len(lately) <= rate * (RATE_WINDOW_S + LATE_S) + 2:
            return ""
        return f"{len(lately)} calls in {RATE_WINDOW_S} s by {word} at {route.name}"

    def ends(self, core: object) -> None:
        """A call is over."""
        self._under_way[OWNER.get(), _route_to(core).name] -= 1


def _route_to(core: object) -> Route:
    """Of the gateway that calls."""
    return next(each for each in _gateway().routes if each.core is core)


def _gateway() -> "Process":
    return cast("Process", OWNER.get())
