"""What the contract suites share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spool.store import Store
from tests.contracts.spool_examples import ENGINES, NOW_US, MakeStore


@pytest.fixture(params=ENGINES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Every engine in turn: makes the store as each new process would, over the same place."""
    return ENGINES[request.param](tmp_path)


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[Store]:
    """An open, empty store of every engine in turn."""
    store = make_store()
    await store.open(NOW_US)
    yield store
    await store.close()
