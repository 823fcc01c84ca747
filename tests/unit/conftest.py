"""What the unit tests share."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.clock import settle
from tests.unit.heart import Heart, OpenHeart, make


@pytest.fixture
async def open_heart() -> AsyncIterator[OpenHeart]:
    """Opens hearts of the gateway (see `heart.make`), and puts away what is left of them."""
    opened = list[Heart]()

    async def open_one(*how: Any, **changes: Any) -> Heart:
        heart = make(*how, **changes)
        opened.append(heart)
        await heart.open()
        return heart

    yield open_one
    for heart in opened:
        await heart.crash()
        await settle()


@pytest.fixture
async def heart(open_heart: OpenHeart) -> Heart:
    """A heart at level A with the usual settings."""
    return await open_heart()
