"""The service's log: structured, one event a line, with bounded words and never personal data."""

import logging
import sys
from typing import Any, Final

import structlog

log: Final[Any] = structlog.get_logger("nightsafe")
"""The logger of the service. Event names are constants in snake_case; values are fields."""


def set_up(level: str, form: str) -> None:
    """Log to standard error from `level` on, as `json` lines or `text` for eyes."""
    number = logging.getLevelNamesMapping()[level.upper()]
    last: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if form == "json" else _as_it_is,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _as_it_is(_logger: Any, _method: str, event: Any) -> Any:
    return event
