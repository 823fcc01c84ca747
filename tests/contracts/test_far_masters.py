"""Masters that are somewhere else: what is away passes by itself, what refuses needs a person, and neither shows secrets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.custody.kms import KmsMaster
from gateway.custody.settings import KmsMasterSettings, Pkcs11MasterSettings, VaultMasterSettings
from gateway.custody.token import TokenMaster
from gateway.custody.vault import VaultMaster
from spool.errors import KeysUnfit, MasterUnreachable
from spool.wrapping import Wrapped, context_of
from tests.contracts.provider_examples import MODULE, NOW_US, REGION, TOKEN_LABEL, InKms, InToken, InVault, Rooms
from tests.contracts.vault_server import TOKEN, VaultServer

KEY: Final = bytes(range(32))
CONTEXT: Final = context_of("data", 7)
NOBODY: Final = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    """What takes long to make."""
    made = Rooms(tmp_path_factory.mktemp("rooms"))
    yield made
    made.close()


# Vault


@pytest.fixture
async def server() -> AsyncIterator[VaultServer]:
    """A Vault."""
    made = await VaultServer().start()
    yield made
    await made.stop()


@pytest.fixture
async def vault(server: VaultServer, tmp_path: Path) -> AsyncIterator[VaultMaster]:
    """Its provider."""
    made = InVault(server, tmp_path).speaking_of("nightsafe")
    yield made
    await made.close()


async def refused(master: Any) -> str:
    """Why a person must act."""
    with pytest.raises(KeysUnfit) as caught:
        await master.wrap(KEY, CONTEXT)
    assert not isinstance(caught.value, MasterUnreachable)
    return str(caught.value)


async def away(master: Any) -> str:
    """Why it can't be asked now."""
    with pytest.raises(MasterUnreachable) as caught:
        await master.wrap(KEY, CONTEXT)
    return str(caught.value)


async def test_a_sealed_vault_is_away_until_it_is_unsealed(vault: VaultMaster, server: VaultServer) -> None:
    """Nobody need touch the service."""
    server.sealed = True
    assert "can't answer now (HTTP 503): is it sealed, or a standby?" in await away(vault)
    server.sealed = False

    assert await vault.unwrap(await vault.wrap(KEY, CONTEXT), CONTEXT) == KEY


async def test_a_vault_that_is_not_there_is_away(server: VaultServer, tmp_path: Path) -> None:
    """Said by the kind of error alone, as its words may repeat headers."""
    InVault(server, tmp_path)
    nowhere = VaultMaster(settings_of(tmp_path, url=NOBODY))

    assert (await away(nowhere)).endswith("does not answer (ClientConnectorError)")

    await nowhere.close()


def settings_of(folder: Path, **changes: Any) -> VaultMasterSettings:
    """Settings of a Vault."""
    plain = {"provider": "vault", "url": NOBODY, "key": "nightsafe", "token": {"file": str(folder / "token")}}
    return VaultMasterSettings.model_validate({**plain, **changes}, strict=False)


async def test_a_token_vault_does_not_know_needs_a_person(vault: VaultMaster, tmp_path: Path) -> None:
    """It is read anew for each request, so a new one works at once. It is shown nowhere."""
    (tmp_path / "token").write_text("hvs.another", encoding="ascii")
    why = await refused(vault)
    assert why.endswith("refuses (HTTP 403): permission denied")
    assert "hvs." not in f"{why} {vault!r} {vault.place}"
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")

    assert (await vault.wrap(KEY, CONTEXT)).master == "vault:transit/nightsafe:v1"


async def test_a_token_that_is_not_there_is_named(vault: VaultMaster, tmp_path: Path) -> None:
    """By its file."""
    (tmp_path / "token").unlink()

    assert f"secret file {tmp_path / 'token'}: No such file" in await refused(vault)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>", "is no Vault (HTTP 200)"),
        (302, b"", "is no Vault (HTTP 302)"),
        (404, b'{"errors":[]}', "refuses (HTTP 404)"),
        (200, b'{"data":{"ciphertext":"x"}}', "answered something else than a wrapped key"),
    ],
)
async def test_what_is_no_answer_of_vault_is_refused(
    vault: VaultMaster, server: VaultServer, status: int, body: bytes, words: str
) -> None:
    """A proxy's page, a way elsewhere, another program."""
    server.instead = (status, body)

    assert words in await refused(vault)


@pytest.mark.parametrize("status", [429, 473, 500])
async def test_a_vault_that_is_busy_or_a_standby_is_away(vault: VaultMaster, server: VaultServer, status: int) -> None:
    """It passes."""
    server.instead = (status, b"")

    assert f"HTTP {status}" in await away(vault)


async def test_what_vault_opens_must_be_a_key(vault: VaultMaster, server: VaultServer) -> None:
    """Not some other text."""
    wrapped = await vault.wrap(KEY, CONTEXT)
    server.instead = (200, b'{"data":{"plaintext":"*"}}')

    with pytest.raises(KeysUnfit, match="answered something else than a key"):
        await vault.unwrap(wrapped, CONTEXT)


async def test_a_token_may_be_kept_from_reading_the_keys_versions(vault: VaultMaster, server: VaultServer) -> None:
    """Encrypting and decrypting is all it needs; what wraps is taken for the newest."""
    server.may_read = False
    await vault.look()

    assert vault.is_newest((await vault.wrap(KEY, CONTEXT)).master)


