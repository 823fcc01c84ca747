"""What is over leaves a spool while gateways work on it, in small commits; the database keeps aside what left, for the judge."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

from adapters.channels.scripted.diary import Diary
from gateway.clock import SystemClock
from spool.errors import SpoolError
from spool.forgetting import Past
from spool.number import number_at
from spool.postgres import PostgresSettings, PostgresStore
from tests.acceptance.nodes import LEASE_S, Cluster
from tests.acceptance.stage import run_python

KEPT_S: Final = 8.0
"""So long what is over is kept: a storm has no days. A repeat after that is another payment, and the judge is told which."""

EVERY: Final = 15
"""Answers between two looks."""

AT_ONCE: Final = 50

ASIDE: Final = (
    "DROP INDEX gone.entry_key, gone.entry_in_flight",
    """
    CREATE FUNCTION gone.keep() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE format('INSERT INTO gone.%I SELECT ($1).*', TG_TABLE_NAME) USING OLD;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER leaves AFTER DELETE ON public.entry FOR EACH ROW EXECUTE FUNCTION gone.keep()",
    "CREATE TRIGGER leaves AFTER DELETE ON public.event FOR EACH ROW EXECUTE FUNCTION gone.keep()",
)
"""By the database itself, in the commit in which it leaves: whoever forgets has no word in it."""


class Leaving:
    """One more node, which sends nothing: it only forgets."""

    def __init__(self, cluster: Cluster, store: PostgresStore) -> None:
        """By this store of the cluster's spool."""
        self._cluster = cluster
        self._store = store
        self._clock = SystemClock()

    async def run(self, diary: Diary) -> None:
        """Again and again, by the progress of the traffic, until cancelled."""
        while True:
            await diary.answers.reach(diary.answers.count + EVERY)
            with contextlib.suppress(SpoolError):  # the database was killed, or this node was thought dead
                await self.look(KEPT_S)

    async def look(self, kept_s: float) -> None:
        """Once, at the oldest."""
        now_us = self._clock.now_us()
        ended_us = now_us - round(kept_s * 1_000_000)
        await self._store.forget(Past(number_at(ended_us), ended_us), 0, AT_ONCE, now_us)

    async def exported(self, core: str) -> Path:
        """What left of a core's route, written as the spool's own export is."""
        folder = self._cluster.scene.folder
        url, config, made = folder / "gone.url", folder / "gone.toml", folder / f"{core}.gone.jsonl"
        url.write_text(self._cluster.database.dsn(search_path="gone"), encoding="utf-8")
        text = self._cluster.scene.config.read_text(encoding="utf-8")
        config.write_text(text.replace(str(folder / "database.url"), str(url)), encoding="utf-8")
        code, said = await run_python("-m", "gateway", "export", "--route", core, "--config", str(config))
        assert code == 0, said
        made.write_bytes(said)
        return made


@contextlib.asynccontextmanager
async def leaving(cluster: Cluster) -> AsyncGenerator[Leaving]:
    """Somebody who forgets, on the spool of a cluster that has started."""
    server, now_us = cluster.database, SystemClock().now_us()
    server.ask("CREATE SCHEMA gone")
    aside = PostgresStore(PostgresSettings(dsn=server.dsn(search_path="gone"), node="aside"))
    await aside.open(now_us)
    await aside.close()
    server.ask(*ASIDE)
    store = PostgresStore(PostgresSettings(dsn=server.dsn(), node="leaving", lease_s=LEASE_S))
    await store.open(now_us)
    for core in cluster.cores:
        store.forwards(core, does=False)
    try:
        yield Leaving(cluster, store)
    finally:
        await store.close()
