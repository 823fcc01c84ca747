"""`GET /v1/status`: is billing up, are payments provisional, and when is it away on purpose. Nothing secret, nothing of others."""

import hashlib
from typing import Final

import msgspec

from adapters.channel import Reply
from adapters.channels.json_bodies import StatusView

PATH: Final = "/v1/status"
MAX_AGE_S: Final = 5

_encode: Final = msgspec.json.Encoder().encode


def write_status(view: StatusView, known: str = "") -> Reply:
    """The answer; whoever asks may keep it for some seconds, and then ask whether it is still so.

    `known` is what he sent as `If-None-Match`: where that has it, he is told that nothing changed (RFC 9110, 13.1.2). The
    body of such an answer is not sent, and says how long it would be.
    """
    body = _encode(view)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": f"private, max-age={MAX_AGE_S}", "ETag": tag}
    return Reply(status=304 if _has(known, tag) else 200, content_type="application/json", body=body, headers=headers)


def _has(known: str, tag: str) -> bool:
    """Compared weakly, as that header is."""
    return known.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in known.split(",")}
