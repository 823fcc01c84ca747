"""Signed receipts of the JSON API: what a channel was told, in a form it can show to others.

A receipt is a JWS in compact form (RFC 7515), signed with Ed25519 (RFC 8037, `alg` as RFC 9864 has it), in the header
`Nightsafe-Receipt` of a positive answer. Its claims:

```json
{"channel": "bank", "id": "17", "key": "k-1", "status": "provisional", "accepted_at": "2026-01-15T07:00:00.000000Z",
 "amount": "10.00", "currency": "RUB", "account_sha256": "..."}
```

The account is there as SHA-256 of the key, a newline and the account: who knows the account can show that it was this one.
A repeat gets the same claims but for the status, which may have become `posted`; so does a GET, without the account's hash, as
the account isn't asked for there. Signing costs a payment as much CPU as all
the rest of its way in, so it is done where a channel's contract wants it.
"""

import hashlib
from typing import Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from adapters.payment import Payment, Request
from adapters.secret import SecretMissing

HEADER: Final = "Nightsafe-Receipt"
_ALGORITHM: Final = "Ed25519"
_CURVE: Final = "Ed25519"


class Claims(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is signed."""

    channel: str
    id: str
    key: str
    status: str
    accepted_at: str
    amount: str = ""
    currency: str = ""
    account_sha256: str = ""


class Receipts:
    """Signs the receipts of one channel. Shows nothing of its key."""

    def __init__(self, channel: str, pem: str) -> None:
        """Sign with this private key.

        Raises:
            SecretMissing: it is no Ed25519 key in PEM.
        """
        try:
            key = OKPKey.import_key(pem)
        except (JoseError, ValueError, TypeError):
            raise SecretMissing(f"the receipt key of channel {channel} is no private key in PEM") from None
        if key.curve_name != _CURVE or not key.is_private:
            raise SecretMissing(f"the receipt key of channel {channel} is no private Ed25519 key")
        self._channel = channel
        self._key = key
        #: By which a verifier with several keys finds this one (RFC 7638).
        self._header = {"alg": _ALGORITHM, "kid": key.thumbprint()}
        self._encode = msgspec.json.Encoder().encode

    def __repr__(self) -> str:
        return "Receipts()"

    def sign(self, request: Request, *, id_: str, key: str, status: str, at: str, money: tuple[str, str]) -> str:
        """The receipt of a positive answer; money is amount and currency, both empty where there is none."""
        account = (
            hashlib.sha256(f"{key}\n{request.account}".encode()).hexdigest() if isinstance(request, Payment) else ""
        )
        claims = Claims(
            channel=self._channel,
            id=id_,
            key=key,
            status=status,
            accepted_at=at,
            amount=money[0],
            currency=money[1],
            account_sha256=account,
        )
        return jws.serialize_compact(dict(self._header), self._encode(claims), self._key, algorithms=[_ALGORITHM])
