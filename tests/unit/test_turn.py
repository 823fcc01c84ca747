"""What comes in one turn of the event loop is taken up together."""

import asyncio

from gateway.turn import Turn


async def test_what_comes_in_one_turn_is_handed_on_together_and_in_order() -> None:
    """Once, at its end."""
    taken = list[list[str]]()
    turn = Turn[str](lambda came: taken.append(list(came)))
    turn.add("a")
    turn.add("b")
    assert taken == []
    await asyncio.sleep(0)
    assert taken == [["a", "b"]]


async def test_what_comes_while_a_turn_is_taken_up_is_of_the_next() -> None:
    """An answer may bring the connection's next request with it."""
    taken = list[list[str]]()

    def take_up(came: list[str]) -> None:
        taken.append(came)
        if came == ["a"]:
            turn.add("b")

    turn = Turn[str](lambda came: take_up(list(came)))
    turn.add("a")
    await asyncio.sleep(0)
    assert taken == [["a"]]
    await asyncio.sleep(0)
    assert taken == [["a"], ["b"]]
