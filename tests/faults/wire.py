"""A cable between this machine and another network of its own, that can be slow, lose packets, or be cut.

Two TUN devices, one here and one in a network namespace that lives as long as the cable, and a pump between them in
the test's own event loop. Needs the right to make both (root), `unshare` and `nsenter` (util-linux) and `ip` (iproute2).
"""

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

TUNSETIFF: Final = 0x400454CA
IFF_TUN: Final = 0x0001
IFF_NO_PI: Final = 0x1000
"""From Linux's `linux/if_tun.h`."""

PACKET_BYTES_MAX: Final = 65_536
HERE: Final = "10.213.77.1"
THERE: Final = "10.213.77.2"
NEEDED: Final = ("ip", "unshare", "nsenter")


def missing() -> str:
    """What this machine lacks for a cable, in words; empty when nothing."""
    lacking = [tool for tool in NEEDED if shutil.which(tool) is None]
    if lacking:
        return f"{', '.join(lacking)} missing (Debian: apt-get install iproute2 util-linux)"
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return "no right to make network namespaces and /dev/net/tun devices"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)  # noqa: S607 - the system's own
    return "" if tried.returncode == 0 else "network namespaces are forbidden here"


def open_tun(name: str, own: str, peer: str) -> int:
    """Make a TUN device in the present network; it is gone when its descriptor is closed."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN | IFF_NO_PI))
    for command in (("address", "add", own, "peer", peer, "dev", name), ("link", "set", name, "up")):
        subprocess.run(["ip", *command], check=True, capture_output=True)  # noqa: S607 - the system's own
    return descriptor


class Wire:
    """The cable. Packets that come are passed on, as it is at that moment."""

    def __init__(self, here: int, there: int, namespace: Path, chance: random.Random) -> None:
        """Pump between two TUN devices by the running loop."""
        self._loop = asyncio.get_running_loop()
        self._chance = chance
        self._ends = (here, there)
        self.namespace = namespace
        #: Seconds a packet takes, and the share of packets that is lost.
        self.delay_s = 0.0
        self.loss = 0.0
        #: Cut for packets that go there, and for those that come from there.
        self.cut_there = False
        self.cut_here = False
        #: Packets that were lost or cut off.
        self.dropped = 0
        self._loop.add_reader(here, self._pass_on, here, there)
        self._loop.add_reader(there, self._pass_on, there, here)

    def heal(self) -> None:
        """As good as new."""
        self.delay_s, self.loss, self.cut_there, self.cut_here = 0.0, 0.0, False, False

    def cut(self) -> None:
        """Cut it both ways; neither end is told."""
        self.cut_there = self.cut_here = True

    def within(self) -> tuple[str, ...]:
        """A command that becomes the command after it, at the far end."""
        return ("nsenter", f"--net={self.namespace}")

    def close(self) -> None:
        """Pass nothing on any more."""
        for end in self._ends:
            self._loop.remove_reader(end)
            os.close(end)

    def _pass_on(self, source: int, target: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._carry(os.read(source, PACKET_BYTES_MAX), target)

    def _carry(self, packet: bytes, target: int) -> None:
        is_cut = self.cut_there if target == self._ends[1] else self.cut_here
        if is_cut or self._chance.random() < self.loss:
            self.dropped += 1
        elif self.delay_s:
            self._loop.call_later(self.delay_s, _write, target, packet)
        else:
            _write(target, packet)


def _write(target: int, packet: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(target, packet)


@contextlib.asynccontextmanager
async def wired(chance: random.Random) -> AsyncGenerator[Wire]:
    """A cable to a new network; both are gone at the end, after whatever still ran there."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    command = ["unshare", "--net", sys.executable, "-m", "tests.faults.wire", str(far.fileno())]
    holder = await asyncio.create_subprocess_exec(*command, pass_fds=[far.fileno()])
    far.close()
    with near:
        _, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, near, 1, 1)
        here = open_tun(f"nsw{os.getpid()}", HERE, THERE)
        wire = Wire(here, descriptors[0], Path(f"/proc/{holder.pid}/ns/net"), chance)
        try:
            yield wire
        finally:
            wire.close()
    await holder.wait()


def hold(number: int) -> None:
    """The far end's process: make its device, hand it over, and keep the network until the near end hangs up."""
    with socket.socket(fileno=number) as near:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # noqa: S607 - the system's own
        socket.send_fds(near, [b"."], [open_tun("nsw", THERE, HERE)])
        near.recv(1)


def argument(arguments: Sequence[str]) -> int:
    """The number of the socket to the near end."""
    return int(arguments[1])


if __name__ == "__main__":
    hold(argument(sys.argv))
