"""The service as a process whose wall clock a test can move: `python -m tests.faults.serving CONFIG WALL`.

Everything is as in `nightsafe serve` but for one thing: the machine's wall clock is off by the seconds that stand in
the file WALL at the moment. libfaketime would do the same from without; with the clock behind it makes Python's threads
wait for each other (version 0.9.10), which no moved clock does.
"""

import asyncio
import signal
import sys
import time
from pathlib import Path

from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.log import set_up
from gateway.service import Service


async def serve(config: Path, wall: Path) -> None:
    """Serve until SIGTERM."""
    told, stop = load(config), asyncio.Event()
    set_up(told.log.level, told.log.format)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service = Service(told, SystemClock(wall_ns=lambda: time.time_ns() + int(wall.read_text()) * 1_000_000_000))
    await service.start()
    await stop.wait()
    await service.stop()


asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
