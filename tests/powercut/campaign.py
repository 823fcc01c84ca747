"""Power cuts by the million: `python -m tests.powercut.campaign STATES [FIRST_SEED]`, or `make powercut STATES=...`.

A chain of lives is made from each seed. A life is a story on tape; after every step of the tape, states that a power
cut may leave there are made and looked at; one of them is where the next life begins, so recovery itself is cut too.
Equal states are looked at once and held against what had been told by each of their moments.
"""

import asyncio
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from tests.powercut.disk import Disk, Image, State
from tests.powercut.look import Bench, come_up, look
from tests.powercut.story import Story
from tests.powercut.tape import Tape
from tests.powercut.taped_driver import Habits
from tests.powercut.witness import EMPTY, Found, Witness

LIVES: Final = 3
ROUNDS: Final = 14
STATES_EACH_STEP: Final = 12
COME_UP_ONE_IN: Final = 150
"""Of so many distinct states one is opened as the service does."""

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where states are laid out without a disk; nothing in them is secret


class Plan(NamedTuple):
    """What a chain of lives is made from."""

    seed: int
    habits: Habits = Habits()
    lying: bool = False
    lives: int = LIVES
    states_each_step: int = STATES_EACH_STEP
    come_up_one_in: int = COME_UP_ONE_IN


class Report(NamedTuple):
    """What came of it."""

    states: int = 0
    distinct: int = 0
    came_up: int = 0
    #: What was told in these stories.
    told: int = 0
    #: States by the kind of objection.
    objections: Counter[str] = Counter()  # noqa: RUF012 - never changed, only added up
    #: The first objection of each kind, and where it was.
    examples: tuple[str, ...] = ()

    def __add__(self, other: object) -> "Report":
        assert isinstance(other, Report)
        return Report(
            self.states + other.states,
            self.distinct + other.distinct,
            self.came_up + other.came_up,
            self.told + other.told,
            self.objections + other.objections,
            (self.examples + other.examples)[:10],
        )


class Life:
    """One story and the cuts through it."""

    def __init__(self, plan: Plan, number: int, image: Image, found: Found) -> None:
        """Begin with what a former life left."""
        self._plan = plan
        self._number = number
        self._image = image
        self._found = found
        self._chance = random.Random(plan.seed * 1_000 + number)  # noqa: S311 - a story, not a secret
        self._seen: dict[State, Found] = {}
        self._objections = Counter[str]()
        self._examples = list[str]()
        self._states = self._came_up = 0

    async def live(self, folder: Path) -> tuple[Report, Image, Found]:
        """Tell the story, cut it everywhere; and one state to go on from."""
        home = folder / f"home-{self._number}"
        Bench(home).lay(self._image)
        tape = Tape(self._image, lying=self._plan.lying)
        names, contents = dict(tape.names), dict(tape.first)
        seed = self._plan.seed * 1_000 + self._number
        story = Story(home, tape, seed, self._found, self._plan.habits)
        await story.run(ROUNDS)
        tape.unregister()
        next_image, next_found = await self._cut_everywhere(story, Disk(names, contents), folder)
        told = sum(len(versions) for versions in story.witness.versions.values())
        examples = tuple(self._examples)
        report = Report(self._states, len(self._seen), self._came_up, told, self._objections, examples)
        return report, next_image, next_found

    async def _cut_everywhere(self, story: Story, disk: Disk, folder: Path) -> tuple[Image, Found]:
        bench, service = Bench(folder / "bench"), Bench(folder / "service")
        chosen = self._chance.randrange(len(story.tape.steps))
        following: tuple[Image, Found] = self._image, self._found
        for moment, step in enumerate(story.tape.steps, 1):
            disk.feed(step)
            bounds = story.witness.bounds(moment)
            for state in disk.states(self._chance, self._plan.states_each_step):
                self._states += 1
                found = self._seen.get(state)
                if found is None:
                    image = disk.image(state)
                    found = self._seen[state] = look(bench, image)
                    await self._perhaps_come_up(service, image, found)
                    if moment >= chosen and not found.damage:
                        chosen, following = len(story.tape.steps) + 1, (image, found)
                self._hear(story.witness, found, bounds, moment)
        return following

    async def _perhaps_come_up(self, bench: Bench, image: Image, found: Found) -> None:
        if len(self._seen) % self._plan.come_up_one_in == 1 and not found.damage:
            self._came_up += 1
            rubbish = self._chance.random() < 0.5
            self._note(await come_up(bench, image, found, rubbish=rubbish), 0)

    def _hear(self, witness: Witness, found: Found, bounds: tuple[dict[int, int], dict[int, int]], moment: int) -> None:
        self._note(list(witness.objections(found, bounds)), moment)

    def _note(self, objections: list[str], moment: int) -> None:
        for kind in {each.partition(":")[0] for each in objections}:
            if not self._objections[kind]:
                first = next(each for each in objections if each.startswith(kind))
                self._examples.append(f"seed {self._plan.seed}, life {self._number}, step {moment}: {first[:300]}")
            self._objections[kind] += 1


async def _chain(plan: Plan, folder: Path) -> Report:
    report = Report()
    image: Image = {}
    found = EMPTY
    for number in range(plan.lives):
        told, image, found = await Life(plan, number, image, found).live(folder)
        report += told
    return report


def lives(plan: Plan) -> Report:
    """A chain of lives from one seed, each begun where a power cut left the one before."""
    home = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="nightsafe-powercut-", dir=home) as folder:
        return asyncio.run(_chain(plan, Path(folder)))


def until(states: int, plans: Iterator[Plan], workers: int) -> Iterator[Report]:
    """Reports as they come, until there are so many states."""
    seen = 0
    with ProcessPoolExecutor(workers) as pool:
        running = [pool.submit(lives, next(plans)) for _ in range(workers)]
        while running:
            report = running.pop(0).result()
            seen += report.states
            if seen + len(running) * report.states < states:
                running.append(pool.submit(lives, next(plans)))
            yield report


def main(states: int, first_seed: int) -> int:
    """Run until so many states were seen, and say how it goes; 1 if there is anything to object."""
    began = datetime.now(UTC)
    total = Report()
    for turn, report in enumerate(until(states, map(Plan, count(first_seed)), os.cpu_count() or 1), 1):
        total += report
        if turn % 20 == 0 or report.objections:
            _say(total, began)
        for example in report.examples:
            print(example, flush=True)  # noqa: T201 - its report
    _say(total, began)
    return 1 if total.objections else 0


def _say(total: Report, began: datetime) -> None:
    seconds = int((datetime.now(UTC) - began).total_seconds())
    print(  # noqa: T201 - its report
        f"{total.states:,} crash states, {total.distinct:,} distinct, {total.came_up:,} opened as the service does, "
        f"{total.told:,} versions of entries, in {seconds} s: {dict(total.objections) or 'nothing to object'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
