"""From settings to an engine: to work with, beside it to look through, and alone to look while nobody works."""

from pathlib import Path
from typing import Final

from gateway.admin.state.kept_trend import TrendInFile
from gateway.admin.state.trend import TrendKeeper
from gateway.config.model import Config
from gateway.route.kept import KeptInFile
from gateway.route.record import KeptInMemory, RecordKeeper
from spool.away.allowance import Allowance
from spool.away.store import AwayStore
from spool.memory import MemoryStore
from spool.postgres import PostgresSettings, PostgresStore
from spool.postgres.reading import PostgresReading
from spool.sqlite import SqliteStore
from spool.sqlite.reading import SqliteReading
from spool.store import Store

MIB: Final = 2**20

Reading = SqliteReading | PostgresReading
"""An engine in nobody's hands: everything that reads works, and `still` holds one moment."""


def store_of(config: Config) -> Store:
    """The engine to work with.

    Raises:
        SecretMissing: the database's URL isn't where the configuration says.
    """
    match config.spool.engine:
        case "memory":
            return MemoryStore()
        case "postgres":
            return _database_store(config)
        case "sqlite":
            reserve_bytes = config.spool.reserve_mib * MIB
            return SqliteStore(Path(config.spool.path), reserve_bytes=reserve_bytes, stall_s=_stall_s(config))


def _database_store(config: Config) -> PostgresStore:
    said = config.spool.postgres
    assert said is not None, "the configuration was checked"
    if said.alone is None:
        return PostgresStore(database_of(config))
    beside = SqliteStore(said.alone.path, reserve_bytes=config.spool.reserve_mib * MIB, stall_s=_stall_s(config))
    allowance = Allowance(entries_max=said.alone.entries_max, share_percent=said.alone.share_percent)
    return AwayStore(database_of(config), beside, allowance)


def shelf_of(config: Config, store: Store) -> Store:
    """The same entries, to look through without standing in the way of payments."""
    return store if config.spool.engine == "memory" else reading_of(config)


def reading_of(config: Config) -> Reading:
    """The entries only to look at, whether somebody works on them or not. Errors: as `store_of`."""
    if config.spool.engine == "postgres":
        return PostgresReading(database_of(config))
    return SqliteReading(Path(config.spool.path))


def place_of(config: Config) -> str:
    """Where the entries are, in words; a database's URL is never shown."""
    return "in the database" if config.spool.engine == "postgres" else f"at {config.spool.path}"


def keeper_of(config: Config, route: str) -> RecordKeeper:
    """Where what a node learns of a route is kept: beside the spool's file, or nowhere."""
    if config.spool.engine == "memory":
        return KeptInMemory()
    return KeptInFile(config.spool.path.with_name(f"route-{route}.json"))


def trend_keeper_of(config: Config) -> TrendKeeper | None:
    """Where what a node drew of its routes is kept: there too."""
    if config.spool.engine == "memory":
        return None
    return TrendInFile(config.spool.path.with_name("charts.jsonl"), len(config.routes))


def is_durable(config: Config) -> bool:
    """The entries outlive the process."""
    return config.spool.engine != "memory"


def database_url(config: Config) -> str:
    """The URL of the spool's database. Holds a password. Errors: as `store_of`."""
    assert config.spool.postgres is not None, "the configuration was checked"
    return config.spool.postgres.url.read().get_secret_value()


def database_of(config: Config) -> PostgresSettings:
    """The spool's database, and how long to wait for it. Errors: as `store_of`."""
    said = config.spool.postgres
    assert said is not None, "the configuration was checked"
    return PostgresSettings(
        dsn=database_url(config),
        node=config.node.name,
        nodes_max=said.nodes_max,
        lease_s=said.lease_s,
        poll_s=said.poll_s,
        connect_s=said.connect_timeout_s,
        statement_s=said.statement_timeout_s,
        stall_s=_stall_s(config),
        readers_max=said.readers_max,
        standbys_min=said.standbys_min,
        alone=said.alone is not None,
    )


def _stall_s(config: Config) -> float:
    """A hanging disk must leave every channel its deadline."""
    return max(0.5, 0.5 * min((channel.deadline_s for channel in config.channels.values()), default=10.0))
