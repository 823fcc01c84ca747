"""Which protocols there are: settings in, a channel out."""

from typing import Annotated

from pydantic import Field

from adapters.channel import Channel
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.json_v1 import JsonChannel
from adapters.channels.osmp import OsmpChannel
from adapters.channels.osmp_settings import OsmpChannelSettings

ChannelSettings = Annotated[OsmpChannelSettings | JsonChannelSettings, Field(discriminator="protocol")]
"""Settings of a channel, told apart by `protocol`."""


def open_channel(name: str, settings: OsmpChannelSettings | JsonChannelSettings) -> Channel:
    """The channel of these settings, ready to read and write.

    Raises:
        SecretMissing: a secret's file or variable isn't there.
    """
    if isinstance(settings, OsmpChannelSettings):
        return OsmpChannel(name, settings)
    return JsonChannel(name, settings)
