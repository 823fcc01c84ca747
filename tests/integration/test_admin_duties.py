"""What waits for a person, over loopback: returns due, ending by hand, and the second person who confirms."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.cli import duties
from gateway.cli.exits import Exit
from gateway.cli.options import Reach
from tests.integration.engine import both_engines
from tests.integration.house import House, open_house

ALONE: Final = '[admin.second_person]\nclose_alone_max = "10"\n'
"""Payments of 10.00, which the house takes, one person may close."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house in which every close takes two."""
    async with open_house(tmp_path) as made:
        yield made


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[House]:
    """An open house in which one may close what it takes."""
    async with open_house(tmp_path, ALONE) as made:
        yield made


async def held(house: House, key: str = "1") -> str:
    """A payment told provisional and stopped by a person."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay(key)
    await house.post(f"/admin/v1/entries/{number}/hold")
    return number


async def close(house: House, number: str, ending: str, **more: Any) -> tuple[int, Any]:
    """Close an entry as the operator."""
    body = {"as": ending, "evidence": "statement 17", **more}
    return await house.ask("POST", f"/admin/v1/entries/{number}/close", body=body)


@both_engines
async def test_a_refused_payment_owes_its_money_until_it_is_returned(alone: House) -> None:
    """The whole story: told provisional, refused, owed, returned; and the books hold at every moment."""
    number = await held(alone)
    status, told = await close(alone, number, "refused")
    assert (status, told["done"], told["entry"]["entry"]["state"]) == (200, True, "refused")
    (owed,) = (await alone.get("/admin/v1/returns"))["returns"]
    assert (owed["entry"]["number"], owed["stage"]) == (number, "due")
    (shown,) = (await alone.get("/admin/v1/status"))["returns"]
    assert (shown["route"], shown["due"]) == ("main", [{"currency": "RUB", "entries": 1, "amount": "10.00"}])
    metrics = await alone.get("/metrics")
    assert 'nightsafe_returns_due{channel="kiosk",currency="RUB",route="main"} 1.0' in metrics
    assert 'nightsafe_returns_stage{route="main",stage="due"} 1.0' in metrics

    status, told = await close(alone, number, "returned")

    assert (status, told["entry"]["entry"]["state"], told["entry"]["may"]) == (200, "returned", [])
    last = told["entry"]["history"][-1]
    assert (last["name"], last["actor"], last["note"]) == ("close_returned", "operator", "statement 17")
    assert (await alone.get("/admin/v1/returns")) == {"returns": [], "more": False}
    assert (await alone.get("/admin/v1/status"))["returns"] == []
    assert 'nightsafe_returns_stage{route="main",stage="due"} 0.0' in await alone.get("/metrics")
    assert (await alone.ask("POST", "/admin/v1/verify", body={"seals": True}))[1]["ok"]


async def test_a_close_waits_for_a_second_person_who_is_an_approver(house: House) -> None:
    """Nothing changes until he has confirmed; both stand in the history."""
    number = await held(house)
    status, told = await close(house, number, "posted", core_id="B-17")
    proposal = told["proposal"]
    assert "nightsafe_proposals_waiting 1.0" in await house.get("/metrics")
    assert (status, told["done"], proposal["maker"], proposal["stand"]) == (200, False, "operator", "open")
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "held"
    assert (await house.get("/admin/v1/proposals"))["proposals"] == [proposal]
    assert (await house.get("/admin/v1/status"))["proposals"] == 1
    confirm = f"/admin/v1/proposals/{proposal['id']}/confirm"
    assert (await house.ask("POST", confirm, "operator", {"reason": "I looked"}))[0] == 403

    status, told = await house.ask("POST", confirm, "approver", {"reason": "I looked"})

    assert (status, told["stand"], told["outcome"]) == (200, "done", f"payment {number} is posted")
    shown = await house.get(f"/admin/v1/entries/{number}")
    assert (shown["entry"]["state"], shown["entry"]["core_id"]) == ("posted", "B-17")
    assert shown["history"][-1]["actor"] == "operator+approver"
    assert (await house.get("/admin/v1/proposals"))["proposals"] == []
    assert (await house.get("/admin/v1/proposals/all"))["proposals"] == [told]


async def test_an_approver_does_not_confirm_his_own_proposal(house: House) -> None:
    """Maker and checker differ, whatever their roles."""
    number = await held(house)
    body = {"as": "returned", "evidence": "statement 17"}
    _, told = await house.ask("POST", f"/admin/v1/entries/{number}/close", "approver", body)
    path = f"/admin/v1/proposals/{told['proposal']['id']}"

    status, problem = await house.ask("POST", f"{path}/confirm", "approver", {"reason": "me"})

    assert (status, problem["code"]) == (409, "undecidable")
    status, after = await house.ask("POST", f"{path}/withdraw", "approver", {"reason": "a slip"})
    assert (status, after["stand"]) == (200, "withdrawn")


async def test_what_changed_since_it_was_proposed_is_not_closed(house: House) -> None:
    """Two persons agreed about something that is no longer so."""
    number = await held(house)
    _, told = await close(house, number, "refused")
    await house.post(f"/admin/v1/entries/{number}/release")

    path = f"/admin/v1/proposals/{told['proposal']['id']}/confirm"
    status, after = await house.ask("POST", path, "approver", {"reason": "yes"})

    assert (status, after["stand"]) == (200, "failed")
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "ready"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"as": "lost", "evidence": "x"}, 400, "invalid"),
        ({"as": "posted"}, 400, "invalid"),
        ({"as": "posted", "evidence": "a\nb"}, 400, "invalid"),
        ({"as": "posted", "evidence": "x", "core_id": "\u0431"}, 400, "invalid"),
        ({"as": "posted", "evidence": "x"}, 409, "wrong_state"),
    ],
)
async def test_a_close_that_makes_no_sense_changes_nothing(
    house: House, body: dict[str, str], status: int, code: str
) -> None:
    """The last one is of a payment that is on its way by itself."""
    await house.post("/admin/v1/routes/main/open", **{"for": 600})
    number = await house.pay("1")
    answered, problem = await house.ask("POST", f"/admin/v1/entries/{number}/close", body=body)
    assert (answered, problem["code"]) == (status, code)
    assert (await house.get(f"/admin/v1/entries/{number}"))["entry"]["state"] == "ready"


@pytest.mark.parametrize("role", ["viewer", "operator", "auditor", "custodian"])
async def test_only_approvers_confirm_and_decline(house: House, role: str) -> None:
    """Before anything else is looked at."""
    paths = [f"/admin/v1/proposals/1/{verdict}" for verdict in ("confirm", "decline")]
    assert [(await house.ask("POST", path, role))[0] for path in paths] == [403, 403]


async def test_a_proposal_that_is_not_there_is_not_found(house: House) -> None:
    """Nor anything else that isn't asked for as it should be."""
    body = {"reason": "yes"}
    assert (await house.ask("POST", "/admin/v1/proposals/1/confirm", "approver", body))[1]["code"] == "no_such_proposal"
    assert (await house.ask("GET", "/admin/v1/returns?channel=kiosk"))[0] == 400
    assert (await house.ask("GET", "/admin/v1/proposals/all?before=1"))[0] == 400


