"""`GET /v1/returns`: the payments whose money a channel has to give back, for its reconciliation. Nothing of others, no account."""

import re
from typing import Final

import msgspec

from adapters.channel import Inbound, Reply
from adapters.channels.form import BadForm, read_form
from adapters.channels.json_bodies import PLACE_PATTERN, ReturnsView
from adapters.channels.problem import Code, problem

PATH: Final = "/v1/returns"
PAGE_RETURNS: Final = 100
"""Most that one page shows."""

_encode: Final = msgspec.json.Encoder().encode
_place: Final = re.compile(PLACE_PATTERN, re.ASCII).fullmatch


class NotAsked(ValueError):
    """It can't be read what is asked for; `reply` says what is wrong."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("not as agreed")
        self.reply = reply


def read_place(inbound: Inbound) -> tuple[int, int] | None:
    """Behind which place the page begins: when a payment was refused, microseconds since 1970, and its number; or from the first.

    Raises:
        NotAsked: another method, or a query that is none.
    """
    if inbound.method != "GET":
        raise NotAsked(problem(Code.METHOD, headers={"Allow": "GET"}))
    try:
        parameters = read_form(inbound.query)
    except BadForm as bad:
        raise NotAsked(problem(Code.INVALID, str(bad))) from None
    if not parameters:
        return None
    match = _place(parameters.get("after", ""))
    if match is None or len(parameters) != 1 or int(match[2]) >= 2**63:
        raise NotAsked(problem(Code.INVALID, "ask with ?after= and the `next` of the page before, or without"))
    return int(match[1]), int(match[2])


def write_place(refused_at_us: int, number: int) -> str:
    """A place as `next` says it."""
    return f"{refused_at_us}-{number}"


def write_returns(view: ReturnsView) -> Reply:
    """The answer. It is nobody's to keep: what it shows may go back at any time."""
    return Reply(status=200, content_type="application/json", body=_encode(view), headers={"Cache-Control": "no-store"})
