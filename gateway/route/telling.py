"""Telling others of a change without letting their faults come back."""

from collections.abc import Callable
from typing import Any, cast

import structlog

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger("gateway.route")


def tell(listener: Callable[..., None], route: str, *news: Any) -> None:
    """Call `listener` with `news`.

    What it raises is logged by the names of both and goes no further: neither a listener's bug nor a full disk may
    reach the payment whose outcome brought the news. The error's text isn't logged; nobody knows what it holds.
    """
    try:
        listener(*news)
    except Exception as error:  # noqa: BLE001 - see above
        name = cast("str", getattr(listener, "__qualname__", type(listener).__name__))
        _log.error("route_listener_failed", route=route, listener=name, error=type(error).__name__)