@both_engines
async def test_what_waits_behind_a_closed_payment_goes_on(alone: House) -> None:
    """Its lane is free."""
    number = await held(alone)
    later = await alone.pay("2")
    await alone.post("/admin/v1/routes/main/auto")
    await alone.post("/admin/v1/routes/main/close", **{"for": 600})

    await close(alone, number, "refused")

    await alone.until_state(later, "posted")


# The same verbs by the command line


async def on_command_line(house: House, folder: Path, role: str, verb: Any, *given: Any, **named: Any) -> int:
    """A verb's exit code, as the person with this role's token; verbs block, so they run beside the loop that serves them."""
    token = folder / f"{role}.token"
    token.write_text(role)
    url = f"http://127.0.0.1:{house.service.admin_listener.port}"
    reach = Reach(url=url, token_file=token)
    code: int = await asyncio.to_thread(verb, reach, *given, json=False, **named)
    return code


async def test_the_verbs_say_what_they_did(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Propose, list, confirm, list what is owed, and return it."""
    number = await held(house)

    async def run(role: str, verb: Any, *given: Any, **named: Any) -> tuple[int, str]:
        code = await on_command_line(house, tmp_path, role, verb, *given, **named)
        lines = capsys.readouterr().out.splitlines()
        said = [line for line in lines if "[info " not in line and "[warning " not in line]
        return code, "\n".join(said)

    capsys.readouterr()
    code, said = await run("operator", duties.close, [number], "refused", "statement 17", "")
    assert code == Exit.DONE
    proposal = said.split()[2]
    assert said.startswith(f"{number}: proposal {proposal} waits for a second person")
    code, said = await run("operator", duties.proposals, "", everything=False)
    assert (code, f"close payment {number} (10.00 RUB, kiosk, held, by_hand) as refused" in " ".join(said.split())) == (
        Exit.DONE,
        True,
    )
    assert (await run("viewer", duties.returns, ""))[0] == Exit.NO
    code, said = await run("approver", duties.decide, proposal, "confirm", "I looked")
    assert (code, said) == (Exit.DONE, f"{proposal} is done: payment {number} is refused")
    code, said = await run("viewer", duties.returns, "main")
    assert (code, number in said, "due" in said) == (Exit.DONE, True, True)
    code, said = await run("operator", duties.close, [number, "17"], "returned", "transfer 3", "")
    assert code == Exit.NO
    assert said.startswith(f"{number}: proposal ")
