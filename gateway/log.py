"""The service's log: structured, one event a line, with bounded words and never personal data."""

import logging
import sys
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final, TextIO, cast

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
            _tell_failure,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _StandardError())),
        cache_logger_on_first_use=True,
    )


class _StandardError:
    """What standard error is when something is said: loggers are kept for good, and it may be another by then."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


FAILURES_MAX: Final = 4
"""Exceptions of one chain that are told."""

PLACES_MAX: Final = 12
"""Innermost places of each."""


def _tell_failure(_logger: Any, _method: str, event: Any) -> Any:
    """Say of an exception which it was and where it came up, never in its words and never what was in hand there.

    Both repeat what was sent: a KeyError its key, an error of the network its URL, a rich traceback all locals.
    """
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["failure"] = list(_failures(error))
    return event


def _failures(error: BaseException) -> Iterator[str]:
    """The exception, then what it came from; each with its places, innermost first."""
    told, following = 0, error
    while told < FAILURES_MAX:
        places = reversed(list(traceback.walk_tb(following.__traceback__))[-PLACES_MAX:])
        where = (f"{PurePath(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}" for frame, line in places)
        yield " < ".join((type(following).__name__, *where))
        came_from = following.__cause__ or following.__context__
        if came_from is None:
            return
        told, following = told + 1, came_from
