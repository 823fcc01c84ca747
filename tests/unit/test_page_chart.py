"""Charts: points made of samples, with edges one can read."""

from typing import Final

from msgspec.structs import replace

from gateway.admin.state.trend import SAMPLES_MAX, Sample
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
    assert backlog.lines[0].parts[0].endswith(f"{WIDTH},2")
    came, went = (line.parts[0].split() for line in flow.lines)
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
    assert found.charts[0].lines[0].parts[0].split()[0].startswith("540,")


def test_six_hours_have_no_more_points_than_can_be_told_apart() -> None:
    """And the highest is never lost among them."""
    samples = outage(SAMPLES_MAX)
    samples[1_001] = replace(samples[1_001], waiting=99_999)
    found = drawn(samples)
    assert found.charts[0].highest == 99_999
    assert len(found.charts[0].lines[0].parts[0].split()) <= COLUMNS_MAX + 1


def test_a_spool_that_is_counted_anew_is_no_negative_rate() -> None:
    """Counts that go back are nothing that came."""
    back = [*outage(10), replace(START, at_us=150 * US)]
    assert drawn(back).charts[1].lines[0].parts[0].split()[-1] == f"{WIDTH},{HEIGHT}"


def restarted(*, off_s: int) -> list[Sample]:
    """An outage's forty samples, of which the last ten are of another run, which began so much later; counters are its own."""
    samples = outage(40)
    later = [
        replace(each, at_us=each.at_us + off_s * US, attempts=0, attempts_s=0.0, anew=index == 0)
        for index, each in enumerate(samples[30:])
    ]
    return [*samples[:30], *later]


def test_while_the_service_was_down_nothing_is_drawn() -> None:
    """Neither nothing nor a line from before to after: nobody looked."""
    found = drawn(restarted(off_s=600))
    assert [len(line.parts) for chart in found.charts for line in chart.lines] == [2, 2, 2, 1]
    end, begin = (part.split() for part in found.charts[0].lines[0].parts)
    (gap,) = found.gaps
    assert (end[-1].split(",")[0], begin[0].split(",")[0]) == (f"{gap.x:g}", f"{gap.x + gap.width:g}")
    assert (gap.zone, found.gaps_s) == ("off", 615)
    assert all(band.x + band.width <= gap.x or band.x >= gap.x + gap.width for band in found.bands)


def test_over_a_quick_restart_no_difference_is_drawn() -> None:
    """Counters begin anew with the process: what differs is nobody's work. A moment is too short to be seen as a gap."""
    found = drawn(restarted(off_s=0))
    assert [len(line.parts) for line in found.charts[1].lines] == [2, 2]
    assert found.gaps == ()


def test_a_process_that_got_nowhere_for_minutes_leaves_a_gap() -> None:
    """A machine asleep looked at nothing either."""
    samples = outage(40)
    found = drawn([*samples[:20], *samples[25:]])
    assert found.gaps_s == 90


def test_right_after_a_restart_rates_are_not_known_yet() -> None:
    """One sample is no difference; it is seen as a dot."""
    found = drawn(restarted(off_s=600)[:31])
    backlog, flow, answer = found.charts
    assert (backlog.now, flow.now, answer.now) == (100.0, None, None)
    first, second = backlog.lines[0].parts[1].split()
    assert first.split(",")[1] == second.split(",")[1]


def test_a_service_that_starts_again_and_again_is_drawn_all_the_same() -> None:
    """Each run has one sample: there is no rate, and no picture of it."""
    found = drawn([replace(each, anew=True) for each in outage(5)])
    assert [chart.name for chart in found.charts] == ["backlog"]
