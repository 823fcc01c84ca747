"""The admin side's part for keys: how they stand, and what a custodian may do to them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

from gateway.admin import asks
from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.state.meter import AdminMeter
from gateway.admin.state.shown import CustodyShown, KeyShown
from gateway.admin.state.status import custody_shown, key_shown
from gateway.custody.keeper import By, Refused
from gateway.custody.resealing import Progress
from gateway.log import log
from spool.errors import KeysChanged, KeysUnfit, MasterUnreachable, SpoolClosed, StorageUncertain


class RotateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which key is to be followed by a new one."""

    reason: asks.Reason
    key: Literal["data", "index", "master"] = "data"


class IndexKeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key of keyed hashes."""

    id: int
    hashes: bool
    master: str


class KeysShown(msgspec.Struct, frozen=True, kw_only=True):
    """All keys, by what tells them from others and says nothing of them."""

    #: Absent where the service isn't running.
    custody: CustodyShown | None
    store: str
    data_keys: tuple[KeyShown, ...]
    index_keys: tuple[IndexKeyShown, ...]
    #: How many keys each master wraps.
    masters: dict[str, int]
    #: Keys whose records are, or were, sealed anew.
    resealing: tuple[Progress, ...] = ()


class DestroyedShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is gone, and of how many entries the content with it."""

    key: int
    entries: int


class KeysSide:
    """Answers custodians."""

    def __init__(self, desk: Desk, meter: AdminMeter) -> None:
        """Answer about, and act on, the keys of what is on the desk."""
        self._desk = desk
        self._keeper = desk.keeper
        self._meter = meter

    async def shown(self, _call: Call) -> Any:
        """How the keys stand."""
        return await self._shown()

    async def _shown(self) -> KeysShown:
        custody, ring = self._keeper.custody(), self._desk.spool.keys
        kept = custody.kept
        return KeysShown(
            custody=custody_shown(custody),
            store=self._keeper.store_place,
            data_keys=tuple(key_shown(key, kept, ring) for key in kept.data_keys),
            index_keys=tuple(
                IndexKeyShown(id=key.id, hashes=key.id == kept.hashing, master=key.master) for key in kept.index_keys
            ),
            masters=kept.masters,
            resealing=tuple(await self._desk.resealer.progress()),
        )

    async def rotate(self, call: Call) -> Any:
        """A new data key, index key or master; the answer is how the keys stand then."""
        told = asks.body_of(call.body, RotateBody)
        by = By(call.person.name, asks.plain(told.reason))
        async with _in_words():
            if told.key == "master":
                await self._keeper.renew_master(by)
            else:
                await self._keeper.rotate(by, index=told.key == "index")
        self._did(call, f"keys_rotate_{told.key}")
        return await self._shown()

    async def rewrap(self, call: Call) -> Any:
        """All keys wrapped anew by the newest master."""
        by = _by(call)
        async with _in_words():
            await self._keeper.rewrap(by)
        self._did(call, "keys_rewrap")
        return await self._shown()

    async def reseal(self, call: Call) -> Any:
        """Everything that is sealed under a data key, sealed anew under another, in the background; how it stands."""
        key_id, by = int(call.parts[0]), _by(call)
        async with _in_words():
            await self._keeper.replace(key_id, by)
        self._desk.resealer.soon()
        self._did(call, "keys_reseal", key=key_id)
        return await self._shown()

    async def destroy(self, call: Call) -> Any:
        """A data key, and with it the content of its entries, for ever."""
        key_id, by = int(call.parts[0]), _by(call)
        async with _in_words():
            use = await self._keeper.destroy(key_id, by)
        self._did(call, "keys_destroy", key=key_id, entries=use.entries)
        return DestroyedShown(key=key_id, entries=use.entries)

    async def drop_master(self, call: Call) -> Any:
        """A former master, out of the key file."""
        name, by = f"local:{call.parts[0]}", _by(call)
        async with _in_words():
            await self._keeper.drop_master(name, by)
        self._did(call, "keys_drop_master", master=name)
        return await self._shown()

    def _did(self, call: Call, act: str, **fields: Any) -> None:
        self._meter.acted(act)
        log.warning("admin_act", act=act, actor=call.person.name, role=call.person.role, **fields)


def _by(call: Call) -> By:
    return By(call.person.name, asks.plain(asks.body_of(call.body, asks.OneBody).reason))


@asynccontextmanager
async def _in_words() -> AsyncGenerator[None]:
    """What can go wrong with keys, as problems."""
    try:
        yield
    except Refused as refused:
        raise Trouble(Code.KEYS_REFUSED, str(refused)) from None
    except KeysChanged:
        raise Trouble(Code.KEYS_CHANGED) from None
    except MasterUnreachable as away:
        raise Trouble(Code.MASTER_AWAY, str(away)) from None
    except KeysUnfit as unfit:
        raise Trouble(Code.KEYS_REFUSED, str(unfit)) from None
    except (SpoolClosed, StorageUncertain):
        # The key store may have the change already, which the keeper takes up when the spool is back.
        raise Trouble(Code.UNCERTAIN) from None
