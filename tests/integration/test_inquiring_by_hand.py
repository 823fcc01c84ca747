"""A person has billing asked what became of payments: by the admin API, the command and the page, on one node and on two."""

import asyncio
from pathlib import Path
from typing import Any, Final

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation
from tests.contracts.postgres_server import SHARED
from tests.integration.command import nightsafe
from tests.integration.house import House, open_house
from tests.integration.postgres_house import open_nodes
from tests.integration.reader import Reader
from tests.integration.test_admin_jobs import until

BOOKS_IN_SILENCE: Final = Fault(kind=FaultKind.RESET_AFTER, operation=Operation.PAY)
ONE_DEAR: Final = '[admin.second_person]\nact_alone_max = "9.99"\n'


def level_b(text: str) -> str:
    """Billing that can be asked, and is so after an hour by itself."""
    return text.replace('level = "A"', 'level = "B"\nsettle_delay_s = 3600')


def level_c(text: str) -> str:
    """Billing that can't be asked."""
    return text.replace('level = "A"', 'level = "C"\nlookup = false')


async def unheard(house: House, *keys: str, state: str = "in_doubt") -> list[str]:
    """Payments, taken in its place, that billing booked and said nothing of."""
    house.core.control.set(BOOKS_IN_SILENCE)
    await house.post("/admin/v1/routes/main/open")
    numbers = [await house.pay(key, f"{key}00") for key in keys]
    await house.post("/admin/v1/routes/main/close")
    await asyncio.gather(*(house.until_state(number, state) for number in numbers))
    house.core.control.clear()
    return numbers


async def entry_of(house: House, number: str) -> Any:
    """An entry as it is shown."""
    return await house.get(f"/admin/v1/entries/{number}")


async def test_one_in_doubt_is_settled_in_a_moment_and_not_in_an_hour(tmp_path: Path) -> None:
    """With who asked and why in its history. It moves no money, so that a dear one needs no second person."""
    async with open_house(tmp_path, ONE_DEAR, level_b) as house:
        (number,) = await unheard(house, "1")
        assert (await entry_of(house, number))["may"] == ["inquire"]
        (stuck,) = (await house.get("/admin/v1/stuck"))["stuck"]
        assert (stuck["what"], stuck["verbs"]) == ("in_doubt", ["inquire"])
        await house.post(f"/admin/v1/entries/{number}/inquire")
        await house.until_state(number, "posted")
        history = (await entry_of(house, number))["history"]
        assert [(each["name"], each["actor"], each["note"]) for each in history[-2:]] == [
            ("postpone", "operator", "a drill"),
            ("post", "", ""),
        ]
        assert len(house.core.ledger.bookings()) == 1


async def test_a_dear_one_that_is_parked_is_asked_about_by_two(tmp_path: Path) -> None:
    """The machine would not ask by itself; and where billing surely lacks it, it is sent again."""
    async with open_house(tmp_path, f"{ONE_DEAR}[routes.main.forward]\nattempts_max = 1\n", level_b) as house:
        (number,) = await unheard(house, "1", state="parked")
        assert (await entry_of(house, number))["may"] == ["inquire", "retry", "close"]
        status, told = await house.ask("POST", f"/admin/v1/entries/{number}/inquire", body={"reason": "a payer asks"})
        assert (status, "one person may inquire at most 9.99 RUB" in told["detail"]) == (409, True)
        made = await house.post("/admin/v1/entries/inquire", filter={"key": "1"})
        waiting = await until(house, made["id"], "waiting")
        path = f"/admin/v1/proposals/{waiting['proposal']}/confirm"
        assert (await house.ask("POST", path, "approver", {"reason": "seen"}))[0] == 200
        await house.until_state(number, "posted")
        assert len(house.core.ledger.bookings()) == 1


async def test_many_are_counted_first_and_then_asked_about(tmp_path: Path) -> None:
    """A dry run asks nothing; the order goes as fast as the pace lets it."""
    async with open_house(tmp_path, change=level_b) as house:
        numbers = await unheard(house, "1", "2", "3")
        order = {"filter": {"route": "main"}}
        dry = await until(
            house, (await house.post("/admin/v1/entries/inquire", dry_run=True, **order))["id"], "counted"
        )
        assert (dry["found"][0]["entries"], dry["changed"]) == (3, [])
        assert {(await entry_of(house, each))["entry"]["state"] for each in numbers} == {"in_doubt"}
        done = await until(house, (await house.post("/admin/v1/entries/inquire", **order))["id"], "done")
        assert done["changed"] == dry["found"]
        await asyncio.gather(*(house.until_state(each, "posted") for each in numbers))
        assert len(house.core.ledger.bookings()) == 3


