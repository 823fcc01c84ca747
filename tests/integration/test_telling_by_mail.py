"""E-mail to a mail server that we did not write."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from adapters.secret import SecretRef
from gateway.telling.event import Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import SmtpSinkSettings
from gateway.telling.sink import NotTold, Undeliverable
from gateway.telling.sinks.mail import SmtpSink
from tests.contracts.postgres_server import free_port
from tests.integration.port import certificate

USER: Final = "nightsafe"
PASSWORD: Final = SecretStr("secret")

LETTER: Final = Letter(
    id="night-1-1",
    at_us=1_767_225_600_000_000,
    severity=Severity.CRITICAL,
    title="СРОЧНО night: маршрут main",
    text="маршрут main: биллинг недоступен\n",
    short="",
    payload={},
)


class Postbox:
    """Takes mail, but not for those it doesn't know."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Nobody and Busy aren't here."""
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("busy"):
            return "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep it."""
        self.taken.append(envelope)
        return self.answer


def known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    """Whoever has the password."""
    assert isinstance(data, LoginPassword)
    right = data.login == USER.encode() and data.password == PASSWORD.get_secret_value().encode()
    return AuthResult(success=right, handled=False)


@pytest.fixture
async def postbox(tmp_path: Path) -> AsyncIterator[tuple[Postbox, int, Path]]:
    """A mail server with TLS and a password; its port, and the certificate to trust."""
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    box, port = Postbox(), free_port()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=known,
        auth_required=True,
    )
    await asyncio.to_thread(controller.start)
    yield box, port, cert
    await asyncio.to_thread(controller.stop)


def sink_to(port: int, cert: Path, folder: Path, *to: str, password: str = "secret") -> SmtpSink:  # noqa: S107 - an example
    """A sink that tells these."""
    (folder / "password").write_text(password)
    settings = SmtpSinkSettings(
        protocol="smtp",
        host="localhost",
        port=port,
        tls_ca_file=cert,
        user=USER,
        password=SecretRef(file=folder / "password"),
        sender="nightsafe@example.com",
        to=list(to),
    )
    return SmtpSink(settings)


async def test_a_letter_arrives_whole(postbox: tuple[Postbox, int, Path], tmp_path: Path) -> None:
    """Over TLS, with a password, to everybody, in Russian."""
    box, port, cert = postbox
    await sink_to(port, cert, tmp_path, "ops@example.com", "night@example.com").send(LETTER)
    (envelope,) = box.taken
    assert isinstance(envelope.content, bytes)
    message: Any = message_from_bytes(envelope.content, policy=default)
    assert envelope.rcpt_tos == ["ops@example.com", "night@example.com"]
    assert message["Subject"] == LETTER.title
    assert message.get_content().replace("\r\n", "\n") == LETTER.text
    assert message["Message-ID"] == "<night-1-1@example.com>"
    assert (message["Auto-Submitted"], message["Importance"]) == ("auto-generated", "high")


async def test_an_address_that_is_none_is_told_once(postbox: tuple[Postbox, int, Path], tmp_path: Path) -> None:
    """The others have it, so it isn't sent again; and what nobody can have isn't tried for ever."""
    box, port, cert = postbox
    with pytest.raises(Undeliverable, match="1 of 2 addresses were refused"):
        await sink_to(port, cert, tmp_path, "ops@example.com", "nobody@example.com").send(LETTER)
    assert len(box.taken) == 1
    with pytest.raises(Undeliverable, match="every address was refused"):
        await sink_to(port, cert, tmp_path, "nobody@example.com").send(LETTER)


@pytest.mark.parametrize(
    ("to", "password", "answer"),
    [
        ("busy@example.com", "secret", "250 OK"),
        ("ops@example.com", "wrong", "250 OK"),
        ("ops@example.com", "secret", "452 no room"),
    ],
)
async def test_what_may_be_better_later_is_tried_again(
    postbox: tuple[Postbox, int, Path], tmp_path: Path, to: str, password: str, answer: str
) -> None:
    """And no word of it holds an address or a password."""
    box, port, cert = postbox
    box.answer = answer
    with pytest.raises(NotTold) as raised:
        await sink_to(port, cert, tmp_path, to, password=password).send(LETTER)
    assert "example.com" not in str(raised.value)
    assert password not in str(raised.value)


async def test_a_server_that_is_not_there_or_not_trusted_is_tried_again(
    postbox: tuple[Postbox, int, Path], tmp_path: Path
) -> None:
    """Mail never goes to whoever answers."""
    box, port, cert = postbox
    with pytest.raises(NotTold):
        await sink_to(free_port(), cert, tmp_path, "ops@example.com").send(LETTER)
    (tmp_path / "other").mkdir()
    other, _ = certificate(tmp_path / "other")
    with pytest.raises(NotTold):
        await sink_to(port, other, tmp_path, "ops@example.com").send(LETTER)
    assert box.taken == []


async def test_a_letter_to_a_payer_goes_to_him_alone(postbox: tuple[Postbox, int, Path], tmp_path: Path) -> None:
    """And to nobody of ours."""
    box, port, cert = postbox
    letter = Letter(
        id="x", at_us=0, severity=Severity.INFO, to=("payer@example.com",), title="t", text="t", short="t", payload={}
    )
    await sink_to(port, cert, tmp_path, "ops@example.com").send(letter)
    assert box.taken[0].rcpt_tos == ["payer@example.com"]
