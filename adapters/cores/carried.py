"""Headers that go to a core along with what is asked now, for whoever follows a payment from outside.

Set around one question by who asks it; empty unless somebody follows.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

NOTHING: Final[Mapping[str, str]] = MappingProxyType[str, str]({})

carried: Final[ContextVar[Mapping[str, str]]] = ContextVar("carried", default=NOTHING)
