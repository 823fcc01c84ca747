"""The embedded engine: one SQLite file, one owner, one writer with group commit."""

from spool.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
