"""Planned windows on real sockets: added, entered, told to channels, cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.cores.scripted.faults import FaultKind
from gateway.cli import windows
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from gateway.clock import SystemClock
from tests.integration.engine import both_engines
from tests.integration.house import WAIT_S, House, open_house

TRIED_SOON: Final = """
[routes.main.breaker]
open_for_s = 0.1
probe_interval_s = 0.1
trial_pause_s = 0.01
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


def now() -> datetime:
    """The service's time."""
    return datetime.fromtimestamp(SystemClock().now_us() // 1_000_000, UTC)


async def told(house: House, folder: Path, method: str = "GET", query: str = "") -> tuple[int, Any, str]:
    """What a bank is told of billing: status, body, and how long it may be kept."""
    token = (folder / "var/secrets/bank.token").read_text().strip()
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/v1/status{query}"
    async with house.client.request(method, url, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers.get("Cache-Control", "")


async def run(house: House, folder: Path, verb: Any, *given: Any, **named: Any) -> int:
    """A verb's exit code; verbs block, so they run beside the loop that serves them."""
    token = folder / "operator.token"
    token.write_text("operator")
    reach = Reach(url=f"http://127.0.0.1:{house.service.admin_listener.port}", token_file=token)
    code: int = await asyncio.to_thread(verb, reach, *given, json=False, **named)
    return code


@both_engines
async def test_a_window_is_planned_entered_told_and_cancelled(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command line; and the bank sees it coming, in it, and gone."""
    assert (await told(house, tmp_path))[1]["services"][0]["billing"] == "up"
    begins = (now() - timedelta(minutes=1)).replace(tzinfo=None).isoformat()
    given = {"route": "main", "time_zone": "UTC", "rule": "FREQ=DAILY", "lead": "5m"}
    assert await run(house, tmp_path, windows.add, begins, "1h", "an upgrade", **given) == Exit.DONE
    assert await run(house, tmp_path, windows.list_windows) == Exit.DONE
    assert "FREQ=DAILY" in capsys.readouterr().out
    status, body, kept = await told(house, tmp_path)
    (line,) = body["services"]
    assert (status, kept, line["billing"]) == (200, "private, max-age=5", "maintenance")
    assert (line["payments"], len(line["planned"])) == ("provisional", 5)
    await house.pay("1")
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert (route["zone"], route["forced"]["actor"], bool(route["window_until"])) == ("open", "window", True)
    assert 'nightsafe_window_active{route="main"} 1.0' in await house.get("/metrics")
    (planned,) = (await house.get("/admin/v1/windows"))["windows"]

    assert await run(house, tmp_path, windows.cancel, planned["id"], "it is done") == Exit.DONE

    assert (await house.get("/admin/v1/windows")) == {"windows": []}
    assert await run(house, tmp_path, windows.list_windows) == Exit.DONE
    async with asyncio.timeout(WAIT_S):
        while (await told(house, tmp_path))[1]["services"][0]["billing"] == "maintenance":
            pass


async def test_a_window_is_entered_ahead_and_its_overrun_lasts_until_the_core_is_back(tmp_path: Path) -> None:
    """The route opens before the window begins; when it is over and billing isn't back, that is said, and said no more."""
    async with open_house(tmp_path, TRIED_SOON) as house:
        house.service.plan.back_within_us = 0
        house.core.control.outage(FaultKind.REFUSE)
        begins = (now() + timedelta(seconds=8)).replace(tzinfo=None).isoformat()
        plan = {"route": "main", "begins": begins, "time_zone": "UTC", "duration_s": 1, "lead_s": 3600}
        await house.post("/admin/v1/windows", **plan)
        ahead = await shown(house, lambda route: route["window_until"] and route["forced"])
        assert (ahead["zone"], ahead["forced"]["actor"], now().isoformat() < begins) == ("open", "window", True)
        numbers = [await house.pay(str(key), account=f"1{key}") for key in range(3)]
        late = await shown(house, lambda route: route["overrun_since"])
        assert (late["window_until"], late["zone"] in ("open", "trial")) == ("", True)
        house.core.control.clear()
        await shown(house, lambda route: not route["overrun_since"])
        for number in numbers:
            await house.until_state(number, "posted")


@both_engines
async def test_a_window_holds_to_its_end_by_whatever_words(tmp_path: Path) -> None:
    """A person's word that opened the route ends within it; then the window's, for as long as a word may hold; then anew."""
    async with open_house(tmp_path, TRIED_SOON + "forced_max_s = 2\n") as house:
        await house.post("/admin/v1/routes/main/open", **{"for": 2})
        begins = (now() - timedelta(minutes=1)).replace(tzinfo=None).isoformat()
        plan = {"route": "main", "begins": begins, "time_zone": "UTC", "duration_s": 3600}
        await house.post("/admin/v1/windows", **plan)
        first = await shown(house, lambda route: route["forced"] and route["forced"]["actor"] == "window")
        later = await shown(
            house, lambda route: (route["forced"] or first["forced"])["until"] > first["forced"]["until"]
        )
        assert (later["zone"], later["forced"]["actor"]) == ("open", "window")


async def shown(house: House, true: Callable[[Any], Any]) -> Any:
    """The route, as status shows it once it is so."""
    async with asyncio.timeout(WAIT_S):
        while not true(route := (await house.get("/admin/v1/status"))["routes"][0]):
            pass
    return route


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"begins": "tonight", "duration_s": 60}, 400, "invalid"),
        ({"begins": "2020-01-01T00:00:00", "duration_s": 60}, 400, "invalid"),
        ({"begins": "2126-01-01T00:00:00", "duration_s": 60, "rule": "FREQ=HOURLY"}, 400, "invalid"),
        ({"begins": "2126-01-01T00:00:00", "duration_s": 60, "route": "other"}, 404, "no_such_route"),
    ],
)
async def test_a_window_that_makes_no_sense_is_not_planned(
    house: House, body: dict[str, Any], status: int, code: str
) -> None:
    """It says why."""
    answered, problem = await house.ask("POST", "/admin/v1/windows", body={"reason": "r", **body})
    assert (answered, problem["code"]) == (status, code)
    assert (await house.ask("POST", "/admin/v1/windows/1/cancel", body={"reason": "r"}))[1]["code"] == "no_such_window"