async def test_a_look_while_vault_is_away_says_so(vault: VaultMaster, server: VaultServer) -> None:
    """It is how the keeper finds out."""
    server.sealed = True

    with pytest.raises(MasterUnreachable):
        await vault.look()


async def test_the_namespace_is_named(server: VaultServer, tmp_path: Path) -> None:
    """In its header."""
    InVault(server, tmp_path)
    master = VaultMaster(settings_of(tmp_path, url=server.url, namespace="team/pay"))

    await master.wrap(KEY, CONTEXT)
    await master.close()

    assert server.namespaces == ["team/pay"]


# KMS


async def test_a_kms_that_is_not_there_is_away(rooms: Rooms) -> None:
    """By the kind of error."""
    rooms.kms()
    settings = {"provider": "kms", "key_id": "k", "region": REGION, "endpoint_url": NOBODY, "timeout_s": 0.2}
    master = KmsMaster(KmsMasterSettings.model_validate(settings))

    assert (await away(master)).endswith("does not answer (EndpointConnectionError)")

    await master.close()


async def test_a_key_that_kms_does_not_know_needs_a_person(rooms: Rooms) -> None:
    """As does one that is disabled, or not ours to use."""
    master = rooms.kms().speaking_of("00000000-0000-0000-0000-000000000000")

    assert (await refused(master)).endswith("refuses: NotFoundException")

    await master.close()


async def test_what_kms_is_to_open_must_be_the_keys_own(rooms: Rooms) -> None:
    """Another key of the account might open it too."""
    master, stranger = (kms(rooms).provider(), kms(rooms).stranger())
    wrapped = await stranger.wrap(KEY, CONTEXT)

    with pytest.raises(KeysUnfit, match="wrapped is not for the key"):
        await master.unwrap(wrapped, CONTEXT)

    await master.close()
    await stranger.close()


def kms(rooms: Rooms) -> InKms:
    """The place in moto's KMS."""
    return rooms.kms()


async def test_an_alias_is_looked_up_before_anything_is_opened(rooms: Rooms) -> None:
    """What is wrapped names the key itself."""
    by_id = kms(rooms).provider()
    wrapped = await by_id.wrap(KEY, CONTEXT)
    arn = wrapped.master.removeprefix("kms:")
    by_arn = kms(rooms).speaking_of(arn)

    assert by_arn.knows(wrapped.master)
    assert await by_arn.unwrap(wrapped, CONTEXT) == KEY

    await by_id.close()
    await by_arn.close()


# PKCS#11


@pytest.fixture
def token(rooms: Rooms, tmp_path: Path) -> InToken:
    """Keys in SoftHSM."""
    return rooms.token(tmp_path)


def token_settings(folder: Path, **changes: Any) -> Pkcs11MasterSettings:
    """Settings of a token."""
    plain = {"provider": "pkcs11", "module": str(MODULE), "token": TOKEN_LABEL, "key": "master-1"}
    return Pkcs11MasterSettings.model_validate({**plain, "pin": {"file": str(folder / "pin")}, **changes}, strict=False)


@pytest.mark.usefixtures("token")
def test_a_token_that_is_not_there_is_away(tmp_path: Path) -> None:
    """Somebody has it in his pocket."""
    master = TokenMaster(token_settings(tmp_path, token="gone"))

    assert asyncio.run(away(master)) == "the key master-1 in the token gone can't be reached (NoSuchToken)"


@pytest.mark.usefixtures("token")
def test_a_library_that_is_not_there_needs_a_person(tmp_path: Path) -> None:
    """It is another file."""
    master = TokenMaster(token_settings(tmp_path, module=str(tmp_path / "none.so")))

    assert "refuses (PKCS11Error)" in asyncio.run(refused(master))


@pytest.mark.usefixtures("token")
def test_a_pin_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By its file; no PIN is tried."""
    (tmp_path / "pin").unlink()

    assert f"secret file {tmp_path / 'pin'}" in asyncio.run(refused(TokenMaster(token_settings(tmp_path))))


@pytest.mark.usefixtures("token")
def test_a_wrong_pin_needs_a_person_and_is_not_shown(tmp_path: Path) -> None:
    """After a few, the token locks itself."""
    (tmp_path / "pin").write_text("00000000", encoding="ascii")

    why = asyncio.run(refused(TokenMaster(token_settings(tmp_path))))

    assert "refuses (PinIncorrect)" in why
    assert "00000000" not in why


@pytest.mark.usefixtures("token")
def test_a_label_without_a_key_is_made_one_on_request(tmp_path: Path) -> None:
    """By `nightsafe keys init`, in the token, which gives it to nobody."""
    master = TokenMaster(token_settings(tmp_path, key="new"))

    async def story() -> tuple[bool, str, bool]:
        before, why = await master.exists(), await refused(master)
        await master.renew(NOW_US)
        after = await master.exists()
        await master.close()
        return before, why, after

    before, why, after = asyncio.run(story())

    assert (before, after) == (False, True)
    assert "there is no the key new" not in why
    assert "nightsafe keys init" in why


def test_a_session_that_ended_is_begun_anew(token: InToken) -> None:
    """Another one of ours logged out, or the token was taken out and put in again."""
    master = token.provider()

    async def story() -> bytes:
        wrapped: Wrapped = await master.wrap(KEY, CONTEXT)
        other = token.stranger()
        await other.wrap(KEY, CONTEXT)
        await other.close()
        getattr(master, "_session").close()  # noqa: B009 - what the token did
        return await master.unwrap(wrapped, CONTEXT)

    assert asyncio.run(story()) == KEY
    asyncio.run(master.close())
