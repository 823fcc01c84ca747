"""What types can't tell of a JSON body's values; every wrong field is named at once, and no value is repeated."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from msgspec import UNSET

from adapters.amount import BadAmount, Scale
from adapters.card_data import card_text
from adapters.channels.json_bodies import TIME_PATTERN, Fault, NewCheck, NewPayment
from adapters.channels.terms import ATTRIBUTE_NAME, SERVICE_PATTERN

_service: Final = re.compile(SERVICE_PATTERN, re.ASCII).fullmatch
_time: Final = re.compile(TIME_PATTERN, re.ASCII).fullmatch
_attribute: Final = re.compile(ATTRIBUTE_NAME, re.ASCII).fullmatch
_controls: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]").search


def fits(body: NewPayment | NewCheck, scale: Scale) -> bool:
    """Is all but the amount as it should be? A quick look; `value_faults` says what isn't."""
    if body.currency != scale.currency or (body.service is not UNSET and not _is_service(body.service)):
        return False
    if not isinstance(body, NewPayment):
        return True
    if body.time is not UNSET and not _is_time(body.time):
        return False
    if body.attributes is UNSET:
        return True
    for name, value in body.attributes.items():
        if not _is_name(name) or not (value.isprintable() or free_text(value)):
            return False
    return True


def value_faults(body: NewPayment | NewCheck, scale: Scale, agreed: Sequence[str]) -> list[Fault]:
    """All that is wrong with a body's values, for a channel whose amounts are in this scale; `agreed` are its currencies."""
    found: list[Fault] = []
    if body.amount is not UNSET:
        found += _amount_faults(body.amount, scale)
    if body.currency != scale.currency:
        found.append(Fault("#/currency", f"agreed with this channel: {', '.join(agreed)}"))
    if body.service is not UNSET and not _is_service(body.service):
        found.append(Fault("#/service", "1 to 64 of A-Z a-z 0-9 _ . : -"))
    if isinstance(body, NewPayment):
        if body.time is not UNSET and not _is_time(body.time):
            found.append(Fault("#/time", "RFC 3339 with a zone, such as 2026-01-15T12:00:00+05:00"))
        if body.attributes is not UNSET:
            found += _attribute_faults(body.attributes)
    return found


def free_text(text: str) -> bool:
    """Is this free text without control characters?"""
    # What is printable holds none of them; the pattern is for what isn't, such as a no-break space.
    return text.isprintable() or _controls(text) is None


def attribute_pointer(name: str) -> str:
    """Pointer to an attribute, or to all of them where the name itself had better not be repeated."""
    plain = _attribute(name) is not None and name[0].isalpha() and not card_text(name)
    return f"#/attributes/{name}" if plain else "#/attributes"


def _amount_faults(text: str, scale: Scale) -> Iterator[Fault]:
    try:
        amount = scale.read(text)
    except BadAmount as bad:
        yield Fault("#/amount", str(bad))
        return
    if not amount:
        yield Fault("#/amount", f"at least {scale.write(1)}")


# A channel's services and names are few and its times repeat within a second, so they are remembered.
@lru_cache(maxsize=256)
def _is_service(text: str) -> bool:
    return _service(text) is not None


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return _attribute(name) is not None


@lru_cache(maxsize=256)
def _is_time(text: str) -> bool:
    if _time(text) is None:
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _attribute_faults(attributes: Mapping[str, str]) -> Iterator[Fault]:
    for name, value in attributes.items():
        if _attribute(name) is None:
            yield Fault("#/attributes", "a name is 1 to 64 of A-Z a-z 0-9 _ . -")
        elif not free_text(value):
            yield Fault(attribute_pointer(name), "control characters are not taken")
