"""What is asked of a connection in its own thread, and of the file system: plain functions over what they are given."""

from pathlib import Path
from typing import Any

Parameters = tuple[Any, ...] | dict[str, Any]


def fetch_all(db: Any, sql: str, parameters: Parameters) -> list[Any]:
    """Every row."""
    return list(db.execute(sql, parameters).fetchall())


def fetch_one(db: Any, sql: str, parameters: Parameters) -> Any:
    """The first row; None when there is none."""
    return db.execute(sql, parameters).fetchone()


def size_of(file: Path) -> int:
    """Bytes in a file; SQLite removes its log whenever it likes."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
