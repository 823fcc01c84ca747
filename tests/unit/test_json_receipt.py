"""Signed receipts: what a channel was told, checked by a library of its own, with nothing but the public key."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.errors import BadSignatureError
from joserfc.jwk import OKPKey

from adapters.channel import Reply
from adapters.channels.json_receipt import HEADER, Receipts
from adapters.payment import Answer, AnswerKind, Request
from adapters.secret import SecretMissing, SecretRef
from tests.unit.json_examples import ask, channel, pay

AT_US: Final = 1_768_460_400_123_456


def pem_of(private: Any) -> str:
    """A key as its file has it."""
    text: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


def public_of(private: Ed25519PrivateKey) -> OKPKey:
    """What the channel has."""
    return OKPKey.import_key(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.fixture
def private() -> Ed25519PrivateKey:
    """A key."""
    return Ed25519PrivateKey.generate()


@pytest.fixture
def key_file(tmp_path: Path, private: Ed25519PrivateKey) -> SecretRef:
    """Where it is."""
    (tmp_path / "receipts.key").write_text(pem_of(private))
    return SecretRef(file=tmp_path / "receipts.key")


def told(kind: AnswerKind, **more: Any) -> Answer:
    """A yes about payment 17."""
    return Answer(kind=kind, number=17, key="k-1", accepted_at_us=AT_US, amount=1_000, currency="KZT", **more)


def claims(reply: Reply, key: OKPKey) -> dict[str, Any]:
    """What the receipt says, if the key signed it."""
    found = jws.deserialize_compact(reply.headers[HEADER], key, algorithms=["Ed25519"])
    said: dict[str, Any] = json.loads(found.payload)
    return said


def written(key_file: SecretRef | None, request: Request | None, answer: Answer) -> Reply:
    """What a channel is told of a payment."""
    bank = channel(receipt_key=key_file)
    return bank.write(bank.read(pay()) if request is None else request, answer)


@pytest.mark.parametrize("kind", [AnswerKind.POSTED, AnswerKind.PROVISIONAL])
def test_a_yes_has_a_receipt_that_says_what_was_told(
    key_file: SecretRef, private: Ed25519PrivateKey, kind: AnswerKind
) -> None:
    """Who, what, how much, when, and whether it is booked or held; the account by its hash alone."""
    bank = channel(receipt_key=key_file)
    request = bank.read(pay())

    reply = bank.write(request, told(kind))

    assert claims(reply, public_of(private)) == {
        "channel": "bank",
        "id": "17",
        "key": "k-1",
        "status": kind.value,
        "accepted_at": "2026-01-15T07:00:00.123456Z",
        "amount": "10.00",
        "currency": "KZT",
        "account_sha256": hashlib.sha256(f"k-1\n{request.account}".encode()).hexdigest(),  # type: ignore[union-attr]  # it is a payment
    }


def test_a_reversals_receipt_has_neither_account_nor_sum_where_there_is_none(
    key_file: SecretRef, private: Ed25519PrivateKey
) -> None:
    """Its payment's receipt has them."""
    bank = channel(receipt_key=key_file)
    request = bank.read(ask("POST", "/v1/payments/16/reversal", idempotency_key="k-2"))

    said = claims(bank.write(request, Answer(kind=AnswerKind.POSTED, number=17, key="k-2")), public_of(private))

    assert said == {
        "channel": "bank", "id": "17", "key": "k-2", "status": "posted", "accepted_at": "1970-01-01T00:00:00.000000Z",
    }  # fmt: skip


@pytest.mark.parametrize(("path", "query"), [("/v1/payments/17", ""), ("/v1/payments", "key=k-1")])
def test_whoever_asks_later_gets_a_receipt_of_what_holds_now(
    key_file: SecretRef, private: Ed25519PrivateKey, path: str, query: str
) -> None:
    """One that was lost, or whose payment is booked since; the account isn't asked for, so it isn't in it."""
    bank = channel(receipt_key=key_file)

    reply = bank.write(bank.read(ask("GET", path, query=query)), told(AnswerKind.POSTED))

    assert (reply.status, claims(reply, public_of(private))) == (
        200,
        {
            "channel": "bank", "id": "17", "key": "k-1", "status": "posted", "accepted_at": "2026-01-15T07:00:00.123456Z",
            "amount": "10.00", "currency": "KZT",
        },
    )  # fmt: skip


@pytest.mark.parametrize("kind", [AnswerKind.REFUSED, AnswerKind.IN_PROGRESS])
def test_what_became_no_yes_has_no_receipt(key_file: SecretRef, kind: AnswerKind) -> None:
    """Refused since, or not decided."""
    bank = channel(receipt_key=key_file)
    assert HEADER not in bank.write(bank.read(ask("GET", "/v1/payments/17")), told(kind)).headers


def test_a_receipt_is_nobody_elses(key_file: SecretRef) -> None:
    """Another key's public half doesn't fit, and its own is named in it."""
    reply = written(key_file, None, told(AnswerKind.POSTED))

    with pytest.raises(BadSignatureError):
        claims(reply, public_of(Ed25519PrivateKey.generate()))


@pytest.mark.parametrize("kind", [AnswerKind.TRY_LATER, AnswerKind.IN_PROGRESS, AnswerKind.REFUSED])
def test_what_is_no_yes_has_no_receipt(key_file: SecretRef, kind: AnswerKind) -> None:
    """There is nothing to hold us to."""
    assert HEADER not in written(key_file, None, Answer(kind=kind)).headers


def test_a_channel_without_a_key_has_no_receipts() -> None:
    """Its payments don't pay for them."""
    assert HEADER not in written(None, None, told(AnswerKind.POSTED)).headers


@pytest.mark.parametrize(
    ("pem", "match"),
    [
        ("rubbish", "no private key in PEM"),
        (pem_of(generate_private_key(SECP256R1())), "channel bank"),
        (
            Ed25519PrivateKey.generate()
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode(),
            "no private Ed25519 key",
        ),
    ],
)
def test_what_is_no_such_key_is_said_at_start(pem: str, match: str) -> None:
    """Not at the first payment."""
    with pytest.raises(SecretMissing, match=match):
        Receipts("bank", pem)


def test_a_signer_shows_nothing_of_its_key(private: Ed25519PrivateKey) -> None:
    """Not even in a traceback."""
    assert repr(Receipts("bank", pem_of(private))) == "Receipts()"
