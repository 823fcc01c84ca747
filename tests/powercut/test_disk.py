"""The model itself: what it allows is what disks do, no more and no less."""

import random
from collections.abc import Sequence

import pytest

from tests.powercut.disk import SECTOR, Disk
from tests.powercut.tape import FolderSynced, Named, Removed, Resized, Step, Synced, Wrote

OLD, NEW, NEWER = b"a" * SECTOR, b"b" * SECTOR, b"c" * SECTOR
ALL = 10_000
CHANCE = random.Random


def images(*steps: Step, content: bytes = OLD + OLD) -> set[tuple[tuple[str, bytes], ...]]:
    """Everything a cut may leave after these steps on a file `f` that was there."""
    disk = Disk({"f": 1}, {1: content})
    for step in steps:
        disk.feed(step)
    return {tuple(sorted(disk.image(state).items())) for state in disk.states(CHANCE(1), ALL)}


def contents(*steps: Step, content: bytes = OLD + OLD) -> set[bytes]:
    """The same, of the one file there is."""
    return {dict(image)["f"] for image in images(*steps, content=content)}


def test_what_was_synced_is_there() -> None:
    """And nothing else may be."""
    assert contents(Wrote(1, 0, NEW), Synced(1, succeeded=True)) == {NEW + OLD}


def test_a_write_may_be_torn_at_sectors() -> None:
    """Each sector arrives by itself."""
    assert contents(Wrote(1, 0, NEW + NEW)) == {OLD + OLD, NEW + OLD, OLD + NEW, NEW + NEW}


def test_a_sector_is_never_torn() -> None:
    """SQLite's assumption, and ours."""
    assert contents(Wrote(1, 10, b"x")) == {OLD + OLD, OLD[:10] + b"x" + OLD[11:] + OLD}


def test_writes_may_arrive_in_any_order() -> None:
    """The later one may be there without the earlier one."""
    assert OLD + NEW in contents(Wrote(1, 0, NEW), Wrote(1, SECTOR, NEW))


def test_a_sector_has_one_of_the_contents_it_had() -> None:
    """A write over an unsynced write doesn't undo that it may have arrived."""
    assert contents(Wrote(1, 0, NEW), Wrote(1, 0, NEWER)) == {OLD + OLD, NEW + OLD, NEWER + OLD}


def test_a_sync_of_one_file_is_none_of_another() -> None:
    """SQLite syncs log and database by themselves."""
    steps: Sequence[Step] = (
        Named("g", 2),
        FolderSynced(),
        Wrote(2, 0, NEW),
        Wrote(1, 0, NEW),
        Synced(2, succeeded=True),
    )

    found = images(*steps)

    assert found == {(("f", OLD + OLD), ("g", NEW)), (("f", NEW + OLD), ("g", NEW))}


def test_after_a_sync_that_failed_another_one_promises_nothing() -> None:
    """The kernel calls the pages clean."""
    steps = (Wrote(1, 0, NEW), Synced(1, succeeded=False), Synced(1, succeeded=True))

    assert contents(*steps) == {OLD + OLD, NEW + OLD}


def test_after_a_sync_that_failed_writing_again_and_syncing_does() -> None:
    """Whatever is written then."""
    steps = (Wrote(1, 0, NEW), Synced(1, succeeded=False), Wrote(1, 0, NEW), Synced(1, succeeded=True))

    assert contents(*steps) == {NEW + OLD}


def test_a_file_may_have_grown_without_its_content() -> None:
    """The size is journalled, the content isn't."""
    assert contents(Wrote(1, SECTOR, NEW), content=OLD) == {OLD, OLD + bytes(SECTOR), OLD + NEW}


def test_a_file_is_cut_whole_or_not_at_all() -> None:
    """No content from before the cut lives on behind it."""
    assert contents(Resized(1, SECTOR)) == {OLD + OLD, OLD}


def test_names_follow_in_order() -> None:
    """A later name is never there without an earlier one."""
    found = images(Named("g", 2), Named("h", 3))

    assert {tuple(name for name, _ in image) for image in found} == {("f",), ("f", "g"), ("f", "g", "h")}


def test_a_file_under_an_old_name_is_another_file() -> None:
    """What was deleted may be back; it doesn't mix with what came after it."""
    found = images(Removed("f"), Named("f", 2), Wrote(2, 0, NEW), Synced(2, succeeded=True))

    assert found == {(("f", OLD + OLD),), (), (("f", NEW),)}


def test_a_folder_s_sync_settles_names() -> None:
    """And nothing of contents."""
    found = images(Named("g", 2), FolderSynced())

    assert found == {(("f", OLD + OLD), ("g", b""))}


@pytest.mark.parametrize("seed", range(20))
def test_what_is_sampled_is_among_what_is_possible(seed: int) -> None:
    """However a disk is said to behave; rubbish where nothing was written is apart."""
    disk = Disk({"f": 1}, {1: OLD * 4})
    for step in (Wrote(1, 0, NEW * 3), Wrote(1, SECTOR, NEWER * 2)):
        disk.feed(step)
    possible = {disk.image(state)["f"] for state in disk.states(CHANCE(seed), ALL)}

    sampled = {disk.image(state)["f"] for state in disk.states(CHANCE(seed), 12)}

    assert len(possible) == 2 * 3 * 3
    assert sampled <= possible
    assert len(sampled) > 2
