"""Two installations are each other's witnesses, over loopback: whoever puts one of them back is found by the other."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from spool.evidence.checkpoint import Checkpoint, CheckpointKey, read_checkpoint_key, read_note, read_public_key
from spool.evidence.tree import EMPTY_ROOT
from tests.integration.house import House, digest
from tests.integration.test_custody import Site, signed, site_in

TOKEN: Final = "nightsafe_peer_example"
PATH: Final = "/admin/v1/peers/first/checkpoint"


@dataclass
class Pair:
    """An installation, and another one that keeps its checkpoints."""

    first: Site
    second: Site

    def introduce(self, second: House) -> None:
        """Tell the first where the second is, now that it runs."""
        url = f"http://127.0.0.1:{second.service.admin_listener.port}{PATH}"
        hook = f'\n[evidence.webhooks.second]\nurl = "{url}"\ntoken = {{ env = "PEER_TOKEN" }}\nasked = true\n'
        self.first.config.write_text(self.first.config.read_text().partition("\n[evidence.webhooks")[0] + hook)


@pytest.fixture
async def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """The second knows the first by its name, its token and its public key."""
    monkeypatch.setenv("PEER_TOKEN", TOKEN)
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as core:
        folders = [tmp_path / name for name in ("first", "second")]
        for folder in folders:
            folder.mkdir()
        first, second = (site_in(folder, core) for folder in folders)
        text = first.config.read_text()
        # The first has no other witness, so that nobody else tells.
        first.config.write_text(text.replace(f'witness_files = ["{first.witness}"]\n', ""))
        peer = f'\n[evidence.peers.first]\norigin = "nightsafe"\npublic_key_file = "{first.public}"\n'
        token = f'[admin.tokens.first]\nrole = "peer"\nsha256 = "{digest(TOKEN)}"\n'
        other = f'[admin.tokens.other]\nrole = "peer"\nsha256 = "{digest("other")}"\n'
        second.config.write_text(f"{second.config.read_text()}{peer}{token}{other}")
        yield Pair(first, second)


async def kept(second: House, as_: str = TOKEN) -> Any:
    """What the second has of the first."""
    return await second.ask("GET", PATH, as_)


async def send(second: House, note: str, as_: str = TOKEN) -> Any:
    """Send the second a checkpoint; its status, and its answer."""
    url = f"http://127.0.0.1:{second.service.admin_listener.port}{PATH}"
    async with second.client.post(url, data=note.encode(), headers={"Authorization": f"Bearer {as_}"}) as answer:
        return answer.status, await answer.json()


async def test_a_peer_keeps_the_newest_head(pair: Pair) -> None:
    """Over a restart of its own; whoever restores the first asks it."""
    async with pair.second.running() as second:
        pair.introduce(second)
        async with pair.first.running() as first:
            await first.pay("1")
            await signed(first)
    async with pair.second.running() as second:
        status, note = await kept(second)

    assert status == 200
    assert read_note(note, read_public_key(pair.first.public)).origin == "nightsafe/1"


async def test_an_older_copy_is_found_by_the_peer(pair: Pair, tmp_path: Path) -> None:
    """It takes nothing until a person has seen what is missing, though no file of its own tells of it."""
    copy = tmp_path / "copy.db"
    async with pair.second.running() as second:
        pair.introduce(second)
        async with pair.first.running() as first:
            await first.pay("1")
        shutil.copy(pair.first.spool, copy)
        async with pair.first.running() as first:
            await first.pay("2")
        shutil.copy(copy, pair.first.spool)

        async with pair.first.running() as first:
            ready = first.service.ready
            gap = (await first.get("/admin/v1/status"))["evidence"]["gap"]

    assert not ready
    assert "events are known to be missing" in gap
    assert "webhook second" in gap


async def test_a_peer_that_is_away_holds_nobody_up(pair: Pair) -> None:
    """Neither a start nor a payment: it is told, and gets the next one."""
    async with pair.second.running() as second:
        pair.introduce(second)
    async with pair.first.running() as first:
        await first.pay("1")
        notary = first.service.evidence.notary
        assert notary is not None
        assert not await notary.run_once()
        (trouble,) = [each.trouble for each in notary.standings if each.name == "webhook second"]

    assert trouble == "can't be reached: ClientConnectorError"


async def test_what_is_not_this_peers_is_not_kept(pair: Pair) -> None:
    """A stranger's signature, another log, a head that goes back, rubbish; what was kept stays."""
    key = read_checkpoint_key(pair.first.folder / "var/keys/evidence.key")
    stranger = CheckpointKey(Ed25519PrivateKey.generate())
    good = key.sign(Checkpoint("nightsafe/1", 5, EMPTY_ROOT))
    async with pair.second.running() as second:
        told = [
            await send(second, note)
            for note in (
                good,
                stranger.sign(Checkpoint("nightsafe/1", 6, EMPTY_ROOT)),
                key.sign(Checkpoint("another/1", 6, EMPTY_ROOT)),
                key.sign(Checkpoint("nightsafe/1", 4, EMPTY_ROOT)),
                key.sign(Checkpoint("nightsafe/1", 5, bytes(32))),
                "\0" * 10_000,
            )
        ]
        left = await kept(second)

    assert [status for status, _ in told] == [200, 400, 400, 409, 409, 400]
    assert [body["code"] for _, body in told[1:]] == ["invalid", "invalid", "goes_back", "goes_back", "invalid"]
    assert left == (200, good)


@pytest.mark.parametrize(("as_", "status"), [("other", 404), ("operator", 403), ("custodian", 403), ("nobody", 401)])
async def test_a_peer_speaks_for_itself_alone(pair: Pair, as_: str, status: int) -> None:
    """Nobody else writes in its place, or reads it; and it may do nothing else."""
    async with pair.second.running() as second:
        assert (await send(second, "x", as_))[0] == status
        assert (await kept(second, as_))[0] == status
        assert (await second.ask("GET", "/admin/v1/status", TOKEN))[0] == 403
