"""`GET /v1/status`: is billing up, are payments provisional, and when is it away on purpose. Nothing secret, nothing of others."""

from typing import Final

import msgspec

from adapters.channel import Reply
from adapters.channels.json_bodies import StatusView

PATH: Final = "/v1/status"
MAX_AGE_S: Final = 5

_HEADERS: Final = {"Cache-Control": f"private, max-age={MAX_AGE_S}"}
_encode: Final = msgspec.json.Encoder().encode


def write_status(view: StatusView) -> Reply:
    """The answer; whoever asks may keep it for some seconds."""
    return Reply(status=200, content_type="application/json", body=_encode(view), headers=_HEADERS)
