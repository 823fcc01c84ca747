"""The evidence of a running service: compared at opening, audited in the background, signed and shown by its notary.

Where the log is shorter than what was witnessed of it, or is another one, the spool is an older copy of itself: what it
calls waiting may be booked, and what it doesn't know may have been taken. So nothing is taken and nothing sent until a
person has seen what is missing and accepted it; then everything that could have been sent is asked about.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Gauge

from gateway.clock import Clock
from gateway.config.model import Config
from gateway.evidence.marks import NOTHING_WITNESSED, Witnessed, breaks, missing_of, witnessed
from gateway.evidence.notary import Notary
from gateway.evidence.peers import Peers
from gateway.evidence.witness import FileWitness, LogWitness, WebhookWitness, Witness
from gateway.log import log
from spool.entry import Act, Entry
from spool.errors import SpoolError
from spool.evidence.auditing import SWIFT, Pace
from spool.evidence.checkpoint import CheckpointKey, read_checkpoint_key
from spool.evidence.epoch import Epoch, epoch_of, keep_epoch
from spool.evidence.findings import Finding
from spool.lifecycle import CLAIM, DOUBT, QUARANTINE, State
from spool.store import Filter, Move, Store
from spool.verify import Verdict, verify

PAGE_ENTRIES: Final = 256
"""Entries put in doubt in one commit."""

AUDIT_ENTRIES: Final = 8
"""Entries looked at in one go in the background: half a millisecond in which no payment is answered ..."""

AUDIT_PAUSE_S: Final = 0.005
"""... and the time between two goes, so that it takes a small part of one core."""

AUDIT_REST_S: Final = 0.2
"""Some commits, after each second or two of an audit: time for the spool to tidy up behind what was read."""

DETAIL_MAX: Final = 20_000
"""Longest detail of an act."""

_LIMITS: Final = "evidence-limits"
_CONFIGURATION: Final = "evidence-configuration"

TAMPERED: Final = "tampered"
"""The reason of an entry that speaks against its evidence."""

RESTORED: Final = "restored"
"""The reason of an entry that may have been sent by a former life of the spool."""


class Evidence:
    """The evidence of one service."""

    def __init__(self, config: Config, store: Store, shelf: Store, clock: Clock, registry: CollectorRegistry) -> None:
        """Of what is in `store`, which is looked through on `shelf`.

        Raises:
            KeysUnfit: the key that signs can't be used, or a peer's public key.
        """
        self._settings = config.evidence
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self.origin = config.evidence.origin or config.node.name
        self._key: CheckpointKey | None = None
        self.notary: Notary | None = None
        self._witnesses = witnesses_of(config)
        if config.evidence.key_file is not None:
            self._key = read_checkpoint_key(config.evidence.key_file)
            self.notary = Notary(
                store=store,
                clock=clock,
                key=self._key,
                origin=self.origin,
                settings=config.evidence,
                witnesses=self._witnesses,
                registry=registry,
            )
        #: The installations this one is a witness of.
        self.peers = Peers(config.evidence.peers, store)
        #: The epoch the spool is in; known once it is open.
        self.epoch = Epoch()
        #: When the last audit in the background ended, microseconds since 1970 in UTC, and what it found; 0 before the first.
        self.audited_at_us = 0
        self.audit_faults = 0
        self._faults = Gauge(
            "nightsafe_evidence_faults", "What the last audit in the background found wrong.", registry=registry
        )

    async def open(self) -> Epoch:
        """Compare the log's end with what was kept of it; where it breaks, another epoch begins, and waits for a person."""
        self.epoch = await epoch_of(self._store)
        if not self.epoch.accepted:
            log.error("evidence_gap", epoch=self.epoch.number, missing=self.epoch.missing, source=self.epoch.source)
            return self.epoch
        found = await self.witnessed()
        wrong = await breaks(self._store, found)
        for finding in wrong:
            log.error("evidence_broken", fault=finding.fault.word, detail=finding.detail)
        if wrong:
            self.epoch = await self._begin_epoch(found, wrong)
        return self.epoch

    async def _begin_epoch(self, found: Witnessed, wrong: list[Finding]) -> Epoch:
        async with self._store.records() as records:
            size = (await records.head()).size
        epoch = Epoch(
            number=self.epoch.number + 1,
            began_size=size,
            began_number=await self._store.highest_number(),
            missing=missing_of(size, found.marks),
            source=wrong[0].detail,
            at_us=self._clock.now_us(),
            accepted=False,
        )
        await keep_epoch(self._store, epoch)
        return epoch

    async def witnessed(self) -> Witnessed:
        """What was kept of the log, here and by witnesses."""
        if self._key is None:
            return NOTHING_WITNESSED
        return await witnessed(self._store, self._witnesses, self.origin, self._key.public)

    async def accept(self, actor: str, reason: str) -> bool:
        """A person accepts what is missing; False when there is nothing to accept.

        What the spool calls ready may have been sent after the copy was made: it is in doubt. A crash in between leaves it
        to be accepted again.
        """
        epoch = await epoch_of(self._store)
        if epoch.accepted:
            return False
        await self._doubt_what_was_ready(epoch)
        detail = f"epoch {epoch.number}, {epoch.missing} events missing at least, {epoch.source}"
        await self._store.act(
            Act(at_us=self._clock.now_us(), name="gap_accepted", detail=detail, actor=actor, note=reason)
        )
        self.epoch = msgspec.structs.replace(epoch, accepted=True)
        await keep_epoch(self._store, self.epoch)
        return True

    async def _doubt_what_was_ready(self, epoch: Epoch) -> None:
        wanted = Filter(states=frozenset({State.READY}), before=epoch.began_number + 1)
        while entries := await self._store.page(wanted, PAGE_ENTRIES):
            for few in _one_of_each_lane(entries):
                now_us = self._clock.now_us()
                claims = [Move(entry=entry, transition=CLAIM, at_us=now_us, reason=RESTORED) for entry in few]
                await self._store.move(claims)
                await self._store.move([_doubt(claim.after(), now_us) for claim in claims])
            wanted = msgspec.structs.replace(wanted, after=entries[-1].number)

    # While the service runs

    async def run(self) -> None:
        """Audit for ever, the first time at once."""
        if not self._settings.audit_every_s:
            return
        while True:
            await self.audit_once()
            await self._clock.sleep(self._settings.audit_every_s)

    async def audit_once(self) -> int:
        """One audit at a gentle pace; what speaks against an entry has it quarantined. How much was found."""
        try:
            found = await witnessed_verify(self._shelf, self, self._gently())
            count = sum(found.faults.values())
            await self.quarantine(found)
        except SpoolError as error:
            log.warning("audit_broken_off", why=type(error).__name__)
            return 0
        self._faults.set(count)
        self.audited_at_us, self.audit_faults = self._clock.now_us(), count
        for fault, each in found.faults.items():
            log.error("audit_found", fault=fault.word, count=each)
        log.info("audited", events=found.events, faults=count)
        return count

    def _gently(self) -> Pace:
        sleep = self._clock.sleep
        return Pace(AUDIT_ENTRIES, lambda: sleep(AUDIT_PAUSE_S), rest=lambda: sleep(AUDIT_REST_S))

    async def quarantine(self, verdict: Verdict) -> int:
        """Stop unfinished entries that something speaks against; how many were. The rest goes on."""
        numbers = sorted(
            {finding.number for finding in verdict.findings if finding.number and finding.fault.quarantines}
        )
        stopped = 0
        for number in numbers:
            entry = await self._store.get(number)
            if entry is not None and entry.state in QUARANTINE.sources:
                move = Move(entry=entry, transition=QUARANTINE, at_us=self._clock.now_us(), reason=TAMPERED)
                stopped += sum(await self._store.move([move]))
                log.error("entry_quarantined", number=str(number))
        return stopped

    async def note_act(self, name: str, subject: str, detail: str, actor: str, reason: str) -> None:
        """Tell of an act that was done. Where the spool can't take it now, the log at least is told so."""
        act = Act(at_us=self._clock.now_us(), name=name, subject=subject, detail=detail, actor=actor, note=reason)
        try:
            await self._store.act(act)
        except SpoolError as error:
            log.error("act_without_evidence", act=name, subject=subject, actor=actor, why=type(error).__name__)

    async def note_configuration(self, config: Config) -> None:
        """Tell of the configuration this service goes by, and of its limits, when they aren't those it went by last."""
        limits = msgspec.json.encode(
            {name: route.standin.model_dump(mode="json", exclude_none=True) for name, route in config.routes.items()}
        )
        await self._note_once(_LIMITS, "limits", "standin", limits, limits.decode()[:DETAIL_MAX])
        shown = config.text().encode()
        await self._note_once(
            _CONFIGURATION, "configuration", config.node.name, shown, hashlib.sha256(shown).hexdigest()
        )

    async def _note_once(self, memo: str, name: str, subject: str, what: bytes, detail: str) -> None:
        told = hashlib.sha256(what).digest()
        if await self._store.recall(memo) != told:
            await self.note_act(name, subject, detail, "", "")
            await self._store.remember(memo, told)

    def soon(self) -> None:
        """A route opened or closed: a checkpoint now."""
        if self.notary is not None:
            self.notary.soon()

    async def close(self) -> None:
        """The last checkpoint, when nothing more happens."""
        if self.notary is not None and self.epoch.accepted:
            await self.notary.run_once()

    def tasks(self) -> Iterable["asyncio.Task[None]"]:
        """What runs while the service does."""
        yield asyncio.create_task(self.run(), name="audit")
        if self.notary is not None:
            yield asyncio.create_task(self.notary.run(), name="notary")


