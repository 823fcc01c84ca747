"""Charts as SVG made here: how a route went over the last hours. Pure: samples to points.

Each chart is 600 by 100 units, stretched by the page; what it shows is said in words beside it too.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Final

import msgspec

from gateway.admin.state.trend import SAMPLE_S, Sample
from gateway.admin.steering.outage_side import OutageShown

WIDTH: Final = 600
HEIGHT: Final = 100
COLUMNS_MAX: Final = 200
"""More are drawn together: the highest of them."""

SPAN_MIN_US: Final = 600_000_000
"""Ten minutes: what is younger stands at the right."""

US: Final = 1_000_000

GAP_US: Final = round(4 * SAMPLE_S * US)
"""Longer than this between two samples nobody looked; only so long a break can be seen."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line, as SVG's points: in parts, where in between nobody looked."""

    name: str
    parts: tuple[str, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """One picture with what stands beside it."""

    name: str
    lines: tuple[Line, ...]
    #: What the top edge stands for, what was highest, and what is now (None: not known yet), in the chart's unit.
    top: float
    highest: float
    now: float | None


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """How long the route was in a zone."""

    zone: str
    x: float
    width: float


class Charts(msgspec.Struct, frozen=True, kw_only=True):
    """All pictures of a route."""

    #: Seconds from the left edge to the right.
    span_s: int
    bands: tuple[Band, ...]
    #: When nobody looked, as the service was not running, and the seconds of it.
    gaps: tuple[Band, ...]
    gaps_s: int
    charts: tuple[Chart, ...]


class Drain(msgspec.Struct, frozen=True, kw_only=True):
    """What waited in an outage, from its beginning until nothing did."""

    points: str
    #: When billing was away.
    bands: tuple[Band, ...]
    top: float
    span_s: int


def drained(report: OutageShown) -> Drain | None:
    """The curve of an outage; None where it was over before it had one."""
    if len(report.curve) < 2 or report.curve[-1].after_s <= 0:  # noqa: PLR2004 - a line has two ends
        return None
    last_s = report.curve[-1].after_s
    top = _round_up(max(float(each.entries) for each in report.curve))

    def x(after_s: float) -> float:
        return round(WIDTH * min(1.0, max(0.0, after_s / last_s)), 1)

    began = datetime.fromisoformat(report.began)
    away = [
        [x((datetime.fromisoformat(end) - began).total_seconds()) for end in (each.began, each.ended)]
        for each in report.away
    ]
    return Drain(
        points=_points([x(each.after_s) for each in report.curve], [float(each.entries) for each in report.curve], top),
        bands=tuple(Band(zone="open", x=begin, width=round(max(0.5, end - begin), 1)) for begin, end in away),
        top=top,
        span_s=round(last_s),
    )


def charts(samples: Sequence[Sample]) -> Charts | None:
    """The pictures of a route; None while there are too few samples for a line."""
    if len(samples) < 3:  # noqa: PLR2004 - one difference is no line
        return None
    end_us = samples[-1].at_us
    span_us = max(SPAN_MIN_US, end_us - samples[0].at_us)

    def x(at_us: int) -> float:
        return round(WIDTH * (1 - (end_us - at_us) / span_us), 1)

    runs = [_thinned(run, end_us, span_us) for run in _runs(samples)]
    steps = [[(x(after.at_us), before, after) for before, after in pairwise(run)] for run in runs]
    backlog = [[(x(each.at_us), float(each.waiting)) for each in run] for run in runs]
    came = [[(at, _rate(after.taken - before.taken, before, after)) for at, before, after in run] for run in steps]
    went = [
        [(at, _rate(after.finished - before.finished, before, after)) for at, before, after in run] for run in steps
    ]
    took = [[(at, mean) for at, before, after in run if (mean := _mean_s(before, after)) is not None] for run in steps]
    gaps = [(before[-1].at_us, after[0].at_us) for before, after in pairwise(runs)]
    wide = [(begin, end) for begin, end in gaps if end - begin >= GAP_US]
    return Charts(
        span_s=span_us // US,
        bands=tuple(band for run in runs for band in _bands(run, [x(each.at_us) for each in run])),
        gaps=tuple(Band(zone="off", x=x(begin), width=round(x(end) - x(begin), 1)) for begin, end in wide),
        gaps_s=sum(end - begin for begin, end in wide) // US,
        charts=tuple(
            _chart(name, lines)
            for name, lines in (
                ("backlog", {"waiting": backlog}),
                ("flow", {"in": came, "out": went}),
                ("answer", {"core": took}),
            )
            # A single value is no line; the first picture there is always.
            if name == "backlog" or sum(map(len, next(iter(lines.values())))) > 1
        ),
    )


def _runs(samples: Sequence[Sample]) -> list[list[Sample]]:
    """What was seen without a break: not over a restart, nor over a time in which the process got nowhere."""
    runs = [[samples[0]]]
    for before, after in pairwise(samples):
        if after.anew or after.at_us - before.at_us >= GAP_US:
            runs.append([])
        runs[-1].append(after)
    return runs


Values = list[list[tuple[float, float]]]
"""A line in parts, one for each run: places and values."""


def _chart(name: str, lines: dict[str, Values]) -> Chart:
    highest = max(value for parts in lines.values() for part in parts for _, value in part)
    top = _round_up(highest)
    last = next(iter(lines.values()))[-1]
    return Chart(
        name=name,
        lines=tuple(
            Line(name=each, parts=tuple(_points(*_wide(part), top) for part in parts if part))
            for each, parts in lines.items()
        ),
        top=top,
        highest=highest,
        now=last[-1][1] if last else None,
    )


def _wide(part: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Places and values; a single one as wide as can be seen."""
    if len(part) == 1:
        at, value = part[0]
        return [at - 1, at + 1], [value, value]
    return [at for at, _ in part], [value for _, value in part]


def _points(places: list[float], values: list[float], top: float) -> str:
    return " ".join(f"{x:g},{round(HEIGHT * (1 - value / top), 1):g}" for x, value in zip(places, values, strict=True))


def _round_up(highest: float) -> float:
    """The next of 1, 2, 5, 10, ... so that the edge is a figure one can read; of nothing, one."""
    top = 1e-3 if highest else 1.0
    while top < highest:
        for factor in (2, 5, 10):
            if top * factor >= highest:
                return top * factor
        top *= 10
    return top


def _rate(count: int, before: Sample, after: Sample) -> float:
    """In entries a second."""
    return max(0, count) * US / max(1, after.at_us - before.at_us)


def _mean_s(before: Sample, after: Sample) -> float | None:
    """How long the core took between two samples; None where it wasn't asked."""
    asked = after.attempts - before.attempts
    return (after.attempts_s - before.attempts_s) / asked if asked > 0 else None


def _thinned(run: Sequence[Sample], end_us: int, span_us: int) -> list[Sample]:
    """As many as can be told apart; of those that fall together the one with the most waiting, and always the last."""

    def column(sample: Sample) -> int:
        return min(COLUMNS_MAX - 1, (end_us - sample.at_us) * COLUMNS_MAX // span_us)

    return [*(max(group, key=_waiting) for _, group in groupby(run[:-1], key=column)), run[-1]]


def _waiting(sample: Sample) -> int:
    return sample.waiting


def _bands(samples: Sequence[Sample], places: Sequence[float]) -> list[Band]:
    found, at = list[Band](), 0
    for zone, group in groupby(samples, key=lambda each: each.zone):
        size = len(list(group))
        end = places[min(at + size, len(places) - 1)]
        found.append(Band(zone=zone, x=places[at], width=round(max(0.5, end - places[at]), 1)))
        at += size
    return found
