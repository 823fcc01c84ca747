"""What the file says it is, and the migrations that bring it up to date."""

from pathlib import Path
from typing import Any, Final

from spool.errors import SpoolUnfit
from spool.sqlite.statements import SQL, migrations

APPLICATION_ID: Final = 0x4E534146
"""`NSAF` in the file's header: what `file` and we ourselves know a spool by."""


def refuse_foreign(db: Any) -> None:
    """A file is empty, or it is a spool. Asked before anything is set, as settings are changes too.

    Raises:
        SpoolUnfit: it is somebody else's database.
    """
    ours, version = _mark(db)
    if ours != APPLICATION_ID and (ours or version or db.execute(SQL["things"]).fetchone()[0]):
        raise SpoolUnfit("this file is a database, but not a spool; give the spool a path of its own")


def bring_up_to_date(db: Any) -> None:
    """Apply the migrations the file hasn't seen, each whole or not at all.

    Raises:
        SpoolUnfit: it is newer than we are.
    """
    _, version = _mark(db)
    known = migrations()
    if version > known[-1][0]:
        raise _too_new(version)
    for number, script in known:
        if number > version:
            db.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_ID};\n"
                f"PRAGMA user_version = {number};\nCOMMIT;"
            )


def version_of(db: Any) -> int:
    """The layout's version; 0 where there is none yet.

    Raises:
        SpoolUnfit: it isn't a spool, or it is newer than we are.
    """
    refuse_foreign(db)
    _, version = _mark(db)
    if version > migrations()[-1][0]:
        raise _too_new(version)
    return version


def _too_new(version: int) -> SpoolUnfit:
    known = migrations()[-1][0]
    return SpoolUnfit(f"the spool is of version {version}, this program knows up to {known}: use a newer one")


def require_current(db: Any, path: Path) -> None:
    """For those who only look: it is a spool, and of our version.

    Raises:
        SpoolUnfit: it isn't.
    """
    ours, version = _mark(db)
    if ours != APPLICATION_ID:
        raise SpoolUnfit(f"{path} is no spool")
    if version != migrations()[-1][0]:
        raise SpoolUnfit(f"the spool {path} is of version {version}: start the service once to bring it up to date")


def _mark(db: Any) -> tuple[int, int]:
    """Whose file it is, and of which version."""
    ours: int = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return ours, version
