"""A house has its spool where it was asked for: what the brain's tests show, they show of that engine."""

from pathlib import Path

import pytest

from spool.postgres import PostgresStore
from spool.sqlite import SqliteStore
from tests.integration.engine import ENGINES
from tests.integration.house import lived, open_house


@pytest.mark.parametrize(
    ("engine", "kind"), [("sqlite", SqliteStore), ("postgres", PostgresStore)], indirect=["engine"], ids=[*ENGINES]
)
async def test_a_house_is_on_the_engine_that_was_asked_for_and_so_is_its_next_life(
    tmp_path: Path, kind: type[SqliteStore | PostgresStore]
) -> None:
    """It finds there what the first one left."""
    async with open_house(tmp_path) as house:
        assert isinstance(house.service.spool.store, kind)
        number = int(await house.pay("1"))
    async with lived(tmp_path / "var/nightsafe.toml") as service:
        assert isinstance(service.spool.store, kind)
        assert await service.spool.store.get(number) is not None
