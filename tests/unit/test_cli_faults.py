"""What is wrong with the configuration is told in a sentence, whichever verb meets it."""

from pathlib import Path

import pytest

from gateway.cli import main
from gateway.cli.exits import Exit

VERBS = ("serve", "status", "list", "show 1", "verify", "config check", "keys status", "keys init", "window list")


@pytest.mark.parametrize("verb", VERBS)
def test_a_configuration_that_is_not_there(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person reads what to do, and no traceback."""
    missing = tmp_path / "nightsafe.toml"

    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--config", str(missing)])

    said = capsys.readouterr().err
    assert ended.value.code == Exit.UNFIT
    assert said.startswith(f"nightsafe: {missing}: 1 fault\n")
    assert "`nightsafe init`" in said
