"""Charts: points made of samples, with edges one can read."""

from typing import Final

from msgspec.structs import replace

from gateway.admin.state.trend import SAMPLE_S, SAMPLES_MAX, Sample, Trend
from gateway.page.chart import COLUMNS_MAX, HEIGHT, WIDTH, Charts, charts

US: Final = 1_000_000
START: Final = Sample(at_us=0, zone="closed", waiting=0, taken=0, finished=0, attempts=0, attempts_s=0.0)


def drawn(samples: list[Sample]) -> Charts:
    """The charts of samples that are enough."""
    found = charts(samples)
    assert found is not None
    return found


def outage(count: int) -> list[Sample]:
    """Ten payments a sample; the first half passes through in 0.05 s each, the second waits."""
    half = count // 2
    return [
        replace(
            START,
            at_us=index * 15 * US,
            zone="closed" if index < half else "open",
            taken=10 * index,
            finished=10 * min(index, half),
            waiting=10 * max(0, index - half),
            attempts=10 * min(index, half),
            attempts_s=0.5 * min(index, half),
        )
        for index in range(count)
    ]


def test_too_few_samples_are_no_picture() -> None:
    """One difference is no line."""
    assert charts([]) is None
    assert charts(outage(2)) is None


def test_an_outage_is_seen_in_each_chart() -> None:
    """What waits rises, nothing is finished any more, and billing isn't asked."""
    found = drawn(outage(100))
    backlog, flow, answer = found.charts
    assert (backlog.name, backlog.highest, backlog.now, backlog.top) == ("backlog", 490.0, 490.0, 500.0)
    assert backlog.lines[0].points.endswith(f"{WIDTH},2")
    came, went = (line.points.split() for line in flow.lines)
    assert {point.split(",")[1] for point in came} == {"33.3"}
    assert went[-1] == f"{WIDTH},{HEIGHT}"
    assert (answer.lines[0].name, round(answer.highest, 3), answer.top) == ("core", 0.05, 0.05)
    assert [(band.zone, band.x, round(band.x + band.width)) for band in found.bands] == [
        ("closed", 0.0, 303),
        ("open", 303.0, 600),
    ]


def test_what_is_young_stands_at_the_right() -> None:
    """Ten minutes are the least that is drawn."""
    found = drawn(outage(5))
    assert found.span_s == 600
    assert found.charts[0].lines[0].points.split()[0].startswith("540,")


def test_six_hours_have_no_more_points_than_can_be_told_apart() -> None:
    """And the highest is never lost among them."""
    samples = outage(SAMPLES_MAX)
    samples[1_001] = replace(samples[1_001], waiting=99_999)
    found = drawn(samples)
    assert found.charts[0].highest == 99_999
    assert len(found.charts[0].lines[0].points.split()) <= COLUMNS_MAX + 1


def test_a_spool_that_is_counted_anew_is_no_negative_rate() -> None:
    """Counts that go back are nothing that came."""
    back = [*outage(10), replace(START, at_us=200 * US)]
    assert drawn(back).charts[1].lines[0].points.split()[-1] == f"{WIDTH},{HEIGHT}"


def test_the_memory_is_short_and_samples_are_apart() -> None:
    """Six hours of each route, a sample each quarter of a minute."""
    trend = Trend()
    assert [trend.is_due(now) for now in (0.0, 5.0, SAMPLE_S, SAMPLE_S + 1)] == [True, False, True, False]
    for index in range(SAMPLES_MAX + 10):
        trend.note("main", replace(START, at_us=index))
    assert len(trend.of("main")) == SAMPLES_MAX
    assert trend.of("main")[0].at_us == 10
    assert trend.of("other") == ()
