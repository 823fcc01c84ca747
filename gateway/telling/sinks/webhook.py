"""Signed webhooks, as Standard Webhooks says (https://github.com/standard-webhooks/standard-webhooks, spec 1.0.0).

`webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`: `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`, one for each secret, by a space between them. A secret is `whsec_` and the base64 of 24 to 64 bytes.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec

from adapters.secret import SecretMissing, SecretRef
from gateway.clock import Clock
from gateway.telling.event import US
from gateway.telling.letter import Letter
from gateway.telling.settings import WebhookSinkSettings
from gateway.telling.sink import NotTold
from gateway.telling.sinks.calling import Caller

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)


class WebhookSink:
    """A server that is sent letters as JSON."""

    def __init__(self, settings: WebhookSinkSettings, clock: Clock) -> None:
        """Send to the one of these settings."""
        self._settings = settings
        self._clock = clock
        self._caller = Caller(settings.pace.timeout_s)

    async def send(self, letter: Letter) -> None:
        """See `Sink`."""
        body = msgspec.json.encode(letter.payload)
        at_s = self._clock.now_us() // US
        signatures = [signature(secret_of(each), letter.id, at_s, body) for each in self._settings.secrets]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": letter.id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(signatures),
        }
        await self._caller.post(self._settings.url, body, headers, gives_up=False)

    async def close(self) -> None:
        """See `Sink`."""
        await self._caller.close()


def secret_of(reference: SecretRef) -> bytes:
    """The key that a reference leads to.

    Raises:
        NotTold: there is none, or it is no such secret.
    """
    try:
        text = reference.read().get_secret_value()
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (SecretMissing, binascii.Error, ValueError):
        raise NotTold("its secret can't be read") from None
    if len(key) not in SECRET_BYTES:
        raise NotTold("its secret is not of 24 to 64 bytes")
    return key


def signature(key: bytes, id_: str, at_s: int, body: bytes) -> str:
    """A signature of the first version over a message."""
    signed = b"%s.%d.%s" % (id_.encode(), at_s, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
