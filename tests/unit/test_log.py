"""What the log says of an exception: which it was and where it came up, and never a word of what was sent."""

import json

import pytest
import structlog

from gateway.log import FAILURES_MAX, PLACES_MAX, set_up

SECRET = "CANARY-77071234567"


def fail(secret: str) -> None:
    """Fail as parsers do: with what was sent in the message, and once more while that is handled."""
    try:
        dict[str, str]()[secret]
    except KeyError as error:
        raise ValueError(f"can't read {secret}") from error


def failing(secret: str, depth: int) -> None:
    """Fail deep down."""
    if depth:
        failing(secret, depth - 1)
    fail(secret)


@pytest.mark.parametrize("form", ["json", "text"])
def test_an_exception_is_told_without_its_words(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither its message nor any variable on the way, for both hold what strangers sent."""
    set_up("debug", form)
    try:
        failing(SECRET, 30)
    except ValueError:
        structlog.get_logger().error("request_failed", exc_info=True)
    said = capsys.readouterr().err
    assert "request_failed" in said
    assert "ValueError" in said
    assert "KeyError" in said
    assert "test_log.py" in said
    assert "CANARY" not in said


def test_an_exception_is_told_with_its_innermost_places(capsys: pytest.CaptureFixture[str]) -> None:
    """Which are where it came up; then the one it came from."""
    set_up("info", "json")
    try:
        failing(SECRET, 30)
    except ValueError as error:
        structlog.get_logger().error("request_failed", exc_info=error)
    outer, inner = json.loads(capsys.readouterr().err)["failure"]
    assert outer.split(" < ")[1].endswith(" fail")
    assert len(outer.split(" < ")) == 1 + PLACES_MAX
    assert inner.startswith("KeyError < test_log.py:")


def test_a_long_chain_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """An error in the handling of an error in the handling of an error."""
    set_up("info", "json")
    error: Exception = ValueError()
    for _ in range(10):
        error, error.__cause__ = ValueError(), error
    structlog.get_logger().error("request_failed", exc_info=error)
    assert len(json.loads(capsys.readouterr().err)["failure"]) == FAILURES_MAX


def test_what_somebody_sent_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """One event is one line of ASCII, whatever is in its values: line ends, escapes, separators, half a character."""
    set_up("info", "json")
    value = "a\r\n\x1b[2J\x00\u2028\u2029\x85\udc80\u202e" + "x" * 1_000
    structlog.get_logger().warning("told", value=value)
    said = capsys.readouterr().err
    assert said.isascii()
    assert said.count("\n") == 1
    assert all(character.isprintable() for character in said.rstrip("\n"))
    assert json.loads(said)["value"] == value


def test_what_is_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even in part."""
    set_up("error", "json")
    structlog.get_logger().warning("unimportant")
    assert capsys.readouterr().err == ""
