"""Client certificates at the admin side, over real TLS: who is known, who isn't, who is of another authority."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner, Result

from gateway.cli.app import app
from gateway.cli.exits import Exit, Failure
from tests.integration.house import House, open_house
from tests.integration.port import certificate

KNOWN = """
[admin.certificates.amina]
role = "operator"
common_name = "amina.k"

[admin.certificates.left]
role = "operator"
common_name = "left.long.ago"
expires = 2025-06-01T00:00:00Z
"""


@dataclass
class Authority:
    """Signs certificates, into files of a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    file: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """A new one."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        made = cls(folder, key, folder / "ca.pem")
        made.file.write_bytes(made._signed("an authority", key, is_authority=True))
        return made

    def issue(self, *names: str) -> Path:
        """A certificate of such a subject and its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = self.folder / "client.pem"
        path.write_bytes(_private(key) + self._signed(names, key))
        return path

    def issue_apart(self, name: str, password: bytes = b"") -> tuple[Path, Path]:
        """A certificate and its key, in a file of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        files = self.folder / "apart.pem", self.folder / "apart.key"
        files[0].write_bytes(self._signed(name, key))
        files[1].write_bytes(_private(key, password))
        return files

    def _signed(
        self, names: str | tuple[str, ...], key: ec.EllipticCurvePrivateKey, *, is_authority: bool = False
    ) -> bytes:
        texts = (names,) if isinstance(names, str) else names
        begins = datetime(2020, 1, 1, tzinfo=UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text) for text in texts]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(begins + timedelta(days=36_500))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    sealing = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, sealing)


@dataclass
class Door:
    """An admin side with TLS, and who trusts it."""

    house: House
    authority: Authority
    server_file: Path

    async def ask(self, client_file: Path | None, **headers: str) -> tuple[int, Any]:
        """Hold an entry that isn't there, so that only who may act gets a 404."""
        trust = ssl.create_default_context(cafile=str(self.server_file))
        if client_file is not None:
            trust.load_cert_chain(client_file)
        url = f"https://localhost:{self.house.service.admin_listener.port}/admin/v1/entries/1/hold"
        async with self.house.client.post(url, json={"reason": "x"}, headers=headers, ssl=trust) as answer:
            return answer.status, await answer.json()

    async def command(self, *words: str | Path, **variables: str) -> Result:
        """What the command says to `nightsafe access list`, in a folder without configuration."""
        url = f"https://localhost:{self.house.service.admin_listener.port}"
        asked = ["access", "list", "--json", *map(str, words)]
        given = {"NIGHTSAFE_URL": url, "NIGHTSAFE_CA_FILE": str(self.server_file), **variables}
        return await asyncio.to_thread(CliRunner().invoke, app, asked, env=given)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """An open house with TLS."""
    authority = Authority.make(tmp_path / "authority")
    cert_file, key_file = certificate(tmp_path)
    tls = f'tls = {{ cert_file = "{cert_file}", key_file = "{key_file}" }}\nclient_ca_file = "{authority.file}"\n'
    changed = f"[listen.admin]\n{tls}"
    async with open_house(tmp_path, KNOWN, lambda text: text.replace("[listen.admin]\n", changed)) as house:
        yield Door(house, authority, cert_file)


async def test_a_known_certificate_is_a_person(door: Door) -> None:
    """Without any token."""
    assert (await door.ask(door.authority.issue("amina.k")))[0] == 404


@pytest.mark.parametrize("names", [("mallory",), ("left.long.ago",), ("amina.k", "mallory"), ("mallory", "amina.k")])
async def test_a_certificate_of_nobody_is_nobody_s(door: Door, names: tuple[str, ...]) -> None:
    """Unknown, past its end here, or of two names."""
    assert (await door.ask(door.authority.issue(*names)))[0] == 401


async def test_another_authority_s_certificate_ends_the_handshake(door: Door, tmp_path: Path) -> None:
    """Whatever name it has."""
    stranger = Authority.make(tmp_path / "stranger")
    with pytest.raises(aiohttp.ClientError):
        await door.ask(stranger.issue("amina.k"))


async def test_without_a_certificate_a_token_does(door: Door) -> None:
    """Both are taken; a token that counts for nothing is not made good by the certificate beside it."""
    assert (await door.ask(None, Authorization="Bearer operator"))[0] == 404
    assert (await door.ask(None))[0] == 401
    assert (await door.ask(door.authority.issue("amina.k"), Authorization="Bearer nobody"))[0] == 401


# By the command line


async def test_the_command_comes_in_by_a_certificate(door: Door) -> None:
    """Without any token, be there one beside the configuration or not."""
    said = await door.command("--cert-file", door.authority.issue("amina.k"))
    assert said.exit_code == Exit.DONE, said.exception
    assert "amina" in {each["name"] for each in json.loads(said.stdout)["entrants"]}


async def test_its_files_may_be_told_once_for_all_verbs(door: Door) -> None:
    """By the environment; the key may be in a file of its own."""
    certificate_file, key_file = door.authority.issue_apart("amina.k")
    said = await door.command(NIGHTSAFE_CERT_FILE=str(certificate_file), NIGHTSAFE_KEY_FILE=str(key_file))
    assert said.exit_code == Exit.DONE, said.exception


async def test_a_token_may_be_told_by_the_environment(door: Door) -> None:
    """Other users of the machine don't see that."""
    assert (await door.command(NIGHTSAFE_TOKEN="viewer")).exit_code == Exit.DONE


@pytest.mark.parametrize("variables", [{}, {"NIGHTSAFE_TOKEN": "nobody"}], ids=["nobody's", "with a token of nobody's"])
async def test_the_command_says_that_it_is_nobody(door: Door, variables: dict[str, str]) -> None:
    """A certificate does not make good a token that counts for nothing."""
    name = "mallory" if not variables else "amina.k"
    said = await door.command("--cert-file", door.authority.issue(name), **variables)
    assert isinstance(said.exception, Failure)
    assert said.exception.exit == Exit.NOT_REACHED


async def test_files_that_are_of_no_use_are_named(door: Door, tmp_path: Path) -> None:
    """Before anything is asked; nobody is asked for a password, either."""
    own, key_file = door.authority.issue_apart("amina.k")
    _, sealed = door.authority.issue_apart("amina.k", b"secret")
    (tmp_path / "empty").touch()
    cases = [
        ("--key-file", key_file),
        ("--cert-file", own),
        ("--cert-file", own, "--key-file", sealed),
        ("--cert-file", tmp_path / "nothing"),
        ("--cert-file", door.authority.issue("amina.k"), "--ca-file", tmp_path / "empty"),
    ]
    said = [await door.command(*words) for words in cases]
    assert [(type(each.exception), getattr(each.exception, "exit", None)) for each in said] == [
        (Failure, Exit.UNFIT)
    ] * len(cases)
