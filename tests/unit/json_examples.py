"""A bank's channel of the JSON API and its requests, for the tests of what is read and of what is answered."""

import json
from typing import Any

from adapters.channel import Inbound
from adapters.channels.json_headers import token_digest
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.json_v1 import JsonChannel
from adapters.payment import Payment

TOKEN = "t0ken-of_the.bank~1+/" * 2
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
BODY: dict[str, Any] = {"account": "77071234567", "amount": "200.00", "currency": "KZT"}
PAYMENT = Payment(channel="bank", key=KEY, account="77071234567", amount=20000, currency="KZT")


def channel(name: str = "bank", token: str = TOKEN, **settings: Any) -> JsonChannel:
    """A bank's channel."""
    agreed = {"protocol": "json", "currency": "KZT", "tokens_sha256": [token_digest(token)], **settings}
    return JsonChannel(name, JsonChannelSettings.model_validate(agreed))


def ask(method: str, path: str, body: Any = b"", *, query: str = "", **headers: str) -> Inbound:
    """A request of the bank; `headers` come beside, or in place of, the usual ones (`_` for `-`, empty = not sent)."""
    usual = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": KEY, "Content-Type": "application/json"}
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    some = {name: value for name, value in sent.items() if value}
    return Inbound(method=method, path=path, query=query, headers=some, body=raw, peer="127.0.0.1")


def pay(body: Any = None, **headers: str) -> Inbound:
    """A payment."""
    return ask("POST", "/v1/payments", BODY if body is None else body, **headers)
