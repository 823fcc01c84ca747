"""Where a core is: addresses from DNS, kept a while, asked for once by all who need them."""

import asyncio
import socket
import threading

import pytest

from adapters.cores.names import Names

FOUND = ("192.0.2.1", "192.0.2.2", "192.0.2.3")


class Resolver:
    """A system's resolver that counts what it is asked."""

    def __init__(self) -> None:
        """Answers at once."""
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fails = False

    def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """Answer, when it may."""
        self.asked += 1
        assert self.may_answer.wait(10)
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, f"{host}:{port} in a moment")
        return FOUND


@pytest.fixture
def resolver() -> Resolver:
    """One that has not been asked."""
    return Resolver()


async def test_an_answer_is_kept(resolver: Resolver) -> None:
    """A resolver that is slow or away mustn't hold up every new connection."""
    names = Names("billing.test", 80, cache_s=60, ask=resolver)
    await names.addresses()
    await names.addresses()
    names.close()
    assert resolver.asked == 1


async def test_an_answer_that_may_not_be_kept_is_asked_for_again(resolver: Resolver) -> None:
    """`dns_cache_s = 0`."""
    names = Names("billing.test", 80, cache_s=0, ask=resolver)
    await names.addresses()
    await names.addresses()
    names.close()
    assert resolver.asked == 2


async def test_those_who_ask_at_once_share_one_answer(resolver: Resolver) -> None:
    """A backlog opens dozens of connections in one moment."""
    resolver.may_answer.clear()
    names = Names("billing.test", 80, cache_s=0, ask=resolver)
    askers = [asyncio.create_task(names.addresses()) for _ in range(5)]
    await asyncio.sleep(0)
    resolver.may_answer.set()
    found = await asyncio.gather(*askers)
    names.close()
    assert resolver.asked == 1
    assert {frozenset(each) for each in found} == {frozenset(FOUND)}


async def test_who_stops_waiting_takes_the_answer_from_nobody(resolver: Resolver) -> None:
    """An attempt that ran out of time, beside one that has some left."""
    resolver.may_answer.clear()
    names = Names("billing.test", 80, cache_s=0, ask=resolver)
    first, second = (asyncio.create_task(names.addresses()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    resolver.may_answer.set()
    assert set(await second) == set(FOUND)
    assert first.cancelled()
    names.close()


async def test_a_failure_is_not_kept(resolver: Resolver) -> None:
    """The next connection asks again."""
    resolver.fails = True
    names = Names("billing.test", 80, cache_s=60, ask=resolver)
    with pytest.raises(socket.gaierror):
        await names.addresses()
    resolver.fails = False
    assert set(await names.addresses()) == set(FOUND)
    names.close()


async def test_each_connection_begins_with_another_address(resolver: Resolver) -> None:
    """The load is spread, and one dead address doesn't slow all."""
    names = Names("billing.test", 80, cache_s=60, ask=resolver)
    firsts = [(await names.addresses())[0] for _ in FOUND]
    names.close()
    assert sorted(firsts) == sorted(FOUND)


@pytest.mark.parametrize(
    ("host", "fixed", "addresses"),
    [
        ("billing.test", ["192.0.2.9"], ("192.0.2.9",)),
        ("192.0.2.8", [], ("192.0.2.8",)),
        ("::1", [], ("::1",)),
    ],
)
async def test_what_is_known_is_not_asked_for(
    resolver: Resolver, host: str, fixed: list[str], addresses: tuple[str, ...]
) -> None:
    """Configured addresses, and a core that is named by its address."""
    names = Names(host, 80, fixed, cache_s=60, ask=resolver)
    assert await names.addresses() == addresses
    names.close()
    assert resolver.asked == 0
