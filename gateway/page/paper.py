"""The report of an outage as a file of its own: one HTML page that loads nothing, for whoever has no way to ours. Pure."""

from datetime import UTC, datetime
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from gateway.admin.steering.outage_side import OutageShown
from gateway.page.chart import drained
from gateway.page.look import Look
from gateway.page.words import Language
from gateway.page.writing import written

_STYLE: Final = (files("gateway.page") / "static/page.css").read_text("utf-8")
_ON_PAPER: Final = ":root { color-scheme: light; }\nmain { max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }\n"


def paper(report: OutageShown, language: Language, time_zone: str) -> str:
    """The whole page, with its style and its picture in it; times are of this zone (an IANA name)."""
    at = datetime.fromisoformat(report.drained).astimezone(UTC)
    look = Look(language, ZoneInfo(time_zone), round(at.timestamp() * 1_000_000))
    fields = {
        "look": look,
        "t": look.t,
        "report": report,
        "drawn": drained(report),
        "style": _STYLE + _ON_PAPER,
        "zone": time_zone,
    }
    return written("outage_file.html", fields)


def name_of(report: OutageShown) -> str:
    """What the file is called."""
    return f"outage-{report.number}.html"
