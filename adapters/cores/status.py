"""What an HTTP status says by itself, where no rule of the core's own contract says more."""

from typing import Final

from adapters.cores.http_answer import HttpAnswer
from adapters.outcome import Cause, Misconfigured, NotSent, Unknown

_CREDENTIALS: Final = frozenset({401, 403, 407})
_WRONG_DOOR: Final = frozenset({404, 405, 406, 410, 411, 414, 415, 426, 501, 505})
"""Statuses that tell of a wrong path, method or form: every payment would get them."""

_OK: Final = range(200, 300)
_REDIRECTION: Final = range(300, 400)
_SERVER_FAULT: Final = 500
_TIMEOUT: Final = 408
_THROTTLED: Final = 429
_UNAVAILABLE: Final = 503


def status_failure(
    answer: HttpAnswer, *, unavailable_is_not_sent: bool = False
) -> NotSent | Unknown | Misconfigured | None:
    """What a status other than 2xx means; None for 2xx, whose meaning is in the body."""
    status = answer.status
    if status in _OK:
        return None
    detail = f"status {status}"
    if status in _CREDENTIALS:
        return Misconfigured(cause=Cause.CREDENTIALS, detail=detail)
    if status in _REDIRECTION or status in _WRONG_DOOR:
        return Misconfigured(cause=Cause.CONTRACT, detail=detail)
    if status == _THROTTLED:
        return NotSent(cause=Cause.THROTTLED, retry_after_s=answer.retry_after_s, detail=detail)
    if status == _UNAVAILABLE and answer.retry_after_s:
        kind = NotSent if unavailable_is_not_sent else Unknown
        return kind(cause=Cause.MAINTENANCE, retry_after_s=answer.retry_after_s, detail=detail)
    if status >= _SERVER_FAULT:
        return Unknown(cause=Cause.SERVER_ERROR, detail=detail, retry_after_s=answer.retry_after_s)
    return Unknown(cause=Cause.ANSWER_TIMEOUT if status == _TIMEOUT else Cause.CONTRACT, detail=detail)
