"""Evidence of a running service: checkpoints at witnesses, proofs for strangers, tampering, copies and what they lack."""

import asyncio
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import pytest
from aiohttp import web
from typer.testing import CliRunner

from adapters.cores.scripted.server import ScriptedCore
from adapters.cores.scripted.settings import Settings
from gateway.cli import evidence as verbs
from gateway.cli import offline
from gateway.cli.app import app
from gateway.cli.exits import Failure
from gateway.clock import SystemClock
from gateway.config.init import make
from gateway.config.load import load
from gateway.service import Service
from spool.entry import Act
from spool.errors import SpoolUnfit
from spool.evidence.checkpoint import read_note, read_public_key
from spool.sqlite.backup import copy
from spool.sqlite.connection import driver
from tests.integration.house import WAIT_S, House, token_tables
from tests.tidy.house import ROOT

CHECKER: Final = ROOT / "docs/reference/check_proof.py"


@dataclass
class Site:
    """A configuration and a core, on which services come and go."""

    folder: Path
    core: ScriptedCore
    config: Path

    @property
    def spool(self) -> Path:
        """The spool's file."""
        return self.folder / "var/spool/nightsafe.db"

    @property
    def public(self) -> Path:
        """The key whoever checks has."""
        return self.folder / "var/keys/evidence.key.pub"

    @property
    def witness(self) -> Path:
        """The file of a witness."""
        return self.folder / "elsewhere/checkpoint"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[House]:
        """A service on it."""
        async with aiohttp.ClientSession() as client:
            service = Service(load(self.config), SystemClock())
            await service.start()
            try:
                yield House(service, self.core, client)
            finally:
                await service.stop()

    def lose(self) -> None:
        """The disk with the spool is gone."""
        shutil.rmtree(self.spool.parent)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """What init makes, with a witness's file."""
    async with ScriptedCore.start(Settings(ledger=tmp_path / "ledger.db")) as core:
        yield site_in(tmp_path, core)


def site_in(folder: Path, core: ScriptedCore) -> Site:
    """What init makes in a folder, with a witness's file."""
    made = make(folder / "var", SystemClock())
    (folder / "elsewhere").mkdir()
    text = made.config.read_text().replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    text = text.replace("http://127.0.0.1:8090", core.url)
    text = text.replace("[evidence]", f'[evidence]\nwitness_files = ["{folder}/elsewhere/checkpoint"]')
    made.config.write_text(f"{text}\n{token_tables()}")
    return Site(folder, core, made.config)


async def signed(house: House) -> None:
    """A checkpoint of this moment, kept by all."""
    notary = house.service.evidence.notary
    assert notary is not None
    assert await notary.run_once()


