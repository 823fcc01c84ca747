"""A policy changed while the service runs: followed, kept over restarts, and given up when the file says something else."""

import asyncio

import pytest

from gateway.clock import settle
from gateway.standin.kept import LOOK_S, Policies
from gateway.standin.settings import StandinSettings
from tests.unit.heart import ROUTE, Heart

OTHER = StandinSettings(payment_max="7")
RAW = OTHER.model_dump_json().encode()


def policies(heart: Heart) -> Policies:
    """As each new process makes them: over what the configuration says."""
    heart.route.stand_in_by(heart.standin)
    return Policies(heart.store, [heart.route], heart.clock)


async def change(made: Policies, heart: Heart, raw: bytes | None = RAW, proposal: int = 1) -> bool:
    """Change the policy in force."""
    return await made.change(ROUTE, heart.route.standin.version, raw, proposal)


async def test_a_change_is_followed_at_once_and_after_a_restart(heart: Heart) -> None:
    """By payments that come from then on, whose version tells."""
    made = policies(heart)
    assert await change(made, heart)
    assert (heart.route.standin, made.is_changed(ROUTE)) == (OTHER, True)
    again = policies(heart)
    await again.follow()
    assert (heart.route.standin, again.is_changed(ROUTE)) == (OTHER, True)
    heart.open_route()
    assert (await heart.pay("k1", amount=701)).text == "payment_limit"
    await heart.pay("k2", amount=700)
    assert (await heart.entry("k2")).policy == OTHER.version


async def test_whoever_edits_the_file_means_what_he_writes(heart: Heart) -> None:
    """A change made over another file is given up."""
    await change(policies(heart), heart)
    heart.standin = StandinSettings(payment_max="8")
    again = policies(heart)
    await again.follow()
    assert heart.route.standin == heart.standin


async def test_a_change_may_be_taken_back(heart: Heart) -> None:
    """To what the file says."""
    made = policies(heart)
    await change(made, heart)
    assert await change(made, heart, None, proposal=2)
    assert (heart.route.standin, made.is_changed(ROUTE)) == (heart.standin, False)


async def test_a_change_of_what_was_changed_meanwhile_is_not_made(heart: Heart) -> None:
    """Two persons agreed about something that is no longer so."""
    made = policies(heart)
    seen = heart.route.standin.version
    await change(made, heart)
    assert not await made.change(ROUTE, seen, None, 2)
    assert heart.route.standin == OTHER


async def test_the_same_change_again_changes_nothing_more(heart: Heart) -> None:
    """The process died before it could say that it was done."""
    made = policies(heart)
    seen = heart.route.standin.version
    assert await made.change(ROUTE, seen, RAW, 1)
    assert await made.change(ROUTE, seen, RAW, 1)


async def test_a_node_follows_what_another_changed(heart: Heart) -> None:
    """Soon, and goes on while the spool says nothing."""
    made, other = policies(heart), policies(heart)
    running = asyncio.ensure_future(other.run())
    await settle()
    await change(made, heart)
    heart.route.stand_in_by(heart.standin)
    await heart.clock.advance(LOOK_S)
    assert heart.route.standin == OTHER
    await heart.store.close()
    await heart.clock.advance(LOOK_S)
    assert not running.done()
    running.cancel()
    await heart.store.open(heart.clock.now_us())


@pytest.mark.parametrize("kept", [b"no json", b'{"over": "%s", "standin": {"later": 1}, "proposal": 1, "at_us": 1}'])
async def test_what_cannot_be_read_changes_nothing(heart: Heart, kept: bytes) -> None:
    """Written by a program that knew other keys."""
    made = policies(heart)
    await heart.store.remember(f"policy/{ROUTE}", kept.replace(b"%s", heart.standin.version.encode()))
    await made.follow()
    assert heart.route.standin == heart.standin
