"""What a disk may hold after a power cut: a model of the kernel's cache over it, and the states it allows.

The unit is a sector of 512 bytes, which a disk writes whole or not at all (SQLite's own assumption, "powersafe
overwrite"). Since its last sync a sector may have had many contents; any of them may be on disk, of each sector
independently: that is every torn and every reordered write. The same holds for a file's size; what a file grew over
and never got is zeros, or whatever lay there before. Names in the folder follow in their order, as a journalling file
system keeps it, without regard to the contents of files.

After a sync that failed the kernel calls the pages clean: a later sync that succeeds promises nothing of them. Only
writing them again and syncing does.
"""

import itertools
import random
from bisect import bisect_right
from collections.abc import Iterator
from math import prod
from typing import Final, NamedTuple

from tests.powercut.tape import FolderSynced, Made, Named, Removed, Renamed, Resized, Step, Synced, Wrote

SECTOR: Final = 512
BLOCK_SECTORS: Final = 8
"""Sectors of a page of the kernel's cache."""

Image = dict[str, bytes]
"""Files by name, as found after the cut."""


class Content(NamedTuple):
    """What a sector, or a size, was from some moment on."""

    since: int
    value: bytes


class Size(NamedTuple):
    """How long a file was from some moment on."""

    since: int
    bytes: int


class Picture(NamedTuple):
    """One file after the cut: its size, and for each sector that was open which content it has; both by moment."""

    size: int
    sectors: tuple[tuple[int, int], ...]
    #: What lies where the file grew over and nothing was written: 0 for zeros, else a seed.
    rubbish: int = 0


class State(NamedTuple):
    """What a cut leaves, in few words: equal states are equal images."""

    #: (name, file, the file's generation, its picture), in order of names.
    files: tuple[tuple[str, int, int, Picture], ...]


def _rubbish(seed: int, size: int) -> bytes:
    """Zeros, or what lay there before."""
    return random.Random(seed).randbytes(size) if seed else bytes(size)  # noqa: S311 - of no use to anybody


