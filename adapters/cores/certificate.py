"""Which certificate a server shows that isn't trusted: whose it is, who signed it, and its dates. Nothing is sent to it."""

import asyncio
import ssl
from typing import Final

from cryptography import x509

NAME_CHARS_MAX: Final = 80
LOOK_S: Final = 2.0
"""Seconds a look may take; it is taken once a certificate was refused, so somebody answers there."""


async def presented(address: str, port: int, name: str | None) -> str:
    """What is shown at an address, in words; empty where it can't be looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # to look at what was refused: no request ever goes over it
    try:
        async with asyncio.timeout(LOOK_S):
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, address, port, ssl=context, server_hostname=name
            )
    except OSError:
        return ""
    try:
        return words_of(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        transport.abort()


def words_of(der: bytes | None) -> str:
    """A certificate in words; empty where it can't be read."""
    try:
        certificate = x509.load_der_x509_certificate(der or b"")
        begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        subject, issuer = (_name(each) for each in (certificate.subject, certificate.issuer))
    except ValueError:
        return ""
    return f"{subject}, signed by {issuer}, valid {begins:%Y-%m-%d %H:%M}Z to {ends:%Y-%m-%d %H:%M}Z"


def _name(name: x509.Name) -> str:
    return name.rfc4514_string()[:NAME_CHARS_MAX] or "nobody"
