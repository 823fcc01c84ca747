"""Stand-in policies over loopback: shown, tried on what was taken, changed by two persons, kept over a restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import duties, policies
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from gateway.clock import SystemClock
from gateway.service import Service
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


async def run(house: House, folder: Path, role: str, verb: Any, *given: Any, **named: Any) -> int:
    """A verb's exit code; verbs block, so they run beside the loop that serves them."""
    token = folder / f"{role}.token"
    token.write_text(role)
    reach = Reach(url=f"http://127.0.0.1:{house.service.admin_listener.port}", token_file=token)
    code: int = await asyncio.to_thread(verb, reach, *given, json=False, **named)
    return code


@both_engines
async def test_a_policy_is_changed_by_two_and_outlives_the_service(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tried, proposed, confirmed, followed; and the log of acts has both persons."""
    for key in ("1", "2", "3"):
        await house.pay(key, account=key)
    file = tmp_path / "policy.toml"
    file.write_text('payment_max = "9.99"\n[[rules]]\naccounts = ["3"]\npayment_max = "10"\n')
    assert await run(house, tmp_path, "viewer", policies.try_out, "main", file, "", "") == Exit.DONE
    said = capsys.readouterr().out
    assert "tried on 3 payments" in said
    assert "payment_limit    2         20.00 RUB" in said

    assert await run(house, tmp_path, "operator", policies.propose, "main", file, "less risk at night") == Exit.DONE
    (waiting,) = (await house.get("/admin/v1/proposals"))["proposals"]
    await run(house, tmp_path, "approver", duties.decide, waiting["id"], "confirm", "agreed")

    shown = await house.get("/admin/v1/policies/main")
    assert (shown["source"], shown["standin"]["payment_max"]) == ("run_time", "9.99")
    (route,) = (await house.get("/admin/v1/status"))["routes"]
    assert (route["policy"], route["policy_changed"]) == (shown["version"], True)
    assert await run(house, tmp_path, "viewer", policies.show, "main") == Exit.DONE
    assert "changed at run time" in capsys.readouterr().out
    again = Service(house.service.config, SystemClock())
    await house.service.stop()
    await again.start()
    assert again.routes[0].standin.version == shown["version"]
    await again.stop()


async def test_a_policy_goes_back_to_the_configurations(house: House, tmp_path: Path) -> None:
    """By two as well."""
    file = tmp_path / "policy.toml"
    file.write_text("enabled = false\n")
    for given in (file, None):
        await run(house, tmp_path, "operator", policies.propose, "main", given, "a drill")
        (waiting,) = (await house.get("/admin/v1/proposals"))["proposals"]
        path = f"/admin/v1/proposals/{waiting['id']}/confirm"
        assert (await house.ask("POST", path, "approver", {"reason": "yes"}))[1]["stand"] == "done"
    assert (await house.get("/admin/v1/policies/main"))["source"] == "configuration"


async def test_a_change_of_what_was_changed_meanwhile_fails(house: House) -> None:
    """Two proposals over one policy: the second no longer says what it said."""
    for limit in ("1", "2"):
        await house.post("/admin/v1/policies/main", standin={"payment_max": limit})
    first, second = (await house.get("/admin/v1/proposals"))["proposals"]
    stands = [
        (await house.ask("POST", f"/admin/v1/proposals/{each['id']}/confirm", "approver", {"reason": "yes"}))[1][
            "stand"
        ]
        for each in (first, second)
    ]
    assert stands == ["done", "failed"]


@pytest.mark.parametrize(
    ("standin", "says"),
    [
        ({"payment_max": "1e5"}, "payment_max"),
        ({"payment_max": "1.005"}, "an amount is none of RUB"),
        ({"later": 1}, "later"),
        ({"channels": {"till": {}}}, "no channels of this route: till"),
        ({"rules": [{"channels": ["till"]}]}, "no channels of this route: till"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
    ],
)
async def test_a_policy_with_faults_is_not_proposed(house: House, standin: dict[str, Any], says: str) -> None:
    """The faults are named; nothing is."""
    status, problem = await house.ask("POST", "/admin/v1/policies/main", body={"reason": "r", "standin": standin})
    assert (status, problem["code"], says in problem["detail"]) == (400, "invalid", True)
    assert (await house.get("/admin/v1/proposals"))["proposals"] == []


async def test_there_is_no_policy_of_no_route(house: House, tmp_path: Path) -> None:
    """Nor one in a file that isn't TOML."""
    assert (await house.ask("GET", "/admin/v1/policies/other"))[0] == 404
    file = tmp_path / "policy.toml"
    file.write_text("no toml")
    with pytest.raises(Failure, match="can't be read as TOML"):
        await run(house, tmp_path, "operator", policies.propose, "main", file, "a drill")


@both_engines
async def test_a_trial_asks_for_accounts_where_its_terms_do(house: House) -> None:
    """Nobody is known here; what was taken in between doesn't matter."""
    await house.pay("1")
    body = {"standin": {"known_accounts_only": True}, "accepted_from": "2026-01-01T00:00:00Z"}
    _, told = await house.ask("POST", "/admin/v1/policies/main/try", body=body)
    assert set(told["outcomes"]) == {"unknown_account"}
    _, none = await house.ask(
        "POST", "/admin/v1/policies/main/try", body={**body, "accepted_before": "2026-01-02T00:00:00Z"}
    )
    assert (none["payments"], none["outcomes"], none["more"]) == (0, {}, False)