async def witnessed_verify(store: Store, evidence: Evidence, pace: Pace = SWIFT) -> Verdict:
    """Verify a store against what was witnessed of it."""
    found = await evidence.witnessed()
    return await verify(store, marks=found.marks, told=found.findings, pace=pace)


def witnesses_of(config: Config) -> tuple[Witness, ...]:
    """Who the configuration names."""
    settings = config.evidence
    files = [FileWitness(path) for path in settings.witness_files]
    hooks = [WebhookWitness(name, each, settings.witness_timeout_s) for name, each in settings.webhooks.items()]
    return (*files, *hooks, *([LogWitness()] if settings.to_log else []))


def _one_of_each_lane(entries: Iterable[Entry]) -> list[list[Entry]]:
    """The same entries in parts, none of which has two of one lane: where nodes share a spool one is in flight at a time."""
    parts, taken = list[list[Entry]](), Counter[tuple[str, int]]()
    for entry in entries:
        at = taken[entry.route, entry.lane]
        taken[entry.route, entry.lane] += 1
        if at == len(parts):
            parts.append([])
        parts[at].append(entry)
    return parts


def _doubt(entry: Entry, now_us: int) -> Move:
    return Move(entry=entry, transition=DOUBT, at_us=now_us, due_at_us=now_us, reason=RESTORED)
