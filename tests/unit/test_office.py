"""An office on a spool of several nodes: of those that ask for it at once, one has it."""

from spool.memory import MemoryStore
from spool.nodes import Alone
from spool.office import Office

NAME = "office/of/these/tests"
MINE, OTHERS = b"mine", b"other"


class Member(Alone):
    """A node beside another one, which sits too."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = True

    @property
    def sitting(self) -> bytes:
        """Its seat under its lease."""
        return MINE

    async def sittings(self) -> frozenset[bytes]:
        """Who is there."""
        return frozenset({MINE, OTHERS})


class Contested(MemoryStore):
    """A store where the other node takes the office between a look and what follows it, if it is to."""

    def __init__(self, *, quick: bool) -> None:
        super().__init__()
        self.nodes = Member()
        self._quick = quick

    async def recall(self, name: str) -> bytes | None:
        """What was kept when it was asked for."""
        found = await super().recall(name)
        if self._quick:
            assert await self.exchange(name, found, OTHERS, 1)
        return found


async def contested(*, quick: bool) -> Contested:
    """An open one."""
    store = Contested(quick=quick)
    await store.open(1)
    return store


async def test_who_asks_a_moment_later_than_another_does_not_have_it() -> None:
    """Both found it free."""
    office = Office(await contested(quick=True), NAME)

    assert not await office.is_mine(2)
    assert not office.is_still_mine()
    assert not office.holds()


async def test_who_finds_it_free_has_it() -> None:
    """Until a look says otherwise."""
    office = Office(await contested(quick=False), NAME)

    assert await office.is_mine(2)
    assert office.holds()
