"""The listener is tried on both event loops it may run on, some houses on both engines; everything else on the usual one."""

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Final

import pytest
import uvloop

from tests.integration.engine import USUAL, VARIABLE

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

BOTH: Final[Mapping[str, LoopFactory]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
ONE: Final[Mapping[str, LoopFactory]] = {"asyncio": asyncio.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """What they do on a connection that is gone, or closing, is not the same."""
    del config
    return BOTH if item.path.name.startswith("test_listener") else ONE


@pytest.fixture(autouse=True)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a house's spool is on: what `both_engines` says, or the run."""
    monkeypatch.setenv(VARIABLE, getattr(request, "param", os.environ.get(VARIABLE, USUAL)))
