"""The SQL of this engine, read from its `.sql` files."""

import re
from typing import Final, NamedTuple

from spool.rows import numbered_scripts, statements

_PACKAGE: Final = "spool.postgres"

SQL: Final = statements(_PACKAGE)
"""Every named statement of `queries.sql`."""

_BESIDE: Final = re.compile(r"-- works beside programs from version (\d+)\n(-- outside a transaction\n)?")
_INDEX: Final = re.compile(r"(CREATE|DROP) INDEX CONCURRENTLY (\w+)\b[^;]*", re.MULTILINE)


class Migration(NamedTuple):
    """One step of the layout."""

    version: int
    #: The oldest program that can go on working once it is made.
    programs_from: int
    script: str
    #: It makes or drops indexes while others write, which the server does outside a transaction alone.
    apart: bool

    def indexes(self) -> list["IndexStep"]:
        """What it does, one index at a time."""
        return [IndexStep(found[2], found[0], made=found[1] == "CREATE") for found in _INDEX.finditer(self.script)]

    def on_empty_tables(self) -> str:
        """The same where nobody has written anything yet."""
        return self.script.replace(" CONCURRENTLY", "")


class IndexStep(NamedTuple):
    """An index that is made, or dropped."""

    name: str
    statement: str
    made: bool


def migrations() -> list[Migration]:
    """Every migration, in order."""
    found: list[Migration] = []
    for version, script in numbered_scripts(_PACKAGE):
        said = _BESIDE.match(script)
        assert said is not None, "a migration says in its first line what it works beside"
        found.append(Migration(version, int(said[1]), script, apart=said[2] is not None))
    return found
