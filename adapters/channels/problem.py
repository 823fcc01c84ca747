"""Problem details (RFC 9457): one table from a code to its status, title and whether it is final.

Nothing of a request is ever echoed. `final` is in every problem, so that no client has to guess from a status whether
asking again makes sense; a repeat that can't be read (400, 401, 413, 415) says nothing about an earlier request under
the same key.
"""

import enum
from collections.abc import Iterable
from typing import Final

import msgspec

from adapters.channel import Reply
from adapters.channels.json_bodies import Fault, Problem

CONTENT_TYPE: Final = "application/problem+json"
URN: Final = "urn:nightsafe:problem:"
RULES: Final = '</v1/openapi.json>; rel="describedby"'
"""Link to the published rules, sent with every problem about the key (Idempotency-Key draft, 2.7)."""

RETRY_AFTER_S: Final = 5
"""Said where the gateway has no better figure."""

_encode: Final = msgspec.json.Encoder().encode


class Code(enum.Enum):
    """Every problem there is: status, title, final."""

    MALFORMED = (400, "The body is not the JSON asked for", True)
    INVALID = (400, "A field is not as agreed", True)
    KEY_MISSING = (400, "Idempotency-Key is missing", True)
    KEY_INVALID = (400, "Idempotency-Key is not 1 to 255 visible ASCII characters", True)
    CARD_DATA = (400, "Card data is never taken", True)
    UNAUTHORISED = (401, "A known bearer token is needed", False)
    REFUSED = (402, "The payment is refused", True)
    FORBIDDEN = (403, "Not allowed to this channel", False)
    PAYMENT_NOT_FOUND = (404, "No such payment of this channel", True)
    NO_SUCH_PATH = (404, "No such resource", True)
    METHOD = (405, "The resource has no such method", True)
    IN_PROGRESS = (409, "The outcome is not known yet: ask again with the same key", False)
    TOO_LARGE = (413, "The body is too large", True)
    MEDIA_TYPE = (415, "Send application/json in UTF-8, not compressed", True)
    CONFLICT = (422, "The key is known with other content", True)
    TRY_LATER = (503, "Nothing was taken: send the same request later", False)

    def __init__(self, status: int, title: str, final: bool) -> None:  # noqa: FBT001 - a row of the table
        self.status = status
        self.title = title
        self.final = final

    @property
    def word(self) -> str:
        """The code as programs read it."""
        return self.name.lower()


def problem(
    code: Code,
    detail: str = "",
    *,
    errors: Iterable[Fault] = (),
    refusal: str = "",
    retry_after_s: int = 0,
    payment_id: str = "",
    headers: dict[str, str] | None = None,
) -> Reply:
    """The whole reply to a problem. `retry_after_s` 0 means the usual figure where asking again makes sense."""
    wait_s = 0 if code.final or code.status in (401, 403) else retry_after_s or RETRY_AFTER_S
    body = Problem(
        type=URN + code.word,
        title=code.title,
        status=code.status,
        code=code.word,
        final=code.final,
        detail=detail,
        refusal=refusal,
        retry_after=wait_s,
        payment_id=payment_id,
        errors=tuple(errors),
    )
    all_headers = dict(headers or {})
    if wait_s:
        all_headers["Retry-After"] = str(wait_s)
    return Reply(status=code.status, content_type=CONTENT_TYPE, body=_encode(body), headers=all_headers)
