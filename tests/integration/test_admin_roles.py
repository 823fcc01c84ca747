"""Every path of the admin side by everybody who may come: the table is made of what the service offers."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from gateway.admin.access.tokens import Right
from gateway.admin.offer import OFFER
from tests.integration.house import ROLES, House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAY: Final = {
    Right.READ: {"viewer", "operator", "approver", "auditor", "custodian"},
    Right.ACT: {"operator", "approver"},
    Right.CONFIRM: {"approver"},
    Right.KEYS: {"custodian"},
    Right.CORE: {"release"},
    Right.REVEAL: {"operator", "approver", "auditor"},
    Right.AUDIT: {"approver", "auditor"},
    Right.WITNESS: {"second"},
}
"""Who may what, written down a second time: who changes one table has to think twice."""

NAMED: Final = {
    "entry": "1",
    "act": "hold",
    "many": "hold",
    "name": "main",
    "number": "1",
    "key": "9",
    "fingerprint": "0" * 16,
    "verdict": "confirm",
    "steer": "open",
    "job": "pause",
    "peer": "second",
    "word": "drain",
}
"""Something for each part of a path."""

PATHS: Final = [
    (path.method, re.sub(r"\{(\w+)\}", lambda part: NAMED[part[1]], path.template), path.right) for path in OFFER
]

EVERYBODY: Final = (*ROLES, "release", "second")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """An open house; nothing here changes it."""
    folder: Path = tmp_path_factory.mktemp("roles")
    async with open_house(folder) as made:
        yield made


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(("method", "path", "right"), PATHS, ids=[f"{method} {path}" for method, path, _ in PATHS])
async def test_a_path_is_for_whom_it_is(house: House, method: str, path: str, right: Right, who: str) -> None:
    """Whose it isn't gets 403 before anything is looked at; whose it is gets any other answer but 401 and 500."""
    status, _ = await house.ask(method, path, who, {} if method == "POST" else None)
    allowed = {200, 400, 404, 409} if who in MAY[right] else {403}
    assert status in allowed


@pytest.mark.parametrize("who", sorted(MAY[Right.ACT]))
@pytest.mark.parametrize("path", [path for _, path, right in PATHS if right is Right.ACT and "/close" not in path])
async def test_who_acts_is_asked_for_a_reason(house: House, path: str, who: str) -> None:
    """Every act has one; without it nothing is done."""
    status, _ = await house.ask("POST", path, who, {})
    assert status == 400


@pytest.mark.parametrize("token", ["", "former"])
async def test_without_a_token_that_counts_nothing_is_shown_or_done(tmp_path: Path, token: str) -> None:
    """None, or one past its end: the same answer, which tells nothing; each is counted."""
    async with open_house(tmp_path) as house:
        statuses = [(await house.ask(method, path, token))[0] for method, path, _ in PATHS]
        assert set(statuses) == {401}
        why = {"": "missing", "former": "expired"}[token]
        assert f'nightsafe_admin_denied_total{{why="{why}"}} {len(statuses)}.0' in await house.get("/metrics")


@pytest.mark.parametrize("role", ROLES)
async def test_every_role_may_read_the_metrics(house: House, role: str) -> None:
    """Monitoring has the smallest one."""
    assert (await house.ask("GET", "/metrics", role))[0] == 200


async def test_who_tries_unknown_tokens_is_slowed_and_who_is_known_is_not(tmp_path: Path) -> None:
    """The first ten cost nothing; then nothing new from there is looked at, and who was let in before goes on."""
    async with open_house(tmp_path) as house:
        await house.get("/admin/v1/status")
        guesses = [(await house.ask(method, path, "nobody"))[0] for method, path, _ in PATHS]
        assert guesses == [401] * 11 + [429] * (len(PATHS) - 11)
        assert (await house.ask("GET", "/admin/v1/status", "viewer"))[0] == 429
        text = await house.get("/metrics")
        assert 'nightsafe_admin_denied_total{why="unknown"} 11.0' in text
