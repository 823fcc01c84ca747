"""Form parameters, read strictly: `application/x-www-form-urlencoded` in a query or a body, in UTF-8.

The usual readers forgive: they take the first or the last of two equal names, leave a broken percent sign in place and
put U+FFFD where the bytes are no UTF-8. Two programs that forgive differently read two payments out of one request, so
here each of these is an error. Source: WHATWG URL, 5.1, made strict.
"""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

PARAMETERS_MAX: Final = 64
NAME_CHARS_MAX: Final = 64
VALUE_CHARS_MAX: Final = 1024

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search


class BadForm(ValueError):
    """The parameters can't be read; `reason` is a metric's label, the message is for the sender and quotes nothing."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def read_form(*sources: str) -> dict[str, str]:
    """The parameters of a query and a body together, decoded, in the order sent; empty parts between `&` are skipped.

    Raises:
        BadForm: a name twice, broken escapes, bytes that are no UTF-8, control characters, too many or too long.
    """
    parameters: dict[str, str] = {}
    for source in sources:
        for part in source.split("&"):
            if part:
                _add(parameters, part)
    return parameters


def _add(parameters: dict[str, str], part: str) -> None:
    raw_name, _, raw_value = part.partition("=")
    name, value = _plain(raw_name), _plain(raw_value)
    if name in parameters:
        raise BadForm("repeated", "a parameter is given twice")
    if not name or len(name) > NAME_CHARS_MAX:
        raise BadForm("parameter", "a parameter's name is empty or too long")
    if len(value) > VALUE_CHARS_MAX:
        raise BadForm("too_long", "a parameter is too long")
    if len(parameters) == PARAMETERS_MAX:
        raise BadForm("too_many", "too many parameters")
    parameters[name] = value


def _plain(raw: str) -> str:
    """One name or value decoded."""
    if not raw.isascii():
        raise BadForm("charset", "write characters beyond ASCII as percent-encoded UTF-8")
    text = raw
    if "%" in raw or "+" in raw:
        if _BROKEN_ESCAPE(raw) is not None:
            raise BadForm("charset", "a percent sign is not followed by two hexadecimal digits")
        try:
            text = unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
        except UnicodeDecodeError:
            raise BadForm("charset", "the parameters are not in UTF-8") from None
    if _CONTROLS(text) is not None:
        raise BadForm("charset", "control characters are not taken")
    return text
