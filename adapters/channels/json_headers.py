"""The request headers the JSON API knows: key, media type, preference, token."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from adapters.channels.problem import RULES, Code
from adapters.channels.unfit import Unfit
from adapters.payment import KEY_CHARS_MAX

_BARE: Final = re.compile(r"[!#-\[\]-~]{1,255}", re.ASCII).fullmatch
# A structured field's string (RFC 9651, 3.3.3), without the space: `"` and `\` come escaped.
_QUOTED: Final = re.compile(r'"(?:[!#-\[\]-~]|\\["\\])+"', re.ASCII).fullmatch
_ESCAPED: Final = re.compile(r"\\(.)")
_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([0-9]{1,5})"?\s*(?:$|[,;])', re.ASCII | re.IGNORECASE).search
_TOKEN: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]{1,512}=*)", re.ASCII).fullmatch
_JSON: Final = re.compile(r'application/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?', re.ASCII | re.IGNORECASE).fullmatch
_LINK: Final = {"Link": RULES}


def idempotency_key(headers: Mapping[str, str]) -> str:
    """The transaction key, quoted or bare: `"8e03"` and `8e03` are the same key.

    Source: draft-ietf-httpapi-idempotency-key-header, 2.1 (a structured field's string); bare is what clients send.

    Raises:
        Unfit: no key, more than one, or one that is not 1 to 255 visible ASCII characters.
    """
    sent = headers.get("Idempotency-Key")
    if not sent:
        raise Unfit("key", Code.KEY_MISSING, headers=_LINK)
    if _BARE(sent) is not None:
        return sent
    key = key_text(sent)
    if not key:
        detail = "it is given more than once, or holds a space" if ", " in sent else ""
        raise Unfit("key", Code.KEY_INVALID, detail, headers=_LINK)
    return key


def key_text(text: str) -> str:
    """The key in a header's or parameter's text; empty when it isn't one."""
    if _BARE(text) is not None:
        return text
    if _QUOTED(text) is None:
        return ""
    key = _ESCAPED.sub(r"\1", text[1:-1])
    return key if len(key) <= KEY_CHARS_MAX else ""


def require_json(headers: Mapping[str, str]) -> None:
    """Return if the body is said to be JSON in UTF-8, as it is.

    Raises:
        Unfit: another media type or charset, or a content encoding.
    """
    media = headers.get("Content-Type", "")
    if media != "application/json" and _JSON(media) is None:
        raise Unfit("media_type", Code.MEDIA_TYPE, headers={"Accept": "application/json"})
    if "Content-Encoding" in headers:
        raise Unfit("media_type", Code.MEDIA_TYPE, headers={"Accept-Encoding": "identity"})


def bearer_digest(header: str) -> bytes:
    """SHA-256 of the token in an Authorization header; empty when there is no bearer token in it (RFC 6750, 2.1)."""
    token = _TOKEN(header)
    return sha256(token.group(1).encode("ascii")).digest() if token is not None else b""


def token_digest(token: str) -> str:
    """What the configuration holds of a bearer token: its SHA-256 in lower-case hex.

    A plain hash is enough for what was drawn at random from at least 128 bits; it is no way to keep a password.
    """
    return sha256(token.encode("ascii")).hexdigest()


def preferred_wait_s(headers: Mapping[str, str]) -> int:
    """Seconds the client would rather wait than get a 409 (RFC 7240, 4.3: `Prefer: wait=10`); 0 when it didn't say."""
    text = headers.get("Prefer", "")
    found = _WAIT(text) if text else None
    return int(found.group(1)) if found is not None else 0
