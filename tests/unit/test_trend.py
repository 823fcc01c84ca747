"""What the charts draw: samples of each route, kept over restarts in a small file that nothing depends on."""

import asyncio
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway.admin.state.kept_trend import TrendInFile
from gateway.admin.state.trend import KEPT_US, SAMPLE_S, SAMPLES_MAX, Sample, Trend
from gateway.clock import ManualClock, settle

US: Final = 1_000_000
START: Final = Sample(at_us=0, zone="closed", waiting=0, taken=0, finished=0, attempts=0, attempts_s=0.0)


class Life:
    """One run of a service with one route, as far as its charts go."""

    def __init__(self, clock: ManualClock, keeper: TrendInFile | None = None) -> None:
        self.clock = clock
        self.trend = Trend(clock, lambda: {"main": replace(START, at_us=clock.now_us())}, keeper)

    @property
    def samples(self) -> list[Sample]:
        """Those of its route."""
        return [*self.trend.of("main")]


def file_of(folder: Path) -> TrendInFile:
    """The file beside a spool, for one route."""
    return TrendInFile(folder / "spool" / "charts.jsonl", 1)


def test_the_memory_is_six_hours() -> None:
    """Of each route; also where there are fewer samples, as the service was down in between."""
    trend = Life(ManualClock()).trend
    for index in range(SAMPLES_MAX + 10):
        trend.note("main", replace(START, at_us=index))
    assert len(trend.of("main")) == SAMPLES_MAX
    assert trend.of("main")[0].at_us == 10
    trend.note("main", replace(START, at_us=KEPT_US + SAMPLES_MAX))
    assert [each.at_us for each in trend.of("main")][:1] == [SAMPLES_MAX]
    assert trend.of("other") == ()


async def test_routes_are_looked_at_four_times_a_minute() -> None:
    """The first sample of a run says that it is one."""
    life = Life(ManualClock())
    running = asyncio.create_task(life.trend.run())
    await settle()
    await life.clock.advance(3 * SAMPLE_S)
    running.cancel()
    assert [each.anew for each in life.samples] == [True, False, False, False]


async def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """Also one by a kill: each sample is written when it is made."""
    clock = ManualClock()
    killed = Life(clock, file_of(tmp_path))
    await killed.trend.run_once()
    await clock.advance(SAMPLE_S)
    await killed.trend.run_once()
    await clock.advance(600)
    again = Life(clock, file_of(tmp_path))
    await again.trend.open()
    await again.trend.run_once()
    assert again.samples[:2] == killed.samples
    assert [each.anew for each in again.samples] == [True, False, True]


async def test_what_a_wrong_clock_put_after_now_is_forgotten(tmp_path: Path) -> None:
    """A line goes from left to right."""
    clock = ManualClock()
    killed = Life(clock, file_of(tmp_path))
    await killed.trend.run_once()
    clock.jump(3_600)
    await killed.trend.run_once()
    clock.jump(-3_000)
    again = Life(clock, file_of(tmp_path))
    await again.trend.open()
    await again.trend.run_once()
    assert [each.at_us for each in again.samples] == [killed.samples[0].at_us, clock.now_us()]


def test_files_are_bounded_and_hold_the_last_hours(tmp_path: Path) -> None:
    """However long the service runs, and however often it is started."""
    samples = [replace(START, at_us=index * 15 * US) for index in range(4 * SAMPLES_MAX)]
    first, second = file_of(tmp_path), file_of(tmp_path)
    for each in samples[:-SAMPLES_MAX]:
        first.add([("main", each)])
    second.load()
    for each in samples[-SAMPLES_MAX:]:
        second.add([("main", each)])
    kept = [sample.at_us for _, sample in file_of(tmp_path).load()]
    assert SAMPLES_MAX <= len(kept) <= 2 * SAMPLES_MAX
    assert kept == [each.at_us for each in samples[-len(kept) :]]
    assert len([*(tmp_path / "spool").iterdir()]) == 2


def test_what_was_cut_short_spoils_nothing_else(tmp_path: Path) -> None:
    """A power cut may leave anything, and another version other lines; no payment depends on it."""
    keeper = file_of(tmp_path)
    keeper.add([("main", START)])
    with (tmp_path / "spool" / "charts.jsonl").open("ab") as file:
        file.write(b'\n["main",[1,2]]\n\xff\n["main",[17672')
        file.write(b'\n["main",[5,"closed",0,0,0,0,1e999,false]]\n["main",[5,"closed",%d,0,0,0,0,false]]' % 10**400)
    keeper.add([("main", replace(START, at_us=US))])
    assert [sample.at_us for _, sample in file_of(tmp_path).load()] == [0, US]


def test_a_disk_that_takes_nothing_is_said_once(tmp_path: Path) -> None:
    """The charts go on from memory."""
    (tmp_path / "spool").write_bytes(b"no folder")
    keeper = file_of(tmp_path)
    with capture_logs() as said:
        keeper.add([("main", START)])
        keeper.add([("main", START)])
        assert keeper.load() == []
    assert [each["event"] for each in said] == ["trend_not_kept", "trend_unreadable", "trend_unreadable"]
