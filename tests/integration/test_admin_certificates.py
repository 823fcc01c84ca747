"""Client certificates at the admin side, over real TLS: who is known, who isn't, who is of another authority."""

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
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + self._signed(names, key))
        return path

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