async def test_who_has_no_token_is_told_nothing_of_billing(house: House, tmp_path: Path) -> None:
    """Nor who asks in another way."""
    async with house.client.get(f"http://127.0.0.1:{house.service.channel_listener.port}/v1/status") as answer:
        assert answer.status == 401
    assert [(await told(house, tmp_path, *how))[0] for how in (("POST",), ("GET", "?a=1"))] == [405, 400]


@both_engines
async def test_a_status_that_is_still_so_is_not_sent_again(house: House, tmp_path: Path) -> None:
    """Many channels ask every few seconds; what changed is sent."""
    token = (tmp_path / "var/secrets/bank.token").read_text().strip()
    url = f"http://127.0.0.1:{house.service.channel_listener.port}/v1/status"
    asks = {"Authorization": f"Bearer {token}"}
    async with house.client.get(url, headers=asks) as answer:
        tag, body = answer.headers["ETag"], await answer.read()
    for known in (tag, f'"other", W/{tag}', "*"):
        async with house.client.get(url, headers={**asks, "If-None-Match": known}) as answer:
            assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, tag, b"")
            assert answer.headers["Cache-Control"] == "private, max-age=5"
            assert answer.headers["Content-Length"] == str(len(body))
    await house.post("/admin/v1/routes/main/open", **{"for": 60})
    async with house.client.get(url, headers={**asks, "If-None-Match": tag}) as answer:
        assert (answer.status, (await answer.json())["services"][0]["billing"]) == (200, "down")
        assert answer.headers["ETag"] != tag
