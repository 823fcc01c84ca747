"""Templates to HTML: Jinja with everything escaped, and nothing that is undefined let pass."""

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.page import chart, verdict
from gateway.page.files import served

FILES, ADDRESSES = served()

_TEMPLATES: Final = Environment(
    loader=PackageLoader("gateway.page"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_EVERYWHERE: Final[Mapping[str, Any]] = {
    "file": ADDRESSES.__getitem__,
    "mood_of": verdict.mood_of,
    "tones": verdict.TONES,
    "signs": verdict.SIGNS,
    "full_soon_s": verdict.FULL_SOON_S,
    "chart_width": chart.WIDTH,
    "chart_height": chart.HEIGHT,
}
_TEMPLATES.globals.update(_EVERYWHERE)


def written(template: str, fields: Mapping[str, Any]) -> str:
    """A template filled in."""
    return _TEMPLATES.get_template(template).render(fields)


def templates() -> list[str]:
    """All there are."""
    return _TEMPLATES.list_templates()
