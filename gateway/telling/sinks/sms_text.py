"""A text as SMS: which alphabet it takes, and in how many parts it goes. Pure.

3GPP TS 23.038 (the seven-bit alphabet, its extension and UCS-2) and TS 23.040 9.2.3.24.1 (the header that joins parts). One
message holds 160 septets or 70 units of UCS-2, a part of a longer one 153 or 67. Over SMPP a septet is one byte.
"""

from typing import Final

import msgspec

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = {"\f": 10, "^": 20, "{": 40, "}": 41, "\\": 47, "[": 60, "~": 61, "]": 62, "|": 64, "€": 101}
_ESCAPE: Final = 0x1B
_PLAIN: Final = {character: bytes([code]) for code, character in enumerate(BASIC) if code != _ESCAPE} | {
    character: bytes([_ESCAPE, code]) for character, code in EXTENSION.items()
}

GSM7: Final = 0
UCS2: Final = 8
"""Values of SMPP's data_coding (SMPP 3.4, 5.2.19)."""

_BYTES: Final = {GSM7: (160, 153), UCS2: (140, 134)}
"""Bytes of a message that is alone, and of a part."""

_DOTS: Final = "..."


class Sms(msgspec.Struct, frozen=True, kw_only=True):
    """A text cut into messages. Personal data."""

    coding: int
    #: Without the header that joins them.
    parts: tuple[bytes, ...]
    #: What they say together.
    text: str

    def __repr__(self) -> str:
        return f"Sms({len(self.parts)} parts)"


def coding_of(text: str) -> int:
    """The cheapest alphabet that has every character."""
    return GSM7 if all(character in _PLAIN for character in text) else UCS2


def sms_of(text: str, parts_max: int) -> Sms:
    """The text in at most so many parts; what doesn't fit is cut off, and dots say so. No character is cut in two."""
    coding = coding_of(text)
    parts = _parts(text, coding)
    while len(parts) > parts_max:
        text = _shorter(text, parts_max, coding)
        parts = _parts(text, coding)
    return Sms(coding=coding, parts=tuple(parts), text=text)


def _parts(text: str, coding: int) -> list[bytes]:
    alone, joined = _BYTES[coding]
    characters = [_encoded(each, coding) for each in text]
    if sum(map(len, characters)) <= alone:
        return [b"".join(characters)]
    parts = [bytearray()]
    for character in characters:
        if len(parts[-1]) + len(character) > joined:
            parts.append(bytearray())
        parts[-1] += character
    return [bytes(part) for part in parts]


def _shorter(text: str, parts_max: int, coding: int) -> str:
    """The longest beginning that fits, roughly, and dots."""
    kept = text.removesuffix(_DOTS)
    alone, joined = _BYTES[coding]
    room = (alone if parts_max == 1 else joined * parts_max) - len(_DOTS) * len(_encoded(".", coding))
    used, length = 0, 0
    for character in kept:
        used += len(_encoded(character, coding))
        if used > room:
            break
        length += 1
    # A character that would be cut in two moves to the next part: then one less fits.
    return kept[: min(length, len(kept) - 1)] + _DOTS


def _encoded(character: str, coding: int) -> bytes:
    return _PLAIN[character] if coding == GSM7 else character.encode("utf-16-be", "replace")
