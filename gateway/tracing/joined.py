"""What a service that is traced has; nothing of OpenTelemetry is imported where none is."""

from typing import TYPE_CHECKING

from adapters.secret import SecretMissing
from gateway.clock import Clock
from gateway.config.model import Config

if TYPE_CHECKING:
    from gateway.tracing.traced import Traced


class TracingUnfit(Exception):
    """Traces are configured and can't be made; says what to do."""


def tracing_of(config: Config, clock: Clock) -> "Traced | None":
    """The parts that tell of what they do; None where nothing is traced.

    Raises:
        TracingUnfit: the extra isn't installed, or the token isn't where the configuration says.
    """
    if config.tracing is None:
        return None
    try:
        from gateway.tracing.traced import traced  # noqa: PLC0415 - an extra, and half a second of imports
    except ImportError as error:
        raise TracingUnfit("traces need packages more: pip install 'nightsafe[otel]', or remove [tracing]") from error
    try:
        return traced(config.tracing, config.node.name, clock)
    except SecretMissing as error:
        raise TracingUnfit(f"the token for traces: {error}") from error
