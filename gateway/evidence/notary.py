"""The notary: signs the log's head at intervals and when a route opens or closes, and shows it to witnesses.

No payment ever waits for it. A witness that fails is tried again with the next checkpoint; it is told in the log, in a
metric and in the status until it has kept one.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.clock import Clock
from gateway.evidence.marks import KEPT_HERE
from gateway.evidence.settings import EvidenceSettings
from gateway.evidence.witness import Witness, WitnessFailed
from gateway.log import log
from spool.errors import SpoolError
from spool.evidence.checkpoint import Checkpoint, CheckpointKey
from spool.evidence.epoch import epoch_of
from spool.store import Store

US: Final = 1_000_000


class WitnessStanding(msgspec.Struct, kw_only=True):
    """How one witness stands."""

    name: str
    #: Size of the log at the newest checkpoint it kept in this run; 0 before the first.
    size: int = 0
    #: Why it did not keep the last one; empty when it did.
    trouble: str = ""
    since_us: int = 0


class Notary:
    """Signs and shows."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        key: CheckpointKey,
        origin: str,
        settings: EvidenceSettings,
        witnesses: Sequence[Witness],
        registry: CollectorRegistry,
    ) -> None:
        """Sign the store's log under `origin` with `key`."""
        self._store = store
        self._clock = clock
        self._key = key
        self._origin = origin
        self._settings = settings
        self._witnesses = witnesses
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        #: The newest checkpoint of this run, and when it was signed.
        self.newest: Checkpoint | None = None
        self.signed_at_us = 0
        self.standings = [WitnessStanding(name=each.name) for each in witnesses]
        self._failed = Counter(
            "nightsafe_witness_failed", "Checkpoints a witness did not keep.", ("witness",), registry=registry
        )
        self._size = Gauge("nightsafe_checkpoint_events", "Events the newest checkpoint is over.", registry=registry)
        self._at = Gauge("nightsafe_checkpoint_time_seconds", "When it was signed, since 1970.", registry=registry)

    def soon(self) -> None:
        """Something happened that deserves a checkpoint now."""
        self._wake.set()

    async def run(self) -> None:
        """Sign for ever."""
        while True:
            await self.run_once()
            waiting = asyncio.ensure_future(self._clock.sleep(self._settings.checkpoint_every_s))
            woken = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait([waiting, woken], return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
                woken.cancel()
            self._wake.clear()

    async def run_once(self) -> bool:
        """One checkpoint, if anything happened since the last or a witness lacks it; whether all have kept the newest."""
        async with self._turn:
            return await self._sign_and_show()

    async def _sign_and_show(self) -> bool:
        try:
            await self._sign()
        except SpoolError as error:
            log.warning("checkpoint_late", why=type(error).__name__)
        if self.newest is None:
            return False
        note = self._key.sign(self.newest)
        pairs = zip(self._witnesses, self.standings, strict=True)
        lacking = [(each, standing) for each, standing in pairs if standing.size < self.newest.size or standing.trouble]
        return all(await asyncio.gather(*(self._show(each, standing, note) for each, standing in lacking)))

    async def _sign(self) -> None:
        async with self._store.records() as records:
            head = await records.head()
        if self.newest is not None and self.newest.size == head.size:
            return
        checkpoint = Checkpoint(f"{self._origin}/{(await epoch_of(self._store)).number}", head.size, head.root)
        # A head that was read may not be on disk yet. This commit is behind it: once it is there, so is the head.
        await self._store.remember(KEPT_HERE, self._key.sign(checkpoint).encode())
        self.newest, self.signed_at_us = checkpoint, self._clock.now_us()
        self._size.set(head.size)
        self._at.set(self.signed_at_us / US)

    async def _show(self, witness: Witness, standing: WitnessStanding, note: str) -> bool:
        assert self.newest is not None, "there is something to show"
        size = self.newest.size
        try:
            async with asyncio.timeout(self._settings.witness_timeout_s):
                await witness.keep(note)
        except TimeoutError:
            trouble = "took too long"
        except WitnessFailed as failed:
            trouble = str(failed)
        else:
            if standing.trouble:
                log.info("witness_back", witness=witness.name)
            standing.size, standing.trouble, standing.since_us = size, "", 0
            return True
        self._failed.labels(witness.name).inc()
        log.error("witness_failed", witness=witness.name, why=trouble)
        standing.since_us = standing.since_us or self._clock.now_us()
        standing.trouble = trouble
        return False
