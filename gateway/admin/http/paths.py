"""What the admin side is asked for, as data: a method, a path with named parts, who may, who answers, with what shapes.

The same data finds who answers a request, writes the description (OpenAPI) and makes the test of every path by every
role. A path is written as people write it, `/admin/v1/entries/{entry}/{act}`; what each part may be stands here once.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.admin.access.tokens import Right
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble

if TYPE_CHECKING:
    from gateway.admin.parts import Parts

PARTS: Final[Mapping[str, str]] = {
    "entry": "[0-9a-fA-F-]{1,36}",
    "act": "hold|release|inquire|retry",
    "many": "hold|release|inquire|retry|reopen",
    "name": "[A-Za-z0-9_.-]{1,64}",
    "number": "[0-9]{1,19}",
    "key": "[0-9]{1,10}",
    "fingerprint": "[0-9a-f]{16}",
    "verdict": "confirm|decline",
    "steer": "open|close|auto",
    "job": "pause|resume|stop",
    "peer": "[a-z0-9][a-z0-9_-]{0,62}",
    "word": "drain|maintenance|back",
}
"""What a named part of a path may be: a regular expression."""

_PART: Final = re.compile(r"\{([a-z]+)\}")

Handler = Callable[["Parts", Call], Awaitable[Any]]


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that may be asked for."""

    method: str
    #: As people write it, with its parts in braces.
    template: str
    right: Right
    handler: Handler
    #: In one line.
    summary: str
    #: Shape of the answer ...
    answer: type
    #: ... and of the body; None where there is none.
    body: type | None = None
    #: Parameters of the query string.
    query: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its parts, in order."""
        return tuple(_PART.findall(self.template))


class Paths:
    """All there is to ask for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Know these; where two would match, the first does."""
        self._known = [(re.compile(_pattern(path)), path) for path in paths]

    def __iter__(self) -> Iterator[Path]:
        return (path for _, path in self._known)

    def find(self, method: str, asked: str) -> tuple[Path, tuple[str, ...]]:
        """What a method and a path ask for, and the path's parts.

        Raises:
            Trouble: there is no such path, or it has no such method.
        """
        allowed = list[str]()
        for pattern, path in self._known:
            caught = pattern.fullmatch(asked)
            if caught is None:
                continue
            if path.method == method:
                return path, caught.groups()
            allowed.append(path.method)
        if allowed:
            raise Trouble(Code.METHOD, headers={"Allow": ", ".join(allowed)})
        raise Trouble(Code.NO_SUCH_PATH)


def _pattern(path: Path) -> str:
    """The regular expression of a path: its plain text escaped, each part as it may be."""
    pieces = _PART.split(path.template)
    return "".join(f"({PARTS[piece]})" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
