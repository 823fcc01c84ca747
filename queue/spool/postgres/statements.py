"""The SQL of this engine, read from its `.sql` files."""

import re
from typing import Final, NamedTuple

from spool.rows import numbered_scripts, statements

_PACKAGE: Final = "spool.postgres"

SQL: Final = statements(_PACKAGE)
"""Every named statement of `queries.sql`."""

_BESIDE: Final = re.compile(r"-- works beside programs from version (\d+)\n")


class Migration(NamedTuple):
    """One step of the layout."""

    version: int
    #: The oldest program that can go on working once it is made.
    programs_from: int
    script: str


def migrations() -> list[Migration]:
    """Every migration, in order."""
    found: list[Migration] = []
    for version, script in numbered_scripts(_PACKAGE):
        said = _BESIDE.match(script)
        assert said is not None, "a migration says in its first line what it works beside"
        found.append(Migration(version, int(said[1]), script))
    return found
