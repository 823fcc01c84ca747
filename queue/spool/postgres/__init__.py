"""The engine for more than one machine: one PostgreSQL, several nodes, each with a lease and one writer."""

from spool.postgres.settings import PostgresSettings
from spool.postgres.store import PostgresStore

__all__ = ["PostgresSettings", "PostgresStore"]
