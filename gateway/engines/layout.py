"""What a start would do to the spool's layout, in words; nothing is changed by asking."""

import asyncio
from typing import Final

from gateway.config.model import Config
from gateway.engines.opening import database_of, place_of
from spool.layout import Outlook
from spool.postgres.schema import outlook as outlook_of_database
from spool.sqlite.reading import outlook as outlook_of_file

COPY_FIRST: Final = {
    "sqlite": "copy it first: nightsafe backup FILE",
    "postgres": "back it up first, by the database's own tools",
}


def words(config: Config) -> str:
    """A line, and one for each step.

    Raises:
        SpoolUnfit: it can't be read, or is none, or is newer than this program can work with.
        SecretMissing: the database's URL isn't where the configuration says.
    """
    engine = config.spool.engine
    if engine == "memory":
        return "in memory: a start begins with nothing"
    found = _outlook(config)
    place = place_of(config)
    if not found.version:
        return f"{place}: no spool yet; a start lays it out (layout {found.known})"
    if not found.steps:
        return f"{place}: layout {found.version}; a start changes nothing of it"
    steps = [f"  {step.version}  {step.about}" for step in found.steps]
    first = f"{place}: layout {found.version}; a start brings it to {found.known} ({COPY_FIRST[engine]})"
    return "\n".join([first, *steps])


def _outlook(config: Config) -> Outlook:
    if config.spool.engine == "postgres":
        return asyncio.run(outlook_of_database(database_of(config)))
    return outlook_of_file(config.spool.path)
