"""JSON read strictly: what msgspec lets pass is looked at again, and its errors become pointers to fields.

msgspec checks types, lengths and unknown fields while it parses, and takes neither `NaN` nor a byte order mark nor broken
UTF-8. But of two equal keys it silently takes the last, and another reader on the way may have taken the first. To see
that without parsing twice: every key ends in a quote and a colon, so a body with as many of those as it has fields has no
key twice. Only when the count is off, or an escape or blanks could hide one, a second reader looks.
"""

import json
import re
from typing import Any, Final, TypeVar

import msgspec

from adapters.channels.json_bodies import Fault, NewCheck, NewPayment, NewReversal
from adapters.channels.problem import Code
from adapters.channels.unfit import Unfit

T = TypeVar("T", NewPayment, NewReversal, NewCheck)

_PATH: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`$")
_ODD: Final = b" \t\r\n\\"
"""Most bodies hold none of these, which one look tells."""

_SPACED: Final = (b" :", b"\t:", b"\r:", b"\n:")
_FIELD: Final = re.compile(r"(?:unknown|required) field `([A-Za-z_][A-Za-z0-9_]{0,39})`", re.ASCII)


class _Twice(Exception):
    """An object has a key twice."""


def read_body(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T:
    """The body as the decoder's type.

    Raises:
        Unfit: 400 with a pointer to the field, as far as there is one.
    """
    try:
        read = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Unfit("field", Code.MALFORMED, errors=[_fault(str(error))]) from None
    except UnicodeDecodeError:
        raise Unfit("charset", Code.MALFORMED, "the body is not in UTF-8") from None
    except (msgspec.DecodeError, RecursionError):
        raise Unfit("syntax", Code.MALFORMED, "the body is not JSON") from None
    # A quote before a colon ends a key, unless it is an escaped one inside of a string, or blanks stand between them.
    plain = len(body.translate(None, _ODD)) == len(body) or not _may_hide(body)
    if not (plain and body.count(b'":') == read.keys) and _has_twice(body):
        raise Unfit("repeated", Code.MALFORMED, "an object has the same field twice")
    return read


def _may_hide(body: bytes) -> bool:
    """May an escape or blanks before a colon hide a key?"""
    return b"\\" in body or any(pair in body for pair in _SPACED)


def _has_twice(body: bytes) -> bool:
    try:
        json.loads(body, object_pairs_hook=_once)
    except _Twice:
        return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _fault(message: str) -> Fault:
    """A message of msgspec as a fault. A field's name is repeated when it is a plain word, a value never."""
    path = _PATH.search(message)
    where = path.group(1) if path is not None else ""
    said = message[: path.start()] if path is not None else message
    pointer = "#" + where.replace("[...]", "").replace(".", "/")
    field = _FIELD.search(said)
    if field is not None:
        pointer += f"/{field.group(1)}"
    if "unknown field" in said:
        return Fault(pointer=pointer, detail="there is no such field")
    if "required field" in said:
        return Fault(pointer=pointer, detail="the field is missing")
    return Fault(pointer=pointer, detail=said.replace("`", ""))
