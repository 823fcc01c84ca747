"""A custodian over loopback: keys are shown, changed and destroyed in a running service, and who did it stands in its log."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from spool.evidence.records import ProvenAct
from tests.integration.house import ROLES, House, Told, open_house

CHANGING: Final[list[tuple[str, dict[str, Any]]]] = [
    ("/admin/v1/keys/rotate", {}),
    ("/admin/v1/keys/rewrap", {}),
    ("/admin/v1/keys/1/destroy", {}),
    ("/admin/v1/keys/masters/local:0123456789abcdef/drop", {}),
]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    async with open_house(tmp_path) as made:
        yield made


async def change(house: House, path: str, **body: Any) -> Told:
    """What a custodian is told."""
    return await house.ask("POST", f"/admin/v1/keys{path}", "custodian", {"reason": "the yearly change", **body})


async def acts(house: House) -> list[ProvenAct]:
    """What the evidence says was done."""
    async with house.service.shelf.records() as records:
        return await records.acts(0, 100)


@pytest.mark.parametrize("role", [role for role in ROLES if role != "custodian"])
async def test_keys_are_the_custodians_alone(house: House, role: str) -> None:
    """Who moves money does not hold the keys, and the other way round."""
    told = [await house.ask("POST", path, role, {"reason": "x", **body}) for path, body in CHANGING]

    assert [status for status, _ in told] == [403] * len(CHANGING)


async def test_every_change_of_keys_has_a_reason(house: House) -> None:
    """Without one nothing is done."""
    told = [await house.ask("POST", path, "custodian", body) for path, body in CHANGING]

    assert [status for status, _ in told] == [400] * len(CHANGING)


async def test_a_rotation_is_shown_and_told(house: House) -> None:
    """What was sealed before is opened by the verification; who did it and why is in the evidence."""
    await house.pay("1")

    status, shown = await change(house, "/rotate")

    assert status == 200
    assert [(key["id"], key["seals"]) for key in shown["data_keys"]] == [(1, False), (2, True)]
    await house.pay("2")
    verdict = await verified(house)
    assert (verdict["ok"], verdict["opened"]) == (True, 2)
    (done,) = [each.act for each in await acts(house) if each.act.name == "data_key_made"]
    assert (done.subject, done.actor, done.note) == ("2", "custodian", "the yearly change")


async def verified(house: House) -> Any:
    """What a verification of all seals finds."""
    status, verdict = await house.ask("POST", "/admin/v1/verify", "viewer", {"seals": True})
    assert status == 200
    return verdict


async def test_a_new_index_key_comes_with_a_new_data_key(house: House) -> None:
    """A repeat of a payment of before is known."""
    number = await house.pay("1")

    _, shown = await change(house, "/rotate", key="index")

    assert [(key["id"], key["hashes"]) for key in shown["index_keys"]] == [(1, False), (2, True)]
    assert len(shown["data_keys"]) == 2
    assert await house.pay("1") == number


async def test_after_a_new_index_key_accounts_are_counted_with_a_warning(house: House) -> None:
    """One that was noted before and after stands under two hashes, and nobody can tell that they are one account."""
    noted = {"route": "main", "as": "known", "accounts": ["79160000001"]}
    await house.post("/admin/v1/accounts/note", **noted)
    before = await house.get("/admin/v1/accounts")
    await change(house, "/rotate", key="index")
    await house.post("/admin/v1/accounts/note", **noted)
    after = await house.get("/admin/v1/accounts")

    assert before == {"known": 1, "denied": 0, "at_most": False}
    assert after == {"known": 2, "denied": 0, "at_most": True}


async def test_a_new_master_wraps_all_keys_and_the_old_one_is_dropped(house: House) -> None:
    """The order of a leaked master key, but for sealing anew."""
    _, before = await house.ask("GET", "/admin/v1/keys", "custodian")
    (old,) = before["masters"]
    status, problem = await change(house, f"/masters/{old}/drop")
    assert (status, problem["code"]) == (409, "keys_refused")
    assert problem["detail"].startswith(f"2 keys are wrapped by {old}: wrap them anew first")

    _, shown = await change(house, "/rotate", key="master")
    status, dropped = await change(house, f"/masters/{old}/drop")

    assert (status, dropped["masters"]) == (200, shown["masters"])
    assert old not in shown["masters"]
    status, problem = await change(house, f"/masters/{old}/drop")
    assert (status, problem["code"]) == (409, "keys_refused")
    names = [each.act.name for each in await acts(house) if each.act.actor == "custodian"]
    assert names == ["keys_rewrapped", "master_dropped"]


async def test_keys_are_wrapped_anew_when_asked(house: House) -> None:
    """By the master there is."""
    before = house.service.keeper.kept

    status, shown = await change(house, "/rewrap")

    assert (status, shown["masters"]) == (200, before.masters)
    assert house.service.keeper.kept.serving.wrapped != before.serving.wrapped


async def test_a_destroyed_key_takes_the_content_of_its_payments_along(house: House) -> None:
    """What is left is shown with what was paid and what became of it, and says what is gone."""
    number = await house.pay("1")
    await house.until_state(number, "posted")
    await change(house, "/rotate")

    status, told = await change(house, "/1/destroy")

    assert (status, told) == (200, {"key": 1, "entries": 1})
    shown = await house.get(f"/admin/v1/entries/{number}")
    assert (shown["entry"]["amount"], shown["entry"]["state"], shown["content"]) == ("10.00", "posted", "destroyed")
    verdict = await verified(house)
    assert (verdict["ok"], verdict["shredded"]) == (True, 1)
    assert await house.pay("1") == number
    _, keys = await house.ask("GET", "/admin/v1/keys", "custodian")
    assert [bool(key["destroyed"]) for key in keys["data_keys"]] == [True, False]


@pytest.mark.parametrize(
    ("path", "words"),
    [("/1/destroy", "key 1 seals what comes in: rotate first"), ("/9/destroy", "there is no key 9")],
)
async def test_what_cannot_be_done_to_keys_is_a_conflict(house: House, path: str, words: str) -> None:
    """With the reason."""
    status, problem = await change(house, path)

    assert (status, problem["code"], problem["detail"]) == (409, "keys_refused", words)


async def test_a_key_that_a_waiting_payment_needs_is_not_destroyed(house: House) -> None:
    """However often somebody asks."""
    await house.post("/admin/v1/routes/main/open")
    await house.pay("1")
    await change(house, "/rotate")

    status, problem = await change(house, "/1/destroy")

    assert (status, problem["detail"]) == (409, "key 1 is not destroyed: 1 of its 1 entries still wait")


async def test_somebody_else_who_changed_the_store_wins(house: House) -> None:
    """Whoever was slower looks again, and finds theirs in use."""
    file, kept = house.service.keeper._chest.file, house.service.keeper.kept
    file.change(kept, kept)

    status, problem = await change(house, "/rotate")
    assert (status, problem["code"]) == (409, "keys_changed")

    assert (await change(house, "/rotate"))[0] == 200


async def test_a_key_file_that_is_gone_is_told(house: House) -> None:
    """While it runs, it runs; a start would fail, and the status says so."""
    os.unlink(house.service.config.spool.key_file)  # noqa: PTH108 - in one moment, in a coroutine

    status, problem = await change(house, "/rewrap")
    await house.service.keeper.run_once()

    assert (status, problem["code"]) == (409, "keys_refused")
    custody = (await house.get("/admin/v1/status"))["custody"]
    assert "there is no key file" in custody["trouble"]
    assert "nightsafe_keys_trouble 1.0" in await house.get("/metrics")
    await house.pay("1")


async def test_a_spool_that_takes_nothing_leaves_it_open_whether_keys_changed(house: House) -> None:
    """The key store may have the new key, which is taken into use as soon as the spool is back."""
    await house.service.spool.store.close()

    status, problem = await change(house, "/rotate")

    assert (status, problem["code"]) == (503, "uncertain")
