"""What an operator may set about the spool and its engine."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.secret import SecretRef
from spool.nodes import SEATS_MAX

SETTINGS: Final = ConfigDict(
    extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=False
)


class AloneSettings(BaseModel):
    """What a node does by itself while its database is away: `[spool.postgres.alone]`. Without it: nothing."""

    model_config = SETTINGS

    path: Annotated[
        Path,
        Field(
            strict=False,
            description=(
                "The file for payments taken meanwhile, on a local disk that outlives the node; they are brought over when"
                " the database is back."
            ),
        ),
    ] = Path("var/spool/alone.db")
    entries_max: Annotated[
        int, Field(ge=1, le=1_000_000, description="Most payments in it at once; beyond them, ask again.")
    ] = 10_000
    share_percent: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description=(
                "Of what each stand-in limit had left, how much this node may use by itself, per cent. With two nodes that"
                " do, 50 keeps every limit when both lose the database."
            ),
        ),
    ] = 25


class DatabaseSettings(BaseModel):
    """A PostgreSQL database that several nodes may share, each with another `node.name`: `[spool.postgres]`."""

    model_config = SETTINGS

    url: Annotated[
        SecretRef,
        Field(
            description=(
                "Where its URL is, as it holds a password. It may name several servers, of which the one that takes writes"
                " is found: postgresql://user:password@db-1,db-2/nightsafe."
            ),
            examples=[{"file": "/run/credentials/nightsafe.service/database"}],
        ),
    ]
    nodes_max: Annotated[
        int,
        Field(
            ge=1,
            le=SEATS_MAX,
            description="Nodes at work at once, at most; with 1 a node waits for another to end, and knows lanes by itself.",
        ),
    ] = SEATS_MAX
    lease_s: Annotated[
        float,
        Field(
            ge=1,
            le=300,
            description="Seconds without a commit after which a node has lost what it had in flight to the others.",
        ),
    ] = 5.0
    poll_s: Annotated[
        float,
        Field(ge=0.05, le=60, description="Seconds between two looks at what the other nodes did; below a lease."),
    ] = 0.25
    connect_timeout_s: Annotated[
        float, Field(ge=0.1, le=60, description="Seconds in which a server must take a connection.")
    ] = 5.0
    statement_timeout_s: Annotated[
        float, Field(ge=0.5, le=300, description="Seconds one statement may take, a commit among them.")
    ] = 10.0
    readers_max: Annotated[
        int, Field(ge=1, le=64, description="Connections for reading, of the service and of its admin side each.")
    ] = 4
    alone: Annotated[
        AloneSettings | None,
        Field(description="Whether and how far this node takes payments while the database is away."),
    ] = None
    standbys_min: Annotated[
        int,
        Field(
            ge=0,
            le=8,
            description=(
                "Standbys that must follow synchronously; with fewer new payments get try later. 1 where the loss of a"
                " server must lose nothing."
            ),
        ),
    ] = 0


class SpoolSettings(BaseModel):
    """Where accepted payments are kept: `[spool]`."""

    model_config = SETTINGS

    engine: Annotated[
        Literal["sqlite", "postgres", "memory"],
        Field(
            description=(
                "The durable embedded database; a PostgreSQL that several nodes may share; or memory for rehearsals: that"
                " one forgets all when it stops."
            )
        ),
    ] = "sqlite"
    path: Annotated[
        Path,
        Field(
            strict=False,
            description=(
                "The database file, on a local disk; its folder is made if need be. With the engine postgres only the folder"
                " counts: what a node remembers of its routes and of the last hours is there."
            ),
        ),
    ] = Path("var/spool/nightsafe.db")
    key_file: Annotated[
        Path,
        Field(
            strict=False,
            description="The key file, with the master key; mode 0600, made by `nightsafe init`, backed up elsewhere.",
        ),
    ] = Path("var/keys/nightsafe.key")
    reserve_mib: Annotated[
        int,
        Field(
            ge=1,
            le=1_048_576,
            description="MiB kept free on its disk: below it new payments get try later while waiting ones go on.",
        ),
    ] = 64
    retention_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_500,
            description=(
                "Days after a payment ended, and nothing of it is owed back, until it leaves the spool with its key and its"
                " history; 0 = never. A repeat that comes later is a new payment: at least 30."
            ),
        ),
    ] = 0
    forget_per_s: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Most entries a second that are looked at for that, in the background.",
        ),
    ] = 500
    postgres: Annotated[
        DatabaseSettings | None, Field(description="The database of the engine postgres, which needs this table.")
    ] = None
