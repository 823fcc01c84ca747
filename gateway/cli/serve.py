"""`nightsafe serve`: the service as a process, from its configuration to its last write."""

import asyncio
import errno
import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.cores.http import TlsFileUnusable
from adapters.secret import SecretMissing
from gateway.admin.views import by_state
from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.config.model import Config
from gateway.engines.layout import words
from gateway.engines.moving import move_here
from gateway.http.settings import ListenerSettings
from gateway.log import log, set_up
from gateway.service import Service
from gateway.tracing.joined import TracingUnfit
from spool.errors import KeysUnfit, SpoolHeld, SpoolUnfit


def run(path: Path, moved_from: Path | None = None) -> int:
    """Serve until SIGTERM or SIGINT; a spool that is to be `moved_from` another configuration's place is moved first.

    Raises:
        ConfigUnfit: every fault at once; nothing was opened.
        Failure: it can't start.
    """
    config, former = load(path), None if moved_from is None else load(moved_from)
    set_up(config.log.level, config.log.format)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_serve(config, path, former))
    except (SpoolHeld, SpoolUnfit, KeysUnfit, SecretMissing, TlsFileUnusable, TracingUnfit) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    return Exit.DONE


def outlook(path: Path) -> int:
    """Say what a start would change of the spool's layout, and change nothing.

    Raises:
        ConfigUnfit: every fault at once; nothing was opened.
        Failure: it couldn't start.
    """
    config = load(path)
    try:
        sys.stdout.write(f"{words(config)}\n")
    except (SpoolUnfit, SecretMissing) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    return Exit.DONE


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The loop of uvloop where there is one, else the standard library's."""
    try:
        import uvloop  # noqa: PLC0415 - optional; without it the standard loop does
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(config: Config, path: Path, former: Config | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    service = Service(config, SystemClock(), file=path)
    if former is not None:
        service.joining.move_here = lambda: move_here(former, config, service.clock.now_us(), _moving)
    reading = set[asyncio.Task[None]]()

    def read_access_anew() -> None:
        task = loop.create_task(service.admin.read_access_anew())
        reading.add(task)
        task.add_done_callback(reading.discard)

    loop.add_signal_handler(signal.SIGHUP, read_access_anew)
    try:
        if not await _started(service, stop):
            return
    except OSError as error:
        way_out = (
            "; stop who listens there, or name another port under [listen]" if error.errno == errno.EADDRINUSE else ""
        )
        raise Failure(f"can't listen: {error.strerror or error}{way_out}", Exit.CANNOT_START) from error
    # What was made so far lives as long as the process: the collector need not look at it again and again. Whoever waits for
    # the words is answered at once, and not after that.
    gc.collect()
    gc.freeze()
    _say(service)
    await stop.wait()
    await service.stop()


def _moving(step: str) -> None:
    log.warning("spool_moving", step=step)


async def _started(service: Service, stop: asyncio.Event) -> bool:
    """Start it; False when it was told to stop while it waited for its database."""
    starting, stopping = asyncio.create_task(service.start()), asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done() and service.joining.is_waiting:
        starting.cancel()
        await asyncio.wait({starting})
        return False
    await starting
    return True


_WAITS: Final = "not yet: the spool lacks what was witnessed; look at nightsafe status, then nightsafe evidence accept"


def _say(service: Service) -> None:
    """What was found, and where it listens, for the person who started it."""
    found = by_state(service.spool.store.tally.cells())
    counts = [
        f"{state} {total.entries} ({total.amount} {total.currency})"
        for state, totals in found.items()
        for total in totals
    ]
    lines = [
        f"found: {', '.join(counts) or 'an empty spool'}",
        f"channels: {_url(service.channel_listener.port, service.config.listen.channels) if service.ready else _WAITS}",
        f"admin: {_url(service.admin_listener.port, service.config.listen.admin)}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _url(port: int, settings: ListenerSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls else 'http'}://{host}:{port}"
