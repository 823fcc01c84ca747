"""An operator's configuration on a scratch spool: its rules and times as they are, everything else of this machine alone.

Routes, policies, breakers, paces, orders and channels' deadlines stay. Billing is a scripted core on loopback, of the level,
the lookup and the times that the contract promises; its codes and mappings are its own. There are new keys, no tokens, no
secrets, and nobody is told of anything.
"""

from collections.abc import Mapping
from pathlib import Path

from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.registry import ChannelSettings
from adapters.cores import CoreSettings
from adapters.cores.json_mapping import JsonCoreSettings
from adapters.cores.osmp import OsmpCoreSettings
from gateway.config.model import (
    AdminSettings,
    Config,
    LogSettings,
)
from gateway.custody.settings import KeysSettings
from gateway.engines.settings import SpoolSettings
from gateway.evidence.settings import EvidenceSettings
from gateway.http.settings import AdminListenerSettings, ListenSettings
from gateway.telling.settings import TellingSettings


def on_scratch(config: Config, folder: Path, cores: Mapping[str, str]) -> Config:
    """The configuration with its spool and keys in `folder`, and scripted cores at these addresses, by name."""
    local = {"host": "127.0.0.1", "port": 0, "tls": None}
    return config.model_copy(
        update={
            "log": LogSettings(level="error", format="text"),
            "spool": SpoolSettings(path=folder / "spool/nightsafe.db", key_file=folder / "keys/nightsafe.key"),
            "keys": KeysSettings(),
            "listen": ListenSettings(
                channels=config.listen.channels.model_copy(update=local), admin=AdminListenerSettings(port=0)
            ),
            "admin": AdminSettings(),
            "evidence": EvidenceSettings(to_log=False),
            "telling": TellingSettings(),
            "channels": {name: _without_secrets(settings) for name, settings in config.channels.items()},
            "cores": {name: _scripted(settings, cores[name]) for name, settings in config.cores.items()},
        }
    )


def _without_secrets(settings: ChannelSettings) -> ChannelSettings:
    secret = "receipt_key" if isinstance(settings, JsonChannelSettings) else "basic"
    return settings.model_copy(update={secret: None})


def _scripted(settings: CoreSettings, url: str) -> CoreSettings:
    """The same contract, kept by a scripted core."""
    contract = {
        name: getattr(settings, name)
        for name in ("level", "not_found_is_final", "settle_delay_s", "key_lifetime_s", "time_zone", "connections_max")
    }
    if isinstance(settings, JsonCoreSettings):
        lookup = {"lookup": False} if settings.lookup is False else {}
        return JsonCoreSettings.model_validate({"protocol": "json", "url": url, **contract, **lookup})
    further = {
        "status_command": None if settings.status_command is None else "status",
        "cancel_command": None if settings.cancel_command is None else "cancel",
    }
    return OsmpCoreSettings.model_validate({"protocol": "osmp", "url": f"{url}/osmp", **contract, **further})
