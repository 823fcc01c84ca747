"""The admin side's part for other installations: it keeps their checkpoints, and says which it kept last."""

from typing import Any

import msgspec

from gateway.admin.desk import Desk
from gateway.admin.http.call import Call
from gateway.admin.http.problem import Code, Trouble
from gateway.evidence.peers import GoesBack, Peers
from spool.evidence.checkpoint import NOTE_BYTES_MAX, NoteUnfit


class CheckpointKept(msgspec.Struct, frozen=True):
    """It is the newest that is kept."""

    kept: bool


class PeerSide:
    """Answers peers. Each speaks for itself: its token has its name."""

    def __init__(self, desk: Desk) -> None:
        """Keep what the desk's evidence keeps."""
        self._desk = desk

    async def keep(self, call: Call) -> Any:
        """Keep a checkpoint."""
        peers, name = self._of(call)
        try:
            await peers.keep(name, call.body[: NOTE_BYTES_MAX + 1].decode("utf-8", "replace"))
        except NoteUnfit as unfit:
            raise Trouble(Code.INVALID, str(unfit)) from None
        except GoesBack:
            raise Trouble(Code.GOES_BACK) from None
        return CheckpointKept(kept=True)

    async def newest(self, call: Call) -> str:
        """The newest that was kept, as text; empty where none was."""
        peers, name = self._of(call)
        return await peers.newest(name)

    def _of(self, call: Call) -> tuple[Peers, str]:
        peers, name = self._desk.evidence.peers, call.parts[0]
        if name != call.person.name or not peers.knows(name):
            raise Trouble(Code.NO_SUCH_PEER)
        return peers, name
