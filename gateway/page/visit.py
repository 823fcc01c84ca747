"""A request to the page, once it is known who asks, and what may come of it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.admin.access.tokens import Right, may
from gateway.page.look import Look
from gateway.page.sessions import Session


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One request."""

    session: Session
    look: Look
    path: str
    #: What the path's pattern caught.
    parts: tuple[str, ...]
    query: str
    #: What was sent by a form; empty for a look.
    form: Mapping[str, str] = {}

    def can(self, right: str) -> bool:
        """May this person do it?"""
        return may(self.session.person, Right(right))


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page to be shown: a template and what it is filled with."""

    template: str
    fields: Mapping[str, Any] = {}
    status: int = 200


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """Go on at another page, where something is said once."""

    path: str
    said: str = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A page to be kept as a file, under a name of letters, digits, dots and dashes."""

    name: str
    text: str