class File:
    """One file: what surely is on disk, and what may be."""

    def __init__(self, content: bytes = b"") -> None:
        """Begin with a content that is on disk."""
        self.solid = bytearray(content)
        self.cached = bytearray(content)
        #: Of each sector that was written since: every content it had, the one on disk first.
        self.open: dict[int, list[Content]] = {}
        self.sizes = [Size(0, len(content))]
        self.cuts: list[Size] = []
        #: What was asked for since the last change.
        self._allowed: dict[tuple[int, int], list[int]] = {}
        #: Sectors that the next sync takes to disk.
        self._dirty: set[int] = set()
        self._size_is_dirty = False
        #: Grows whenever `solid` changes.
        self.generation = 0

    def write(self, now: int, offset: int, data: bytes) -> None:
        """Put bytes into the cache."""
        self._allowed.clear()
        end = offset + len(data)
        if end > len(self.cached):
            self._resize(now, end)
        # The write of a file's last bytes takes its size along when it arrives, on ext4 and XFS alike.
        self._size_is_dirty |= end == len(self.cached)
        self.cached[offset:end] = data
        for sector in range(offset // SECTOR, (end + SECTOR - 1) // SECTOR):
            self._keep(now, sector)

    def resize(self, now: int, size: int) -> None:
        """Cut the file, or let it grow."""
        self._allowed.clear()
        shrinks = size < len(self.cached)
        last = (max(size, len(self.cached)) + SECTOR - 1) // SECTOR
        self._resize(now, size)
        if shrinks:
            self.cuts.append(Size(now, size))
            for sector in range(size // SECTOR, last):
                self._keep(now, sector)

    def _resize(self, now: int, size: int) -> None:
        del self.cached[size:]
        self.cached.extend(bytes(size - len(self.cached)))
        self.sizes.append(Size(now, size))
        self._size_is_dirty = True

    def _keep(self, now: int, sector: int) -> None:
        start = sector * SECTOR
        contents = self.open.get(sector)
        if contents is None:
            contents = self.open[sector] = [Content(0, bytes(self.solid[start : start + SECTOR]))]
        contents.append(Content(now, bytes(self.cached[start : start + SECTOR])))
        self._dirty.add(sector)

    def sync(self, *, succeeded: bool) -> None:
        """What was dirty is on disk; or, if the sync failed, open for good."""
        self._allowed.clear()
        if succeeded:
            self.generation += 1
            for sector in self._dirty:
                self._settle(sector)
            if self._size_is_dirty:
                self._settle_size()
        self._dirty.clear()
        self._size_is_dirty = False

    def _settle(self, sector: int) -> None:
        start = sector * SECTOR
        value = self.open.pop(sector)[-1].value
        if len(self.solid) < start + len(value):
            self.solid.extend(bytes(start + len(value) - len(self.solid)))
        self.solid[start : start + len(value)] = value

    def _settle_size(self) -> None:
        size = self.sizes[-1].bytes
        self.sizes = [Size(0, size)]
        self.cuts.clear()
        del self.solid[size:]
        self.solid.extend(bytes(size - len(self.solid)))

    def allowed(self, sector: int, size_since: int) -> list[int]:
        """From when on contents date that a sector may have beside a size of that moment."""
        known = self._allowed.get((sector, size_since))
        if known is None:
            known = [content.since for content in self.open[sector]]
            for cut in self.cuts:
                if sector * SECTOR >= cut.bytes // SECTOR * SECTOR:
                    known = [since for since in known if (since >= cut.since) == (size_since >= cut.since)]
            self._allowed[sector, size_since] = known
        return known

    def content(self, picture: Picture) -> bytes:
        """The bytes of a picture."""
        size = next(size.bytes for size in self.sizes if size.since == picture.size)
        image = bytearray(self.solid[:size])
        grown = size - len(image)
        image += _rubbish(picture.rubbish, grown)
        for sector, since in picture.sectors:
            start = sector * SECTOR
            contents = self.open[sector]
            value = contents[0].value if since == 0 else next(e.value for e in reversed(contents) if e.since == since)
            if since or not picture.rubbish:
                image[start : start + len(value)] = value
        del image[size:]
        return bytes(image)


Names = dict[str, int]
"""Files by name."""


class Disk:
    """A folder on a disk: fed with what was done, it tells what a cut at this moment may leave."""

    def __init__(self, names: Names, contents: dict[int, bytes]) -> None:
        """Begin with files that are on disk, names and all."""
        self.files = {inode: File(content) for inode, content in contents.items()}
        self._names = dict(names)
        #: Changes of names that aren't synced, in order: name to file, or to none.
        self._pending: list[tuple[str, int]] = []
        self._now = 0

    def feed(self, step: Step) -> None:
        """Do what was done."""
        self._now += 1
        match step:
            case Wrote(inode, offset, data):
                self.files[inode].write(self._now, offset, data)
            case Resized(inode, size):
                self.files[inode].resize(self._now, size)
            case Synced(inode, succeeded):
                self.files[inode].sync(succeeded=succeeded)
            case Named(name, inode):
                self.files[inode] = File()
                self._pending.append((name, inode))
            case Made(inode):
                self.files[inode] = File()
            case Renamed(name, inode):
                self._pending.append((name, inode))
            case Removed(name):
                self._pending.append((name, 0))
            case FolderSynced():
                self._names = self._names_after(len(self._pending))
                self._pending.clear()

    def _names_after(self, changes: int) -> Names:
        names = dict(self._names)
        for name, inode in self._pending[:changes]:
            names.pop(name, None)
            if inode:
                names[name] = inode
        return names

    def image(self, state: State) -> Image:
        """The files of a state."""
        return {name: self.files[inode].content(picture) for name, inode, _, picture in state.files}

    def states(self, chance: random.Random, most: int) -> Iterator[State]:
        """States a cut at this moment may leave: all of them where they are at most so many, else as many of them."""
        possible = sum(self._possible(self._names_after(changes)) for changes in range(len(self._pending) + 1))
        if possible <= most:
            for changes in range(len(self._pending) + 1):
                yield from self._all(self._names_after(changes))
            return
        for turn in range(most):
            # Names lag seldom; where they may, every lag gets its share.
            names = self._names_after(chance.randint(0, len(self._pending)))
            choose = HABITS[turn % len(HABITS)]
            yield _state(
                (name, inode, self.files[inode].generation, choose(self.files[inode], chance))
                for name, inode in names.items()
            )

    def _possible(self, names: Names) -> int:
        files = [self.files[inode] for inode in names.values()]
        return prod(prod(map(len, file.open.values()), start=len(file.sizes)) for file in files)

    def _all(self, names: Names) -> Iterator[State]:
        choices = [
            [(name, inode, self.files[inode].generation, picture) for picture in _pictures(self.files[inode])]
            for name, inode in names.items()
        ]
        return map(_state, itertools.product(*choices))


def _state(files: Iterator[tuple[str, int, int, Picture]] | tuple[tuple[str, int, int, Picture], ...]) -> State:
    return State(tuple(sorted(files)))


def _pictures(file: File) -> Iterator[Picture]:
    for size in file.sizes:
        allowed = [[(sector, since) for since in file.allowed(sector, size.since)] for sector in file.open]
        yield from (Picture(size.since, sectors) for sectors in itertools.product(*allowed))


# How a disk may behave at the cut. Each takes a file and chance, and makes a picture.


def _some(file: File, chance: random.Random, size: Size, share: float) -> Picture:
    """Each sector by itself: with this chance its newest content, else any."""
    sectors = []
    for sector in file.open:
        allowed = file.allowed(sector, size.since)
        sectors.append((sector, allowed[-1] if chance.random() < share else chance.choice(allowed)))
    return Picture(size.since, tuple(sectors))


def _until(file: File, size: Size, moment: int) -> Picture:
    """All contents as of a moment."""
    sectors = []
    for sector in file.open:
        # Those are in order.
        allowed = file.allowed(sector, size.since)
        sectors.append((sector, allowed[max(0, bisect_right(allowed, moment) - 1)]))
    return Picture(size.since, tuple(sectors))


def nothing_arrived(file: File, _chance: random.Random) -> Picture:
    """The cache is lost whole."""
    return _until(file, file.sizes[0], 0)


def all_arrived(file: File, _chance: random.Random) -> Picture:
    """The cache is saved whole."""
    return _until(file, file.sizes[-1], 1 << 62)


def in_order(file: File, chance: random.Random) -> Picture:
    """What was written up to some moment; the last write of it torn where a sector ends."""
    moments = sorted({content.since for contents in file.open.values() for content in contents})
    moment = chance.choice(moments) if moments else 0
    # The size is journalled: it may be ahead of the contents.
    size = chance.choice([each for each in file.sizes if each.since >= moment] or [file.sizes[-1]])
    picture = _until(file, size, moment)
    torn = [index for index, (_, since) in enumerate(picture.sectors) if since == moment]
    keep = chance.randint(0, len(torn))
    earlier = dict(_until(file, size, moment - 1).sectors)
    sectors = list(picture.sectors)
    for index in torn[keep:]:
        sectors[index] = (sectors[index][0], earlier[sectors[index][0]])
    return Picture(size.since, tuple(sectors))


def with_a_hole(file: File, chance: random.Random) -> Picture:
    """All but one sector arrived."""
    picture = all_arrived(file, chance)
    sectors = list(picture.sectors)
    if sectors:
        at = chance.randrange(len(sectors))
        sector = sectors[at][0]
        sectors[at] = (sector, chance.choice(file.allowed(sector, picture.size)))
    return Picture(picture.size, tuple(sectors))


def one_alone(file: File, chance: random.Random) -> Picture:
    """Nothing but one sector arrived, and the size."""
    picture = _until(file, file.sizes[-1], 0)
    sectors = list(picture.sectors)
    if sectors:
        at = chance.randrange(len(sectors))
        sector = sectors[at][0]
        sectors[at] = (sector, file.allowed(sector, picture.size)[-1])
    return Picture(picture.size, tuple(sectors))


def at_random(file: File, chance: random.Random) -> Picture:
    """Each sector by itself, more or less of them."""
    return _some(file, chance, chance.choice(file.sizes), chance.random())


def by_pages(file: File, chance: random.Random) -> Picture:
    """Whole pages of the cache arrived or did not."""
    size = chance.choice(file.sizes)
    share = chance.random()
    arrived = {sector // BLOCK_SECTORS: chance.random() < share for sector in file.open}
    sectors = []
    for sector in file.open:
        allowed = file.allowed(sector, size.since)
        sectors.append((sector, allowed[-1 if arrived[sector // BLOCK_SECTORS] else 0]))
    return Picture(size.since, tuple(sectors))


def with_rubbish(file: File, chance: random.Random) -> Picture:
    """As at random, and where the file grew and nothing arrived lies what was there before."""
    picture = _some(file, chance, file.sizes[-1], chance.random())
    grew = file.sizes[-1].bytes > len(file.solid)
    return picture._replace(rubbish=chance.randrange(1, 1 << 30) if grew else 0)


HABITS: Final = (
    nothing_arrived,
    at_random,
    in_order,
    by_pages,
    with_a_hole,
    all_arrived,
    at_random,
    one_alone,
    in_order,
    with_rubbish,
)
"""In turn, what disks do."""
