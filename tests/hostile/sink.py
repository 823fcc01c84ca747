"""A transport that goes nowhere, for connections that are fed by hand."""

import asyncio
from typing import Any


class Sink(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take whatever there is."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002 - the transport's signature
        """Know nothing."""
        return default

    def get_write_buffer_size(self) -> int:
        """All has left at once."""
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        assert not self.ended, "nothing is written behind the end"
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        """As TCP."""
        return True

    def write_eof(self) -> None:
        """End."""
        self.ended = True

    def close(self) -> None:
        """End."""
        self.ended = True

    def abort(self) -> None:
        """End."""
        self.ended = True

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self.ended

    def pause_reading(self) -> None:
        """There is nothing to read."""

    def resume_reading(self) -> None:
        """As before."""
