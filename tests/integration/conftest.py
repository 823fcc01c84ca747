"""The listener is tried on both event loops it may run on; everything else on the standard library's."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import pytest
import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

BOTH: Final[Mapping[str, LoopFactory]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ONE: Final[Mapping[str, LoopFactory]] = {"asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """What they do on a connection that is gone, or closing, is not the same."""
    del config
    return BOTH if item.path.name.startswith("test_listener") else ONE
