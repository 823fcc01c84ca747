"""What `nightsafe init` makes: a configuration that runs as it is, and nothing that was there is written over."""

import hashlib
import stat
from pathlib import Path

import pytest

from gateway.clock import ManualClock, SystemClock
from gateway.config.init import ConfigExists, make
from gateway.config.load import check, load


def test_what_is_made_has_no_faults(tmp_path: Path) -> None:
    """The first start works without an editor."""
    made = make(tmp_path / "var", SystemClock())
    config = load(made.config)
    assert config.channels.keys() == {"kiosk", "bank"}
    assert config.routes["main"].core == "billing"
    assert config.cores["billing"].url == "http://127.0.0.1:8090"
    assert "no faults" in check(made.config)


def test_the_tokens_are_in_files_of_their_own_and_only_their_hashes_in_the_configuration(tmp_path: Path) -> None:
    """Whoever reads the configuration can't pay or steer with it."""
    made = make(tmp_path, SystemClock())
    config = load(made.config)
    bank, admin = made.bank_token.read_text().strip(), made.admin_token.read_text().strip()
    assert config.shown()["channels"]["bank"]["tokens_sha256"] == [f"{digest(bank)[:12]}..."]
    assert config.admin.tokens["admin"].sha256 == digest(admin)
    assert bank not in made.config.read_text()
    assert admin not in made.config.read_text()


def digest(token: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def test_only_the_owner_may_read_what_is_made(tmp_path: Path) -> None:
    """Tokens and key are secrets; the configuration says where they are."""
    made = make(tmp_path / "var", SystemClock())
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.made} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in (made.key, made.bank_token)} == {0o700}


def test_it_says_what_it_made(tmp_path: Path) -> None:
    """The command prints it; nothing is left beside it."""
    made = make(tmp_path, SystemClock())
    assert made.made == (made.key, made.evidence, made.bank_token, made.admin_token, made.config)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {
        *made.made,
        made.evidence.with_name("evidence.key.pub"),
    }


def test_tokens_are_drawn_anew_each_time(tmp_path: Path) -> None:
    """Two installations never share one."""
    made = [make(tmp_path / name, SystemClock()) for name in ("one", "two")]
    tokens = [path.read_text() for each in made for path in (each.bank_token, each.admin_token)]
    assert len(set(tokens)) == 4


def test_an_existing_configuration_is_left_alone(tmp_path: Path) -> None:
    """It may be the only copy of what an operator has agreed with the banks."""
    (tmp_path / "nightsafe.toml").write_text("mine")
    with pytest.raises(ConfigExists, match="left as it is"):
        make(tmp_path, SystemClock())
    assert [path.name for path in tmp_path.iterdir()] == ["nightsafe.toml"]


def test_an_existing_configuration_is_fine_if_missing_was_said(tmp_path: Path) -> None:
    """`make run` says it each time."""
    first = make(tmp_path, SystemClock())
    content = {path: path.read_bytes() for path in first.made}
    again = make(tmp_path, SystemClock(), if_missing=True)
    assert again.made == ()
    assert {path: path.read_bytes() for path in first.made} == content


def test_a_run_that_was_cut_short_is_taken_up(tmp_path: Path) -> None:
    """The key may seal payments already, and the token may be with the bank: both stay."""
    first = make(tmp_path, SystemClock())
    first.config.unlink()
    first.admin_token.unlink()
    key = first.key.read_bytes()
    bank = first.bank_token.read_text()
    again = make(tmp_path, ManualClock())
    assert again.made == (first.admin_token, first.config)
    assert first.key.read_bytes() == key
    assert first.bank_token.read_text() == bank
    assert load(again.config).admin.tokens["admin"].sha256 == digest(first.admin_token.read_text().strip())


@pytest.mark.parametrize(
    "name", ['with "quotes"', "with spaces", "back\\slash", "line\nbreak", "\u0441\u0435\u0439\u0444"]
)
def test_any_folder_name_will_do(tmp_path: Path, name: str) -> None:
    """Paths are written as TOML wants them."""
    made = make(tmp_path / name, SystemClock())
    assert load(made.config).spool.key_file == made.key


def test_a_relative_folder_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service finds everything, wherever it is started from."""
    monkeypatch.chdir(tmp_path)
    made = make(Path("var"), SystemClock())
    assert load(made.config).spool.path == tmp_path / "var/spool/nightsafe.db"
