"""The command as a call: what a shell would see of it, without the second that a process of its own takes to start."""

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.cli import main


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


def nightsafe(*arguments: str | Path, told: str = "") -> Said:
    """Run a verb to its end, with `told` on standard input. Not for `serve`, which makes the process its own."""
    out, err = _stream(), _stream()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _standard_input(told):
        returncode = _exit_code([str(each) for each in arguments])
    return Said(returncode, _text(out), _text(err))


def _exit_code(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _stream(content: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content.encode()), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextlib.contextmanager
def _standard_input(content: str) -> Iterator[None]:
    before, sys.stdin = sys.stdin, _stream(content)
    try:
        yield
    finally:
        sys.stdin = before
