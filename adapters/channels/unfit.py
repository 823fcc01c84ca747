"""Why a JSON request can't be taken; raised below, made a reply in one place."""

from collections.abc import Iterable

from adapters.channels.json_bodies import Fault
from adapters.channels.problem import Code
from adapters.payment import Request


class Unfit(Exception):
    """A request that is not taken: its problem, the reason it is counted under, what is wrong with which field."""

    def __init__(
        self,
        reason: str,
        code: Code,
        detail: str = "",
        *,
        errors: Iterable[Fault] = (),
        headers: dict[str, str] | None = None,
        request: Request | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = headers
        #: The request, when it was understood and only the channel's rules are against it.
        self.request = request