def check(folder: Path, proof: Any, public: Path) -> subprocess.CompletedProcess[str]:
    """What the standalone checker says, run away from everything of ours."""
    file = folder / "proof.json"
    file.write_text(json.dumps(proof))
    shutil.copy(CHECKER, folder / "check.py")
    command = [sys.executable, "-I", str(folder / "check.py"), str(file), str(public)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


# Checkpoints


async def test_a_witness_has_the_newest_head_signed(site: Site) -> None:
    """And status says so."""
    async with site.running() as house:
        await house.pay("1")
        await signed(house)
        shown = (await house.get("/admin/v1/status"))["evidence"]

    kept = read_note(site.witness.read_text(), read_public_key(site.public))
    assert kept.origin == "nightsafe/1"
    assert kept.size >= shown["checkpoint_events"] > 2
    assert [each["trouble"] for each in shown["witnesses"]] == ["", ""]
    assert shown["gap"] == ""


async def test_a_witness_that_fails_holds_no_payment_and_is_told_of(site: Site) -> None:
    """In the status and in a metric; and that it is back."""
    site.witness.mkdir()
    async with site.running() as house:
        await house.pay("1")
        notary = house.service.evidence.notary
        assert notary is not None
        assert not await notary.run_once()
        first, _ = (await house.get("/admin/v1/status"))["evidence"]["witnesses"]
        metrics = await house.get("/metrics")
        site.witness.rmdir()
        await signed(house)
        again, _ = (await house.get("/admin/v1/status"))["evidence"]["witnesses"]

    assert (first["trouble"], again["trouble"]) == ("can't be read: Is a directory", "")
    assert 'nightsafe_witness_failed_total{witness="file checkpoint"}' in metrics


async def test_a_webhook_is_sent_the_checkpoint(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its token, as text; what it doesn't take is told."""
    heard = list[tuple[str, str]]()

    async def hear(request: web.BaseRequest) -> web.StreamResponse:
        heard.append((request.headers["Authorization"], (await request.read()).decode()))
        return web.Response(status=500 if len(heard) == 1 else 204)

    server = web.Server(hear)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (host, port) = runner.addresses[0][:2]
    monkeypatch.setenv("WITNESS_TOKEN", "for the witness")
    hook = f'[evidence.webhooks.hook]\nurl = "http://{host}:{port}/kept"\ntoken = {{ env = "WITNESS_TOKEN" }}\n'
    site.config.write_text(f"{site.config.read_text()}\n{hook}")

    async with site.running() as house:
        notary = house.service.evidence.notary
        assert notary is not None
        async with asyncio.timeout(WAIT_S):
            while len(heard) < 2:
                await notary.run_once()
    await runner.cleanup()

    assert {token for token, _ in heard} == {"Bearer for the witness"}
    assert read_note(heard[-1][1], read_public_key(site.public)).origin == "nightsafe/1"


# Proofs


async def test_a_stranger_checks_a_payments_proof(site: Site) -> None:
    """With a page of code and the public key; what is changed in it, or signed by another, isn't proven."""
    async with site.running() as house:
        number = await house.pay("1")
        for other in range(2, 9):
            await house.pay(str(other), account=str(other))
        await house.until_state(number, "posted")
        await signed(house)
        proof = apart(lambda: verbs.proof_of(load(site.config), number))

    answer = check(site.folder, proof, site.public)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.endswith("so at that head it is posted\n")
    assert '"event":"accepted"' in answer.stdout
    for spoilt in (_with_leaf(proof, '"amount":1000,', '"amount":9000,'), {**proof, "events": []}):
        assert check(site.folder, spoilt, site.public).returncode == 1
    verbs.make_key(site.folder / "other.key")
    assert "not signed by this key" in check(site.folder, proof, site.folder / "other.key.pub").stdout


def apart(work: Callable[[], Any]) -> Any:
    """In a thread of its own, as the verbs bring their own loop; what it found, as plain data."""
    with ThreadPoolExecutor(1) as pool:
        return msgspec.to_builtins(pool.submit(work).result())


def _with_leaf(proof: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    text = json.dumps(proof["events"]).replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    assert json.loads(text) != proof["events"]
    return {**proof, "events": json.loads(text)}


async def test_what_is_not_there_has_no_proof(site: Site) -> None:
    """Nor has anything, before the first checkpoint."""
    async with site.running() as house:
        await signed(house)
    with pytest.raises(Failure, match="no such entry"):
        apart(lambda: verbs.proof_of(load(site.config), "17"))


# Tampering


async def test_an_entry_that_was_tampered_with_is_quarantined_and_the_rest_goes_on(site: Site) -> None:
    """Found by the audit that begins with the service; the other payments are none the worse."""
    async with site.running() as house:
        await house.post("/admin/v1/routes/main/open")
        spoilt, other = await house.pay("1", account="1"), await house.pay("2", account="2")
    db = driver.connect(site.spool, isolation_level=None)
    db.execute("UPDATE entry SET policy = 'mine' WHERE number = ?", (spoilt,))
    db.close()

    async with site.running() as house:
        await house.until_state(spoilt, "quarantined")
        await house.post("/admin/v1/routes/main/auto")
        await house.until_state(other, "posted")
        shown = await house.get(f"/admin/v1/entries/{spoilt}")
        _, found = await house.ask("POST", "/admin/v1/verify", body={})

    assert shown["entry"]["reason"] == "tampered"
    assert found["faults"] == {"entry_edited": 1}
    assert found["findings"][0]["number"] == spoilt


async def acts_of(house: House) -> list[Act]:
    """What the evidence has of persons and the configuration, but for hashes of what was set."""
    async with house.service.spool.store.records() as records:
        return [proven.act for proven in await records.acts(0, 100) if proven.act.name != "set"]


async def test_a_persons_word_for_a_route_and_the_configuration_are_evidence(site: Site) -> None:
    """Who opened it, by which limits payments were taken, and that the configuration was another from a moment on."""
    async with site.running() as house:
        await house.post("/admin/v1/routes/main/open")
        acts = await acts_of(house)
    async with site.running() as house:
        again = await acts_of(house)
    site.config.write_text(f"{site.config.read_text()}\n[returns]\nlate_after_s = 9\n")
    async with site.running() as house:
        changed = await acts_of(house)
    printed = CliRunner().invoke(app, ["config", "show", "--config", str(site.config)]).stdout

    assert [(act.name, act.subject, act.actor, act.note) for act in acts] == [
        ("limits", "standin", "", ""),
        ("configuration", "nightsafe", "", ""),
        ("route_open", "main", "operator", "a drill"),
    ]
    assert again == acts
    assert [(act.name, act.detail) for act in changed[3:]] == [
        ("configuration", hashlib.sha256(printed.encode()).hexdigest())
    ]


async def test_a_plan_that_was_edited_behind_the_services_back_is_found(site: Site) -> None:
    """A window that nobody planned would have payments stood in for."""
    async with site.running() as house:
        begins = {"begins": "2031-01-15T02:00:00", "time_zone": "UTC", "duration_s": 3600}
        await house.post("/admin/v1/windows", **begins)
        status, before = await house.ask("POST", "/admin/v1/verify", body={})
    db = driver.connect(site.spool, isolation_level=None)
    db.execute(
        "UPDATE memo SET value = CAST(replace(CAST(value AS TEXT), '2031', '2026') AS BLOB) WHERE name = 'plan/windows'"
    )
    db.close()
    async with site.running() as house:
        _, after = await house.ask("POST", "/admin/v1/verify", body={})

    assert (status, before["ok"]) == (200, True)
    assert (after["ok"], after["faults"]) == (False, {"setting_forged": 1})
    assert after["findings"][0]["detail"] == "plan/windows"


# Copies


async def test_a_restored_spool_waits_for_a_person_and_then_asks_about_everything(site: Site) -> None:
    """The disk is lost after a backup: what the copy calls waiting may have been booked since, and nothing is booked twice."""
    backup = site.folder / "backup.db"
    async with site.running() as house:
        await house.post("/admin/v1/routes/main/open")
        before = await house.pay("1", account="1")
        apart(lambda: verbs.backup(load(site.config), backup))
        lost = await house.pay("2", account="2")
        await house.post("/admin/v1/routes/main/auto")
        await house.until_state(before, "posted")
        await house.until_state(lost, "posted")
        await signed(house)
    site.lose()

    apart(lambda: verbs.restore(load(site.config), backup))

    async with site.running() as house:
        gap = (await house.get("/admin/v1/status"))["evidence"]["gap"]
        ready, why = await house.ask("GET", "/readyz", as_="")
        assert not house.service.ready
        denied, _ = await house.ask("POST", "/admin/v1/gap", as_="viewer", body={"reason": "a drill"})
        accepted = await house.post("/admin/v1/gap")
        again, _ = await house.ask("POST", "/admin/v1/gap", body={"reason": "a drill"})
        await house.until_state(before, "posted")
        names = [each["name"] for each in (await house.get(f"/admin/v1/entries/{before}"))["history"]]
        await signed(house)
        _, verdict = await house.ask("POST", "/admin/v1/verify", body={})

    assert "events are known to be missing" in gap
    assert (ready, denied, again) == (503, 403, 409)
    assert "evidence: the spool lacks" in " ".join(why["missing"])
    assert accepted["ready"]
    assert accepted["evidence"]["epoch"] == 2
    assert names[:3] == ["record", "claim", "doubt"]
    assert verdict["ok"]
    assert len(site.core.ledger.bookings()) == 2
    assert site.witness.read_text().startswith("nightsafe/2\n")


async def test_an_older_copy_put_in_place_by_hand_is_found_at_opening(site: Site) -> None:
    """As if somebody had brought back last week's file, without saying so."""
    async with site.running() as house:
        await house.pay("1")
    shutil.copytree(site.spool.parent, site.folder / "older")
    async with site.running() as house:
        await house.pay("2", account="2")
    site.lose()
    shutil.copytree(site.folder / "older", site.spool.parent)

    async with site.running() as house:
        assert not house.service.ready
        gap = (await house.get("/admin/v1/status"))["evidence"]["gap"]
        _, found = await house.ask("POST", "/admin/v1/verify", body={})
        await house.post("/admin/v1/gap")
        assert house.service.ready

    assert "events are missing that were there when file checkpoint kept it" in gap
    assert (found["ok"], found["faults"]) == (False, {"rolled_back": 1})


async def test_a_copy_is_whole_however_much_is_written_meanwhile(site: Site) -> None:
    """It is of one moment, in one file, and sound."""
    async with site.running() as house:
        paying = asyncio.create_task(_pay_on(house))
        copies = [await asyncio.to_thread(copy, site.spool, site.folder / f"copy-{each}.db") for each in range(3)]
        paying.cancel()
        await asyncio.wait([paying])

    assert all(copies)
    found = [apart(partial(verified, site, site.folder / f"copy-{each}.db")) for each in range(3)]
    assert [set(each["faults"]) - {"rolled_back"} for each in found] == [set(), set(), set()]
    assert sorted(path.name for path in site.folder.glob("*copy-*")) == ["copy-0.db", "copy-1.db", "copy-2.db"]


def verified(site: Site, path: Path) -> Any:
    """What verify says of a copy; that the witness knows of more is no fault of it."""
    config = load(site.config)
    spool = config.spool.model_copy(update={"path": path})
    return offline.verify(config.model_copy(update={"spool": spool}), seals=True)


async def _pay_on(house: House) -> None:
    for key in range(10_000):
        await house.pay(f"load-{key}", account=str(key % 50))


async def test_a_copy_never_takes_the_place_of_anything(site: Site) -> None:
    """Neither a backup nor a spool."""
    async with site.running():
        target = site.folder / "there.db"
        target.touch()
        with pytest.raises(SpoolUnfit, match="move it aside"):
            copy(site.spool, target)
        with pytest.raises(Failure, match="move it aside"):
            apart(lambda: verbs.restore(load(site.config), site.spool))
        other = driver.connect(site.folder / "other.db")
        other.execute("CREATE TABLE t (x)")
        other.close()
        with pytest.raises(SpoolUnfit, match="is no spool"):
            copy(site.folder / "other.db", site.folder / "new.db")
