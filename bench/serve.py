"""The whole service as a process, from a configuration, until killed: what `serve` runs, without the admin side."""

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop

from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.log import set_up
from gateway.service import Service


async def serve(path: Path) -> None:
    """Run until SIGTERM."""
    config = load(path)
    set_up(config.log.level, config.log.format)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    service = Service(config, SystemClock())
    await service.start()
    await stop.wait()
    await service.stop()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.serve", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    uvloop.run(serve(parser.parse_args().config))


if __name__ == "__main__":
    main()
