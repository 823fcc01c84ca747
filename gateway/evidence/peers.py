"""Keeping other installations' checkpoints: each is a witness of the others, out of reach of whoever has their spool."""

import asyncio
from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.evidence.settings import PeerSettings
from gateway.evidence.witness import goes_back, split_origin
from gateway.log import log
from spool.evidence.checkpoint import NoteUnfit, read_note, read_public_key
from spool.store import Store

_KEPT: Final = "peer-{}"
"""Name under which the spool keeps a peer's newest checkpoint."""


class GoesBack(Exception):
    """A peer's checkpoint says less than the one that is kept of it, or another thing."""


class Peers:
    """The installations this one is a witness of."""

    def __init__(self, settings: Mapping[str, PeerSettings], store: Store) -> None:
        """Keep their checkpoints in `store`.

        Raises:
            KeysUnfit: a peer's public key can't be read.
        """
        self._store = store
        self._one_at_a_time = asyncio.Lock()
        self._peers: dict[str, tuple[str, Ed25519PublicKey]] = {
            name: (peer.origin, read_public_key(peer.public_key_file)) for name, peer in settings.items()
        }

    def knows(self, name: str) -> bool:
        """Is it one of them?"""
        return name in self._peers

    async def keep(self, name: str, note: str) -> None:
        """Keep a checkpoint in the place of the one before it. Errors: also as `Store.remember`.

        Raises:
            NoteUnfit: it is none of this peer's.
            GoesBack: the one that is kept goes further, or says another thing. It stays.
        """
        origin, public = self._peers[name]
        checkpoint = read_note(note, public)
        if split_origin(checkpoint.origin)[0] != origin:
            raise NoteUnfit("the checkpoint is of another log")
        async with self._one_at_a_time:
            if goes_back(await self.newest(name), note):
                log.error("peer_goes_back", peer=name, events=checkpoint.size)
                raise GoesBack
            await self._store.remember(_KEPT.format(name), note.encode())

    async def newest(self, name: str) -> str:
        """The newest checkpoint that was kept of it; empty where none was. Errors: see `Store.recall`."""
        return (await self._store.recall(_KEPT.format(name)) or b"").decode()
