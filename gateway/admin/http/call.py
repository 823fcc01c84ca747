"""A request to the admin side, once it is known who asks."""

import msgspec

from gateway.admin.access.tokens import Person


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    person: Person
    #: What the path's pattern caught.
    parts: tuple[str, ...]
    query: str
    body: bytes