async def test_billing_that_cannot_be_asked_is_not_and_one_is_told_so(tmp_path: Path) -> None:
    """Neither one nor many; what is parked stays so, and the verb isn't offered."""
    async with open_house(tmp_path, change=level_c) as house:
        (number,) = await unheard(house, "1", state="parked")
        assert (await entry_of(house, number))["may"] == ["retry", "close"]
        status, told = await house.ask("POST", f"/admin/v1/entries/{number}/inquire", body={"reason": "a payer asks"})
        assert (status, told["code"], "this core can't be asked" in told["detail"]) == (409, "undecidable", True)
        made = await house.post("/admin/v1/entries/inquire", all=True, dry_run=True)
        assert (await until(house, made["id"], "counted"))["unchanged"] == {"blind": 1}
        assert (await entry_of(house, number))["entry"]["state"] == "parked"


async def test_what_is_neither_in_doubt_nor_parked_is_not_asked_about(tmp_path: Path) -> None:
    """It is known."""
    async with open_house(tmp_path) as house:
        number = await house.pay("1")
        await house.until_state(number, "posted")
        status, told = await house.ask("POST", f"/admin/v1/entries/{number}/inquire", body={"reason": "a payer asks"})
        assert (status, "inquire starts from in_doubt or parked" in told["detail"]) == (409, True)


async def test_it_is_asked_for_from_the_page(tmp_path: Path) -> None:
    """Beside the payment's story, which then says that a person wanted it."""
    async with open_house(tmp_path, change=level_b) as house:
        first, second = await unheard(house, "1", "2")
        reader = Reader(house)
        await reader.sign_in("operator")
        assert "Ask billing now" in (await reader.get(f"/page/payments/{first}")).text
        assert (await reader.post(f"/page/payments/{first}/inquire", why="a payer asks")).status == 303
        await house.until_state(first, "posted")
        assert "To be asked about at once" in (await reader.get(f"/page/payments/{first}")).text
        counted = await reader.post("/page/queue/inquire", state="in_doubt")
        job = await until(house, counted.headers["Location"].rsplit("/", 1)[1], "counted")
        assert (job["act"], job["found"][0]["entries"]) == ("inquire", 1)
        await reader.post("/page/queue/inquire", state="in_doubt", sure="yes", why="a payer asks")
        await house.until_state(second, "posted")


async def test_the_command_asks_by_number_and_by_key(tmp_path: Path) -> None:
    """A filter may name the channel's key, as whoever complains knows that alone."""
    async with open_house(tmp_path, change=level_b) as house:
        numbers = await unheard(house, "1", "2", "3")
        token = tmp_path / "operator.token"
        token.write_text("operator")
        url = f"http://127.0.0.1:{house.service.admin_listener.port}"

        async def said(*arguments: str) -> tuple[int, str]:
            answer = await asyncio.to_thread(nightsafe, *arguments, "--url", url, "--token-file", token)
            return answer.returncode, answer.stdout

        code, text = await said("inquire", numbers[0], "--reason", "complaint")
        assert (code, text.startswith(f"{numbers[0]} is ")) == (0, True)
        assert await said("inquire", "--key", "2", "--reason", "complaint", "--dry-run") == (
            0,
            "inquire: would change 1 (10.00 RUB)\n",
        )
        code, text = await said("inquire", "--key", "2", "--channel", "kiosk", "--reason", "complaint", "--yes")
        assert (code, text) == (0, "inquire: changed 1 (10.00 RUB)\n")
        await asyncio.gather(*(house.until_state(each, "posted") for each in numbers[:2]))
        assert (await entry_of(house, numbers[2]))["entry"]["state"] == "in_doubt"
        code, text = await said("list", "--key", "3", "--json")
        assert (code, numbers[2] in text, text.count("\n")) == (0, True, 1)


async def test_whichever_node_is_told_the_one_that_has_the_account_asks(tmp_path: Path) -> None:
    """On one PostgreSQL: at each of two nodes a person has all asked about, and none is booked twice."""
    async with open_nodes(tmp_path, SHARED.schema(), "one", "two", change=level_b) as (one, two):
        numbers = await unheard(one, *map(str, range(8)))
        made = await two.post("/admin/v1/entries/inquire", filter={"route": "main"})
        await until(two, made["id"], "done")
        await asyncio.gather(*(one.until_state(each, "posted") for each in numbers))
        assert len(one.core.ledger.bookings()) == len(numbers)
