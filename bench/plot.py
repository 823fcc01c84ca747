"""Draws the newest run of each measurement as SVG, from `bench/out/*.jsonl` into `bench/plots/`.

Plain shapes and text, no library. A drawing brings its own ground and turns dark where its reader's system is. Bars reach
to the median, whiskers from the least round to the most; every bar says its figure.
"""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final
from xml.sax.saxutils import escape

import msgspec

from bench.rig import OUT, ROOT, kept, tell

PLOTS: Final = ROOT / "bench/plots"

_STYLE: Final = """\
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; }
.ground { fill: #ffffff; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.whisker { stroke: #1f2328; stroke-width: 1.5; }
.soft { opacity: 0.55; }
.ours { fill: #2f6fde; } .base { fill: #8c959f; } .peer { fill: #c9742b; }
.line0 { stroke: #2f6fde; } .line1 { stroke: #c9742b; } .line2 { stroke: #2a8f5b; } .line3 { stroke: #8250df; }
.dot0 { fill: #2f6fde; } .dot1 { fill: #c9742b; } .dot2 { fill: #2a8f5b; } .dot3 { fill: #8250df; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .note { fill: #9198a1; } .ground { fill: #151b23; }
  .grid { stroke: #3d444d; } .whisker { stroke: #e6edf3; }
  .ours { fill: #5b93f5; } .base { fill: #7d8590; } .peer { fill: #e08e45; }
  .line0 { stroke: #5b93f5; } .line1 { stroke: #e08e45; } .line2 { stroke: #46b37c; } .line3 { stroke: #a475f9; }
  .dot0 { fill: #5b93f5; } .dot1 { fill: #e08e45; } .dot2 { fill: #46b37c; } .dot3 { fill: #a475f9; }
}
"""

WIDTH: Final = 860
LEFT: Final = 290
RIGHT: Final = 130
TOP: Final = 64
ROW: Final = 28
BAR: Final = 16


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar: its values, one a round."""

    label: str
    values: Sequence[float]
    #: `ours`, `base` or `peer`, and `soft` where a pair of bars says two things.
    kind: str = "peer"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line: by each place on the x axis, its values, one a round."""

    label: str
    points: Mapping[float, Sequence[float]]


