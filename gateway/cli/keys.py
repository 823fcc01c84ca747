"""The verbs for keys: how they stand, a first key store, and what a custodian may do to them."""

import asyncio
import sys
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from adapters.secret import SecretMissing
from gateway.admin.state.status import key_shown
from gateway.admin.steering.keys import DestroyedShown, IndexKeyShown, KeysShown
from gateway.cli import offline, tables
from gateway.cli.client import NotRunning
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import Reach
from gateway.cli.verbs import API, client_of, safe, tell
from gateway.clock import SystemClock
from gateway.config.load import load, load_outline
from gateway.config.model import Config
from gateway.config.path import config_path
from gateway.custody.provider import key_place, make_keys, open_chest
from gateway.custody.resealing import Progress
from gateway.engines.opening import place_of
from spool.errors import KeysUnfit, SpoolUnfit


def status(reach: Reach, *, json: bool) -> int:
    """How the keys stand: as the service says, or as the key store and the masters do while it is stopped."""
    try:
        found = client_of(reach).get(f"{API}/keys", KeysShown)
    except NotRunning:
        if reach.url:
            raise
        sys.stderr.write("nightsafe: the service is not running: this is what its key store says\n")
        found = _in_store(load(config_path(reach.config)))
    tell(found, keys_view, json=json)
    return Exit.DONE


def _in_store(config: Config) -> KeysShown:
    async def look() -> KeysShown:
        chest = open_chest(config)
        try:
            kept = await chest.read()
            ring = (await chest.open(kept)).ring(kept)
        finally:
            await chest.close()
        return KeysShown(
            custody=None,
            store=chest.file.place,
            data_keys=tuple(key_shown(key, kept, ring) for key in kept.data_keys),
            index_keys=tuple(
                IndexKeyShown(id=key.id, hashes=key.id == kept.hashing, master=key.master) for key in kept.index_keys
            ),
            masters=kept.masters,
        )

    try:
        return asyncio.run(look())
    except KeysUnfit as error:
        raise Failure(str(error), Exit.CANNOT_START) from error


def init(given: Path | None) -> int:
    """Make the key file and the key store that a configuration names, where they are missing; writes over nothing.

    Raises:
        Failure: the spool has records already, or the master can't be used.
    """
    config = load_outline(config_path(given))
    try:
        place = key_place(config)
        if not place.exists() and offline.is_there(config) and offline.has_keys(config):
            raise Failure(
                f"the spool {place_of(config)} has records sealed under keys of before: put its key store"
                f" {place.place} back, or give this configuration a spool of its own",
                Exit.UNFIT,
            )
        made = asyncio.run(make_keys(config, SystemClock().now_us()))
    except (KeysUnfit, SpoolUnfit, SecretMissing) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    sys.stdout.write("".join(f"made: {path}\n" for path in made) or "everything is there already\n")
    return Exit.DONE


def rotate(reach: Reach, which: str, reason: str, *, json: bool) -> int:
    """A new key from now on."""
    found = client_of(reach).post(f"{API}/keys/rotate", KeysShown, {"reason": reason, "key": which})
    tell(found, keys_view, json=json)
    return Exit.DONE


def rewrap(reach: Reach, reason: str, *, json: bool) -> int:
    """All keys wrapped anew by the newest master."""
    found = client_of(reach).post(f"{API}/keys/rewrap", KeysShown, {"reason": reason})
    tell(found, keys_view, json=json)
    return Exit.DONE


def reseal(reach: Reach, key_id: int, reason: str, *, json: bool) -> int:
    """What a data key sealed, sealed anew under another."""
    found = client_of(reach).post(f"{API}/keys/{key_id}/reseal", KeysShown, {"reason": reason})
    tell(found, keys_view, json=json)
    return Exit.DONE


def destroy(reach: Reach, key_id: int, reason: str, *, json: bool) -> int:
    """A data key, for ever."""
    found = client_of(reach).post(f"{API}/keys/{key_id}/destroy", DestroyedShown, {"reason": reason})
    tell(found, _destroyed_view, json=json)
    return Exit.DONE


def drop_master(reach: Reach, name: str, reason: str, *, json: bool) -> int:
    """A former master, out of the key file for ever."""
    body: dict[str, Any] = {"reason": reason}
    plain = safe(name.removeprefix("local:"))
    found = client_of(reach).post(f"{API}/keys/masters/local:{plain}/drop", KeysShown, body)
    tell(found, keys_view, json=json)
    return Exit.DONE


def keys_view(shown: KeysShown) -> RenderableType:
    """All keys, one a line."""
    table = tables.table_of("key", "made", "fingerprint", "wrapped by", "what it does")
    for key in shown.data_keys:
        does = f"destroyed {tables.brief(key.destroyed)}" if key.destroyed else "seals" if key.seals else "opens"
        does = does if key.fingerprint or key.destroyed else "CAN'T BE OPENED"
        row = (f"data {key.id}", tables.brief(key.made), key.fingerprint, key.master, does)
        table.add_row(*map(tables.plain, row))
    for index in shown.index_keys:
        table.add_row(
            *map(tables.plain, (f"index {index.id}", "", "", index.master, "hashes" if index.hashes else "finds"))
        )
    lines = [f"key store: {shown.store}"]
    if shown.custody:
        lines.append(f"master: {shown.custody.master}")
        if shown.custody.trouble:
            lines.append(f"IN TROUBLE since {tables.brief(shown.custody.troubled_since)}: {shown.custody.trouble}")
    lines += [_progress(each) for each in shown.resealing]
    return Group(table, Text("\n".join(lines)))


def _progress(shown: Progress) -> str:
    """How far a key's records are sealed anew."""
    if not shown.ended:
        return f"key {shown.key} is being sealed anew under key {shown.under}: {shown.done} records done, {shown.left} left"
    left = f"; {shown.left} that do not open are left" if shown.left else ": nothing needs it"
    return f"key {shown.key} was sealed anew under key {shown.under}{left}"


def _destroyed_view(shown: DestroyedShown) -> RenderableType:
    return Text(f"key {shown.key} is destroyed, and with it the content of {shown.entries} entries")
