"""The demo: gateway and billing system as processes, payments by both protocols, an outage, a kill, and the count."""

from gateway.demo.play import run

__all__ = ["run"]