def number(value: float) -> str:
    """A figure as a person reads it: three digits that count."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def bars(title: str, note: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars on a logarithmic scale that begins at a power of ten below the least."""
    least = min(min(row.values) for row in rows)
    most = max(max(row.values) for row in rows)
    first, last = math.floor(math.log10(least)), math.log10(most)
    if math.log10(least) - first < 0.1:
        first -= 1
    height = TOP + ROW * len(rows) + 34

    def x(value: float) -> float:
        return LEFT + (math.log10(value) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    below = TOP + ROW * len(rows)
    powers = [10.0**each for each in range(first, math.floor(last) + 1)]
    ticks = [power * each for power in powers for each in ((1,) if last - first > 2.5 else (1, 2, 5))]
    shapes = [_tick(x(tick), below, f"{tick:,.10g}") for tick in ticks if tick <= most]
    for place, row in enumerate(rows):
        shapes += _bar(row, TOP + ROW * place, x)
    return _drawing(title, f"{note} Logarithmic scale; whiskers: least and most of the rounds.", height, shapes)


def _tick(x: float, below: float, label: str) -> str:
    return (
        f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{below + 4:.1f}"/>'
        f'<text class="note" x="{x:.1f}" y="{below + 20:.1f}" text-anchor="middle">{label}</text>'
    )


def _bar(row: Bar, y: float, x: Callable[[float], float]) -> list[str]:
    middle, low, high = median(row.values), min(row.values), max(row.values)
    centre = y + ROW / 2
    top = centre - BAR / 2
    return [
        f'<text x="{LEFT - 10}" y="{centre + 4.5:.1f}" text-anchor="end">{escape(row.label)}</text>',
        f'<rect class="{row.kind}" x="{LEFT}" y="{top:.1f}" width="{x(middle) - LEFT:.1f}" height="{BAR}" rx="2"/>',
        f'<line class="whisker" x1="{x(low):.1f}" y1="{centre:.1f}" x2="{x(high):.1f}" y2="{centre:.1f}"/>',
        f'<text x="{x(high) + 8:.1f}" y="{centre + 4.5:.1f}">{number(middle)}</text>',
    ]


def lines(title: str, note: str, drawn: Sequence[Line]) -> str:
    """Lines over a logarithmic x axis; y begins at nothing."""
    places = sorted({place for line in drawn for place in line.points})
    most = 1.05 * max(max(values) for line in drawn for values in line.points.values())
    height, left, right, bottom = 380, 70, 190, 330
    spread = math.log10(places[-1] / places[0]) or 1.0

    def x(place: float) -> float:
        return left + math.log10(place / places[0]) / spread * (WIDTH - left - right)

    def y(value: float) -> float:
        return bottom - value / most * (bottom - TOP)

    shapes = [
        f'<line class="grid" x1="{left}" y1="{y(mark):.1f}" x2="{WIDTH - right}" y2="{y(mark):.1f}"/>'
        f'<text class="note" x="{left - 8}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark:,.10g}</text>'
        for mark in marks(most)
    ]
    shapes += [
        f'<text class="note" x="{x(place):.1f}" y="{bottom + 20}" text-anchor="middle">{place:,.0f}</text>'
        for place in places
    ]
    beside = _apart([y(median(line.points[max(line.points)])) for line in drawn])
    for kind, (line, label_y) in enumerate(zip(drawn, beside, strict=True)):
        shapes += _line(line, kind, x, y)
        shapes.append(f'<text x="{WIDTH - right + 12}" y="{label_y + 4.5:.1f}">{escape(_from_to(line))}</text>')
    return _drawing(title, f"{note} Whiskers: least and most of the rounds.", height, shapes)


def _from_to(line: Line) -> str:
    first, last = (number(median(line.points[end(line.points)])) for end in (min, max))
    return f"{line.label}: {first} to {last}"


def _line(line: Line, kind: int, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    middles = [(place, median(values)) for place, values in sorted(line.points.items())]
    path = " ".join(f"{x(place):.1f},{y(value):.1f}" for place, value in middles)
    shapes = [f'<polyline class="line{kind}" fill="none" stroke-width="2" points="{path}"/>']
    for place, values in line.points.items():
        at, low, high = x(place), y(min(values)), y(max(values))
        shapes.append(
            f'<line class="line{kind}" stroke-width="1.5" x1="{at:.1f}" y1="{low:.1f}" x2="{at:.1f}" y2="{high:.1f}"/>'
            f'<circle class="dot{kind}" cx="{at:.1f}" cy="{y(median(values)):.1f}" r="4"/>'
        )
    return shapes


def marks(most: float) -> list[float]:
    """Round figures from nothing to the most, three to six of them."""
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
    return [step * each for each in range(int(most / step) + 1)]


def _apart(places: Sequence[float], gap: float = 18.0) -> list[float]:
    """The same places, moved down where they would cover each other."""
    moved, last = dict[int, float](), -math.inf
    for index in sorted(range(len(places)), key=lambda each: places[each]):
        last = moved[index] = max(places[index], last + gap)
    return [moved[index] for index in range(len(places))]


def _drawing(title: str, note: str, height: float, shapes: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}" '
        f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">'
    )
    words = f'<text class="title" x="16" y="28">{escape(title)}</text><text class="note" x="16" y="48">{escape(note)}</text>'
    ground = '<rect class="ground" width="100%" height="100%" rx="6"/>'
    return "\n".join([head, f"<style>\n{_STYLE}</style>", ground, words, *shapes, "</svg>\n"])


# What is drawn

Rows = Sequence[Mapping[str, Any]]


def beside_peers(rows: Rows) -> dict[str, str]:
    """CPU per payment and payments a second, ours beside the peers'."""

    def drawn(title: str, note: str, field: str, *, most_first: bool) -> str:
        by_case = {name: [row[field] for row in rows if row["case"] == name] for name in _in_order(rows, "case")}
        found = [Bar(label=name, values=values, kind=_kind(name)) for name, values in by_case.items()]
        return bars(title, note, sorted(found, key=lambda bar: median(bar.values), reverse=most_first))

    where = "64 connections; servers and their stores on one core."
    return {
        "peers-cpu": drawn("CPU per payment taken, µs (less is better)", where, "cpu_us", most_first=False),
        "peers-rate": drawn("Payments taken a second (more is better)", where, "per_s", most_first=True),
    }


def latency(rows: Rows) -> dict[str, str]:
    """Waits at a fixed rate, by the clock."""
    found = list[Bar]()
    for rate in sorted({row["rate"] for row in rows}):
        mine = [row for row in rows if row["rate"] == rate]
        for case in sorted(_in_order(mine, "case"), key=_health_first):
            for label, field, soft in (("p50", "p50_us", " soft"), ("p99", "p99_us", "")):
                values = [row["waits"][field] / 1e3 for row in mine if row["case"] == case]
                found.append(Bar(label=f"{case}, {rate:,.0f}/s, {label}", values=values, kind=_kind(case) + soft))
    title = "What payers wait in health and in an outage, ms"
    return {"latency": bars(title, "Fixed rate, waits counted from when payments fell due.", found)}


def backlog(rows: Rows) -> dict[str, str]:
    """What each step costs, by how many wait."""
    keys = "v4" if any(row["keys"] == "v4" for row in rows) else "v7"
    mine = [row for row in rows if row["keys"] == keys]
    drawn = list[Line]()
    for step in ("accept", "claim", "settle"):
        points = {size: [row["steps"][f"{step}_us"] for row in mine if row["waiting"] == size] for size in _sizes(mine)}
        drawn.append(Line(label=step, points=points))
    title = "CPU per payment at the spool, µs, by how many wait"
    return {"backlog": lines(title, f"{keys} keys, 64 at a time, sealing included.", drawn)}


def _sizes(rows: Rows) -> list[float]:
    return sorted({float(row["waiting"]) for row in rows})


def _in_order(rows: Rows, field: str) -> list[str]:
    return list(dict.fromkeys(row[field] for row in rows))


def _kind(name: str) -> str:
    if name.startswith(("Nightsafe", "durable", "passed")):
        return "ours"
    return "base" if name.startswith(("B", "nginx")) else "peer"


def _health_first(case: str) -> int:
    return 0 if case == "B" else 1 if case.startswith("passed") else 2


DRAWN: Final[dict[str, Callable[[Rows], dict[str, str]]]] = {
    "peers": beside_peers,
    "paced": latency,
    "backlog-steps": backlog,
}
"""By name of the raw results: what is drawn of them."""


def write(out: Path, plots: Path) -> list[Path]:
    """Draw what has been measured; the files written."""
    plots.mkdir(parents=True, exist_ok=True)
    written = list[Path]()
    for name, draw in DRAWN.items():
        rows = kept(name, out)
        if not rows:
            tell(f"nothing measured to draw: {name}")
            continue
        for title, svg in draw(rows).items():
            path = plots / f"{title}.svg"
            path.write_text(svg, encoding="utf-8")
            written.append(path)
    return written


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be chosen."""
    parser.add_argument("--into", type=Path, default=PLOTS, help="a folder")


def run(told: argparse.Namespace) -> None:
    """Draw, say what was written."""
    for path in write(OUT, told.into):
        print(path)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.plot", description=__doc__)
    add_arguments(parser)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
