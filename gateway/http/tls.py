"""TLS of a listener."""

import ssl

from gateway.config.model import TlsSettings


def server_context(settings: TlsSettings | None) -> ssl.SSLContext | None:
    """What a listener speaks TLS with; None where it speaks plain HTTP.

    Raises:
        OSError: a file can't be used.
    """
    if settings is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
