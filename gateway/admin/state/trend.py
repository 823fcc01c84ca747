"""How it went over the last hours: samples of each route, for charts. They outlive the process, behind a seam."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Final, Protocol

import msgspec

from gateway.clock import Clock
from gateway.meter import Meter
from gateway.route.route import Route
from spool.lifecycle import FINAL
from spool.tally import Tally

SAMPLE_S: Final = 15.0
SAMPLES_MAX: Final = 1_440
"""Six hours."""

KEPT_US: Final = round(SAMPLES_MAX * SAMPLE_S * 1_000_000)

Count = Annotated[int, msgspec.Meta(le=2**53)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Sample(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One route at one moment. Counts rise from the beginning of the spool; what is drawn is their differences."""

    #: Microseconds since 1970 in UTC.
    at_us: Moment
    zone: Annotated[str, msgspec.Meta(max_length=32)]
    waiting: Count
    #: Entries taken so far, and those that are finished.
    taken: Count
    finished: Count
    #: Attempts at the core so far, and the seconds they took together; of this run of the service.
    attempts: Count
    attempts_s: float
    #: The first of a run: what was before it nobody saw.
    anew: bool = False


class TrendKeeper(Protocol):
    """Where samples outlive the process."""

    def load(self) -> Sequence[tuple[str, Sample]]:
        """Those of the last hours at least, each with its route, as they were added; whatever can't be read is left out."""
        ...

    def add(self, samples: Iterable[tuple[str, Sample]]) -> None:
        """Keep these too. What can't be kept is lost, and no error."""
        ...


class Trend:
    """Samples of each route, oldest first."""

    def __init__(
        self, clock: Clock, look: Callable[[], Mapping[str, Sample]], keeper: TrendKeeper | None = None
    ) -> None:
        """Ask `look` how the routes stand; without a `keeper` all is forgotten with the process."""
        self._clock = clock
        self._look = look
        self._keeper = keeper
        self._samples: dict[str, deque[Sample]] = {}
        #: Routes of which there is a sample of this run.
        self._seen = set[str]()

    async def run(self) -> None:
        """Take up what was kept, then note how the routes stand, again and again, until cancelled.

        A disk that hangs holds up nothing but this.
        """
        await self.open()
        while True:
            await self.run_once()
            await self._clock.sleep(SAMPLE_S)

    async def open(self) -> None:
        """Take up what former runs left."""
        if self._keeper is not None:
            for route, sample in await asyncio.to_thread(self._keeper.load):
                self.note(route, sample)

    async def run_once(self) -> None:
        """A sample of each route."""
        found = {
            route: msgspec.structs.replace(sample, anew=route not in self._seen)
            for route, sample in self._look().items()
        }
        self._seen.update(found)
        for route, sample in found.items():
            self.note(route, sample)
        if self._keeper is not None:
            await asyncio.to_thread(self._keeper.add, tuple(found.items()))

    def note(self, route: str, sample: Sample) -> None:
        """How a route stood. Forgets what is older than the last hours, and what a clock that was wrong put after this."""
        samples = self._samples.setdefault(route, deque(maxlen=SAMPLES_MAX))
        while samples and samples[-1].at_us >= sample.at_us:
            samples.pop()
        samples.append(sample)
        while samples[0].at_us < sample.at_us - KEPT_US:
            samples.popleft()

    def of(self, route: str) -> Sequence[Sample]:
        """The samples of a route."""
        return tuple(self._samples.get(route, ()))


def sample_of(route: Route, tally: Tally, meter: Meter, now_us: int) -> Sample:
    """A route as it stands."""
    own = [(cell.state, total.entries) for cell, total in tally.cells() if cell.route == route.name]
    taken, finished = sum(count for _, count in own), sum(count for state, count in own if state in FINAL)
    attempts, attempts_s = meter.asked(route.name)
    return Sample(
        at_us=now_us,
        zone=route.health.zone.value,
        waiting=taken - finished,
        taken=taken,
        finished=finished,
        attempts=attempts,
        attempts_s=attempts_s,
    )
