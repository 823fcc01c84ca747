"""A keeper on a bench: a spool in memory, a key store in a file, a master that can go away, and time standing still."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from gateway.clock import ManualClock
from gateway.custody.chest import Chest
from gateway.custody.keeper import DAY_US, Keeper
from gateway.custody.resealing import Resealer
from gateway.custody.settings import KeysSettings
from spool.entry import Entry
from spool.errors import MasterUnreachable, SpoolError
from spool.keystore import KeyStore
from spool.lifecycle import CLAIM, POST
from spool.memory import MemoryStore
from spool.number import EPOCH_MS, Numbers
from spool.spool import Spool
from spool.store import Inserted
from spool.wrapping import KeyProvider, LocalMasters, Wrapped
from tests.contracts.spool_examples import draft, go

DAY_S: Final = DAY_US // 1_000_000


class ServiceMaster:
    """A master in a service that can go away, come back, and be told apart from others; keeps its promises otherwise."""

    renewable = True

    def __init__(self, fill: int = 1) -> None:
        self.place = "the service"
        self.away = False
        #: What whoever asks meets while it is away.
        self.trouble: type[SpoolError] = MasterUnreachable
        self.asked = 0
        self.closed = False
        self._keys = [bytes([fill]) * 32]

    @property
    def _masters(self) -> LocalMasters:
        return LocalMasters(self._keys)

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise self.trouble("the service does not answer")

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """As the protocol says."""
        self._ask()
        return self._masters.wrap(key, context)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """As the protocol says."""
        self._ask()
        return self._masters.unwrap(wrapped, context)

    def knows(self, master: str) -> bool:
        """As the protocol says."""
        return self._masters.knows(master)

    def is_newest(self, master: str) -> bool:
        """As the protocol says."""
        return self._masters.newest == master

    async def look(self) -> None:
        """As the protocol says."""
        self._ask()

    async def renew(self, now_us: int) -> None:
        """As the protocol says."""
        assert now_us
        self._ask()
        self._keys.append(bytes([len(self._keys) + 100]) * 32)

    async def close(self) -> None:
        """As the protocol says."""
        self.closed = True


class FixedMaster(ServiceMaster):
    """One that can't renew itself, and opens something else than it wrapped when told so."""

    renewable = False
    lying = False

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """As the protocol says, or not."""
        key = await super().unwrap(wrapped, context)
        return key[::-1] if self.lying else key


class House:
    """A spool in memory, with a keeper over a key store in a file."""

    def __init__(self, folder: Path, master: KeyProvider | None = None, **settings: Any) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.file = KeyStore(folder / "keys.store")
        self.service = ServiceMaster()
        self.master: KeyProvider = master or self.service
        self.settings = KeysSettings(**settings)
        self.spool, self.keeper = self.made()
        self.resealer = self.made_resealer()

    def made_resealer(self, **changes: Any) -> Resealer:
        """What seals anew, as each new process would make it."""
        usual: dict[str, Any] = {"per_s": self.settings.reseal_per_s}
        return Resealer(keeper=self.keeper, spool=self.spool, shelf=self.store, clock=self.clock, **usual | changes)

    def made(self, former: Sequence[KeyProvider] = (), **settings: Any) -> tuple[Spool, Keeper]:
        """A spool and keeper, as each new process would make them."""
        spool = Spool(self.store)
        keeper = Keeper(
            chest=Chest(self.file, self.master, former),
            spool=spool,
            shelf=self.store,
            numbers=Numbers(),
            clock=self.clock,
            settings=KeysSettings(**settings) if settings else self.settings,
        )
        return spool, keeper

    async def open(self) -> "House":
        """Open the spool with the keeper's keys."""
        await self.spool.open(self.clock.now_us(), self.keeper.unlock)
        return self

    async def restart(self, former: Sequence[KeyProvider] = (), **settings: Any) -> None:
        """Another process takes over."""
        await self.store.close()
        self.spool, self.keeper = self.made(former, **settings)
        self.resealer = self.made_resealer()
        await self.open()

    async def record(self, number: int = 0) -> Entry:
        """A payment, numbered by the time."""
        now_ms = self.clock.now_us() // 1000 - EPOCH_MS
        result = await self.spool.record(
            draft((now_ms << 22) + number, accepted_at_us=self.clock.now_us(), content=b"who paid")
        )
        assert isinstance(result, Inserted)
        return result.entry

    async def posted(self, number: int = 0) -> Entry:
        """A payment that is booked."""
        return await go(self.store, await self.record(number), CLAIM, POST)

    def content(self, entry: Entry) -> bytes:
        """What is sealed in it."""
        return self.spool.content(entry)

    @property
    def sealing(self) -> int:
        """The key that seals."""
        return self.spool.keys.current_id


async def rewrap_by(house: House, other: ServiceMaster, ids: set[int]) -> None:
    """Wrap some data keys by another master, as if the file were of another time."""
    kept = house.file.read()
    chest = Chest(house.file, other)
    after = await chest.with_newest_master(kept, house.spool.keys, everything=True)
    by_id = {key.id: key for key in after.data_keys}
    mixed = tuple(by_id[key.id] if key.id in ids else key for key in kept.data_keys)
    house.file.change(kept, replace(after, data_keys=mixed, index_keys=kept.index_keys))


def key_file_of_before(folder: Path) -> Path:
    """A key file of version 1 with data keys 1 and 2."""
    text = (
        '{"version": 1, "index_key": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=", "data_keys": ['
        '{"id": 1, "key": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "created": ""},'
        '{"id": 2, "key": "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=", "created": ""}]}'
    )
    path = folder / "nightsafe.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path
