"""Sinks by their settings."""

from gateway.clock import Clock
from gateway.telling.settings import (
    HttpSmsSinkSettings,
    SinkSettings,
    SmppSinkSettings,
    SmtpSinkSettings,
    WebhookSinkSettings,
)
from gateway.telling.sink import Sink
from gateway.telling.sinks.http_sms import HttpSmsSink
from gateway.telling.sinks.log_sink import LogSink
from gateway.telling.sinks.mail import SmtpSink
from gateway.telling.sinks.smpp import SmppSink
from gateway.telling.sinks.webhook import WebhookSink


def make_sink(settings: SinkSettings, clock: Clock) -> Sink:
    """The sink of these settings; connects when it sends."""
    match settings:
        case WebhookSinkSettings():
            return WebhookSink(settings, clock)
        case SmtpSinkSettings():
            return SmtpSink(settings)
        case SmppSinkSettings():
            return SmppSink(settings, clock)
        case HttpSmsSinkSettings():
            return HttpSmsSink(settings)
        case _:
            return LogSink()
