"""Errors of the spool say what is the case, so that whoever reads them knows what to do."""

from spool.errors import RecordDamaged, SpoolHeld


def test_a_damaged_record_is_named() -> None:
    """By its number, which `nightsafe show` takes."""
    error = RecordDamaged(4711)
    assert (error.number, str(error).partition(":")[0]) == (4711, "the record of entry 4711 does not open")


def test_whoever_holds_a_spool_is_named() -> None:
    """And what to do about it."""
    error = SpoolHeld("/var/spool.db", "process 7")
    assert (error.path, error.holder) == ("/var/spool.db", "process 7")
    assert str(error).startswith("the spool /var/spool.db is in use by process 7; stop that one first")
