"""E-mail by a mail server (RFC 5321), over aiosmtplib."""

import asyncio
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from adapters.secret import SecretMissing
from gateway.telling.event import US, Severity
from gateway.telling.letter import Letter
from gateway.telling.settings import SmtpSinkSettings
from gateway.telling.sink import NotTold, Undeliverable

_PERMANENT = 500


class SmtpSink:
    """A mail server."""

    def __init__(self, settings: SmtpSinkSettings) -> None:
        """Send by the one of these settings; a connection for each letter."""
        self._settings = settings

    async def send(self, letter: Letter) -> None:
        """See `Sink`."""
        settings = self._settings
        to = list(letter.to or settings.to)
        if not to:
            raise Undeliverable("it goes to nobody")
        password = self._password()
        context = None if settings.security == "none" else ssl.create_default_context(cafile=settings.tls_ca_file)
        try:
            refused, _ = await aiosmtplib.send(
                message_of(letter, settings.sender, to),
                sender=settings.sender,
                recipients=to,
                hostname=settings.host,
                port=settings.port,
                username=settings.user,
                password=password,
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                tls_context=context,
                timeout=settings.pace.timeout_s,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused([each.code for each in error.recipients]) from None
        except aiosmtplib.SMTPAuthenticationError as error:
            raise NotTold(f"the server does not know us ({error.code})") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused([error.code]) if letter.to else NotTold(f"the server answered {error.code}") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Their words may hold addresses.
            raise NotTold(f"the server can't be reached ({type(error).__name__})") from None
        finally:
            _heed_cancellation()
        if refused:
            # The others have it: another try would tell them twice.
            raise Undeliverable(f"{len(refused)} of {len(to)} addresses were refused")

    def _password(self) -> str | None:
        if self._settings.password is None:
            return None
        try:
            return self._settings.password.read().get_secret_value()
        except SecretMissing:
            raise NotTold("its password can't be read") from None

    async def close(self) -> None:
        """Nothing stays open."""


def _heed_cancellation() -> None:
    """Whoever is to end ends, though the library kept that to itself.

    It waits by `asyncio.wait_for`, which until Python 3.12 answers a cancellation that comes together with an answer by that
    answer: a service that stopped as the mail server said yes waited for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def message_of(letter: Letter, sender: str, to: list[str]) -> EmailMessage:
    """A letter as e-mail. Each letter has one Message-ID, so that a second copy of it can be told."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Subject"] = " ".join(letter.title.split())
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.at_us // US, UTC))
    message["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.severity is Severity.CRITICAL:
        message["Importance"] = "high"
    message.set_content(letter.text)
    return message


def _refused(codes: list[int]) -> NotTold | Undeliverable:
    """Refused for good where every one of them is."""
    if all(code >= _PERMANENT for code in codes):
        return Undeliverable(f"every address was refused ({codes[0]})")
    return NotTold(f"the server answered {codes[0]}")
