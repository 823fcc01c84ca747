"""The whole gateway by seeds: five hundred new ones each time, and every one that ever failed."""

import multiprocessing
from typing import Final

import pytest

from tests.simulation.simulate import kept_seeds, new_base, some_seeds, told
from tests.simulation.world import simulate

NEW_SEEDS: Final = 500
PIECES: Final = 20


def test_new_seeds_keep_every_promise() -> None:
    """P1 to P5, P7, P9: whatever fails, and whenever we die."""
    base = new_base()
    size = NEW_SEEDS // PIECES
    pieces = [range(base + at, base + at + size) for at in range(0, NEW_SEEDS, size)]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = pool.map(some_seeds, pieces, chunksize=1)
        pool.close()
        pool.join()
    failed = [report for _, _, reports in done for report in reports]
    assert not failed, f"repeat with: make simulate SEEDS={NEW_SEEDS} BASE={base}\n" + "\n".join(map(told, failed))


@pytest.mark.parametrize("seed", kept_seeds())
def test_a_seed_that_failed_once_never_fails_again(seed: int) -> None:
    """What was mended stays mended."""
    report = simulate(seed)
    assert not report.promise, told(report)


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 8])
def test_the_same_seed_is_the_same_story(seed: int) -> None:
    """Else a failure could not be looked into."""
    assert simulate(seed).digest == simulate(seed).digest


def test_the_same_seed_is_the_same_story_in_another_process() -> None:
    """Neither addresses nor hashes of texts decide anything: a failure in CI repeats at a desk."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.map(digest_of, [13, 21])
        pool.close()
        pool.join()
    assert elsewhere == [digest_of(13), digest_of(21)]


def digest_of(seed: int) -> str:
    """The hash over everything that happened."""
    return simulate(seed).digest
