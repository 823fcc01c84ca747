"""Figures as they are printed: medians with their spread, in Markdown."""

from collections.abc import Iterable, Sequence
from statistics import median


def spread(values: Sequence[float], decimals: int) -> str:
    """The median, then the least and the most: `0.52 (0.48-0.55)`."""
    if not values:
        return ""
    return f"{median(values):,.{decimals}f} ({min(values):,.{decimals}f}-{max(values):,.{decimals}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> str:
    """A Markdown table; the first column is words, the others are figures, unless all are `words`."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + ("---|" if words else "--:|") * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
