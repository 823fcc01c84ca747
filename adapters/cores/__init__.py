"""Cores: billing systems payments are posted to, one module per way of reaching them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from adapters.core import Core
from adapters.cores.json_http import JsonCore
from adapters.cores.json_mapping import JsonCoreSettings
from adapters.cores.osmp import OsmpCore, OsmpCoreSettings

CoreSettings = Annotated[OsmpCoreSettings | JsonCoreSettings, Field(discriminator="protocol")]
"""One core's settings, told apart by `protocol`."""


def each_endpoint(
    settings: OsmpCoreSettings | JsonCoreSettings,
) -> list[tuple[str, OsmpCoreSettings | JsonCoreSettings]]:
    """The settings of each endpoint of a core by its host and port, the preferred first."""
    alone = settings.model_copy(update={"endpoints": (), "shared_ledger": False})
    further = (alone.model_copy(update={"url": at.url, "addresses": at.addresses}) for at in settings.endpoints)
    return [(urlsplit(each.url).netloc, each) for each in (alone, *further)]


def open_core(name: str, settings: OsmpCoreSettings | JsonCoreSettings) -> Core:
    """The core that `settings` describe; it connects with its first request and is closed by `close`.

    Raises:
        SecretMissing: a secret isn't where the settings say.
        TlsFileUnusable: a certificate or key file can't be used.
    """
    if isinstance(settings, OsmpCoreSettings):
        return OsmpCore(name, settings)
    return JsonCore(name, settings)
