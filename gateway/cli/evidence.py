"""What the custodian's verbs do: keys of the evidence, proofs, copies, and what is missing after a restore."""

import asyncio
import sys
from pathlib import Path

import msgspec

from gateway.admin import asks
from gateway.admin.state.shown import Status
from gateway.cli import offline, tables
from gateway.cli.client import AdminClient
from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config.model import Config
from gateway.engines.opening import Reading
from gateway.evidence.evidence import witnesses_of
from gateway.evidence.marks import KEPT_HERE, NOTHING_WITNESSED, Witnessed, witnessed
from gateway.evidence.restoring import Restored
from gateway.evidence.restoring import restore as restore_spool
from spool.errors import KeysUnfit, SpoolHeld, SpoolUnfit
from spool.evidence.checkpoint import make_checkpoint_key, public_path, read_checkpoint_key, read_text
from spool.evidence.proof import NotInLog, proven
from spool.sqlite.backup import copy
from spool.store import Store


class StepShown(msgspec.Struct, frozen=True, kw_only=True):
    """One event, and its way to the checkpoint's root."""

    index: int
    leaf: str
    path: tuple[str, ...]


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What a stranger needs, besides the public key."""

    version: int = 1
    number: str
    checkpoint: str
    events: tuple[StepShown, ...]
    #: Events that happened after the checkpoint: the next one covers them.
    later: int


def make_key(path: Path) -> int:
    """A new key that signs checkpoints, and its public half beside it."""
    try:
        make_checkpoint_key(path)
    except KeysUnfit as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    sys.stdout.write(f"made {path}\nmade {public_path(path)}, for whoever checks\n")
    return Exit.DONE


def accept(client: AdminClient, reason: str, *, json: bool) -> int:
    """A person accepts what is missing; the service takes and sends payments from then on."""
    found = client.post("/admin/v1/gap", Status, {"reason": reason})
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        tables.show(tables.status_view(found))
    return Exit.DONE


def proof(config: Config, reference: str) -> int:
    """A payment's proof against the newest checkpoint of the spool, as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(proof_of(config, reference))).decode() + "\n")
    return Exit.DONE


def proof_of(config: Config, reference: str) -> Proof:
    """The same, as data.

    Raises:
        Failure: there is no such payment, no checkpoint yet, or the log isn't whole.
    """

    async def read(store: Reading) -> Proof:
        number, _ = asks.number_asked(reference)
        note = (await store.recall(KEPT_HERE) or b"").decode()
        if not note:
            raise Failure("there is no checkpoint yet: name [evidence] key_file, and start the service", Exit.NO)
        size = read_text(note.partition("\n\n")[0] + "\n").size
        async with store.records() as records:
            found = await records.kept(number - 1, 1)
            if not found or found[0].entry.number != number:
                raise Failure("no such entry", Exit.NO)
            try:
                steps = await proven(records, found[0], size)
            except NotInLog as error:
                raise Failure(f"the log isn't whole: {error}; nightsafe verify says more", Exit.NO) from error
        shown = tuple(
            StepShown(index=each.index, leaf=each.leaf, path=tuple(step.hex() for step in each.path)) for each in steps
        )
        return Proof(number=str(number), checkpoint=note, events=shown, later=len(found[0].history) - len(shown))

    return offline.look(config, read)


def backup(config: Config, target: Path) -> int:
    """A copy of the spool, made beside the running service, checked."""
    if config.spool.engine != "sqlite":
        raise Failure("only the engine sqlite is copied to a file: back a database up by its own tools", Exit.UNFIT)
    try:
        size = copy(config.spool.path, target)
    except SpoolUnfit as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    sys.stdout.write(f"{target}: {size} bytes, checked. It holds no key: keep those elsewhere.\n")
    return Exit.DONE


def restore(config: Config, source: Path) -> int:
    """Put a copy in the place of the spool, which is gone; say what is missing."""
    if config.spool.engine != "sqlite":
        raise Failure("only the engine sqlite is restored from a file", Exit.UNFIT)

    async def ask(store: Store) -> Witnessed:
        if config.evidence.key_file is None:
            return NOTHING_WITNESSED
        origin = config.evidence.origin or config.node.name
        public = read_checkpoint_key(config.evidence.key_file).public
        return await witnessed(store, witnesses_of(config), origin, public)

    try:
        found = asyncio.run(restore_spool(source, config.spool.path, SystemClock().now_us(), ask))
    except (SpoolUnfit, SpoolHeld, KeysUnfit) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    sys.stdout.write(told(found))
    return Exit.DONE


def told(found: Restored) -> str:
    """What came back, what is missing, and what to do."""
    against = f"compared with: {found.source}" if found.source else "there is no checkpoint to compare with"
    return (
        f"restored: {found.events} events, epoch {found.epoch}\n"
        f"missing: {found.missing} events at least ({against})\n"
        "What happened after the newest checkpoint is missing too, and nobody can count it.\n"
        "Nothing is taken or sent until somebody accepts that: start the service, look with nightsafe status and\n"
        "nightsafe verify, then nightsafe evidence accept --reason '...'\n"
    )
