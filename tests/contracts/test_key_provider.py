"""What every key provider promises, wherever it keeps its master: see `spool.wrapping`."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from spool.errors import KeysUnfit, MasterUnreachable
from spool.wrapping import KeyProvider, Wrapped, context_of
from tests.contracts.provider_examples import GROWING, NOW_US, PROVIDERS, GrowingPlace, Place, Rooms, place_of

KEY: Final = bytes(range(32))
CONTEXT: Final = context_of("data", 7)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    """What takes long to make."""
    made = Rooms(tmp_path_factory.mktemp("rooms"))
    yield made
    made.close()


@pytest.fixture(params=PROVIDERS)
async def place(request: pytest.FixtureRequest, tmp_path: Path, rooms: Rooms) -> AsyncIterator[Place]:
    """Every provider's place in turn."""
    async with place_of(request.param, tmp_path, rooms) as made:
        yield made


@pytest.fixture(params=GROWING)
async def growing(request: pytest.FixtureRequest, tmp_path: Path, rooms: Rooms) -> AsyncIterator[GrowingPlace]:
    """Places in which a master may get another beside it."""
    async with place_of(request.param, tmp_path, rooms) as made:
        yield cast("GrowingPlace", made)


@pytest.fixture
async def provider(place: Place) -> AsyncIterator[KeyProvider]:
    """Every provider in turn."""
    made = place.provider()
    yield made
    await made.close()


async def test_what_is_wrapped_is_opened_again(provider: KeyProvider) -> None:
    """For the context it was wrapped for."""
    wrapped = await provider.wrap(KEY, CONTEXT)

    assert KEY not in wrapped.blob
    assert await provider.unwrap(wrapped, CONTEXT) == KEY


async def test_another_process_opens_it_too(place: Place, provider: KeyProvider) -> None:
    """A restart is what wrapping is for."""
    wrapped = await provider.wrap(KEY, CONTEXT)

    again = place.provider()

    assert await again.unwrap(wrapped, CONTEXT) == KEY
    assert again.knows(wrapped.master)
    await again.close()


@pytest.mark.parametrize("context", [context_of("data", 8), context_of("index", 7), b""])
async def test_what_is_wrapped_is_opened_for_no_other_context(provider: KeyProvider, context: bytes) -> None:
    """Two keys whose places in the store were swapped are found, not used."""
    wrapped = await provider.wrap(KEY, CONTEXT)

    with pytest.raises(KeysUnfit) as caught:
        await provider.unwrap(wrapped, context)

    assert not isinstance(caught.value, MasterUnreachable)


@pytest.mark.parametrize("at", [0, 20, -1])
async def test_what_was_edited_is_not_opened(provider: KeyProvider, at: int) -> None:
    """Nor passed on as another key."""
    wrapped = await provider.wrap(KEY, CONTEXT)
    edited = bytearray(wrapped.blob)
    edited[at] ^= 1

    with pytest.raises(KeysUnfit):
        await provider.unwrap(Wrapped(wrapped.master, bytes(edited)), CONTEXT)


@pytest.mark.parametrize("blob", [b"", b"\0", b"\0" * 40])
async def test_what_was_never_wrapped_is_not_opened(provider: KeyProvider, blob: bytes) -> None:
    """Of whatever length."""
    with pytest.raises(KeysUnfit):
        await provider.unwrap(Wrapped((await provider.wrap(KEY, CONTEXT)).master, blob), CONTEXT)


async def test_what_another_master_wrapped_is_not_opened(place: Place, provider: KeyProvider) -> None:
    """The masters' names tell them apart."""
    stranger = place.stranger()
    wrapped = await stranger.wrap(KEY, CONTEXT)

    assert not provider.knows(wrapped.master)
    with pytest.raises(KeysUnfit) as caught:
        await provider.unwrap(wrapped, CONTEXT)

    assert not isinstance(caught.value, MasterUnreachable)
    assert wrapped.master in str(caught.value)
    await stranger.close()


async def test_the_same_key_is_wrapped_another_way_each_time(provider: KeyProvider) -> None:
    """Who reads two key stores can't see that a key is in both."""
    assert (await provider.wrap(KEY, CONTEXT)).blob != (await provider.wrap(KEY, CONTEXT)).blob


async def test_what_wraps_now_is_the_newest(provider: KeyProvider) -> None:
    """By its name, without asking."""
    assert provider.is_newest((await provider.wrap(KEY, CONTEXT)).master)


async def test_a_master_that_a_person_adds_wraps_and_the_former_still_opens(growing: GrowingPlace) -> None:
    """So nothing is unreadable while keys are wrapped anew."""
    before = growing.provider()
    old = await before.wrap(KEY, CONTEXT)
    growing.add()
    after = growing.provider()
    await after.look()

    new = await after.wrap(KEY, CONTEXT)

    assert old.master != new.master
    assert [after.is_newest(each.master) for each in (old, new)] == [False, True]
    assert [await after.unwrap(each, CONTEXT) for each in (old, new)] == [KEY, KEY]
    await before.close()
    await after.close()


async def test_a_new_look_finds_the_master_that_wraps_now(provider: KeyProvider) -> None:
    """It may be the same; what it finds is what wraps."""
    await provider.look()

    assert provider.is_newest((await provider.wrap(KEY, CONTEXT)).master)


async def test_a_provider_renews_its_master_or_says_how(provider: KeyProvider) -> None:
    """As a capability by name."""
    old = await provider.wrap(KEY, CONTEXT)

    await renewed(provider)

    new = await provider.wrap(KEY, CONTEXT)
    assert provider.is_newest(new.master)
    assert (old.master != new.master) is provider.renewable
    assert await provider.unwrap(old, CONTEXT) == KEY


async def renewed(provider: KeyProvider) -> None:
    """Renew where that can be done; elsewhere it must be refused in words."""
    if provider.renewable:
        await provider.renew(NOW_US)
        return
    with pytest.raises(KeysUnfit, match="can't renew itself"):
        await provider.renew(NOW_US)


async def test_nothing_of_a_master_is_shown(provider: KeyProvider) -> None:
    """Where it is, yes; what it is, never."""
    wrapped = await provider.wrap(KEY, CONTEXT)

    assert provider.place in (shown := f"{provider.place} {provider!r} {wrapped!r}")
    assert KEY.hex() not in shown
    assert wrapped.blob.hex() not in shown
