"""What is set while the service runs (policies, planned windows, proposals), as evidence: what is kept is what was set last.

Such a value is kept by `Store.exchange`. The same commit tells the log of it by an act, with the value's SHA-256; who did it
and why is told by an act of his own. A value that was edited, put back to an older one or taken out behind the log's back
doesn't fit the last act of its name; and of the names below none is there without an act.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from spool.entry import Act

GONE: Final = "gone/"
"""Beginning of names that tell what was forgotten (`spool.evidence.gone`)."""

SETTINGS: Final = (GONE, "job/", "plan/", "policy/", "proposal/")
"""Beginnings of names whose values are never kept in another way."""

SET: Final = "set"
"""The act's name."""


def setting(name: str, value: bytes, at_us: int) -> Act:
    """The act by which a value is kept."""
    return Act(at_us=at_us, name=SET, subject=name, detail=digest_of(value))


def digest_of(value: bytes) -> str:
    """A value's SHA-256, as the log tells it."""
    return hashlib.sha256(value).hexdigest()


def is_setting(name: str) -> bool:
    """Is a value of this name certainly one that the log tells of?"""
    return name.startswith(SETTINGS)


def forged(told: Mapping[str, str], kept: Mapping[str, str]) -> list[str]:
    """Names of values that aren't what was told of them last: by name, the SHA-256 told, and that of what is kept."""
    return sorted(name for name in {*told, *kept} if told.get(name) != kept.get(name))
