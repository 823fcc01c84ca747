"""Masters at hand: what is not there, or no key, is refused in words that say how to mend it."""

from pathlib import Path

import pytest

from gateway.custody.local import FileMaster, environment_master, systemd_master
from spool.errors import KeysUnfit
from spool.masters import add_master, make_key_file
from spool.wrapping import LocalMasters, Wrapped, context_of, name_of
from tests.contracts.provider_examples import NOW_US, text

CONTEXT = context_of("data", 1)


@pytest.mark.parametrize("environment", [{}, {"MASTER": ""}])
def test_a_variable_that_is_not_set_is_named(environment: dict[str, str]) -> None:
    """And how to draw a key."""
    with pytest.raises(KeysUnfit, match=r"the environment variable MASTER is empty or not set; .* openssl rand"):
        environment_master("MASTER", environment)


@pytest.mark.parametrize("value", ["x", "A" * 44, text(1)[:-4], f"{text(1)} {text(1)}", f"{text(1)} x", "ключ"])
def test_a_variable_with_no_key_in_it_is_refused_and_not_shown(value: str) -> None:
    """It may be a key with a character too few."""
    with pytest.raises(KeysUnfit, match="the environment variable MASTER needs 32 bytes in base64") as caught:
        environment_master("MASTER", {"MASTER": value})

    assert f" {value} " not in str(caught.value)


def test_without_systemd_there_is_no_credential() -> None:
    """Somebody started the service by hand."""
    with pytest.raises(KeysUnfit, match=r"CREDENTIALS_DIRECTORY is not set.*write LoadCredentialEncrypted=m:"):
        systemd_master("m", {})


def test_a_credential_that_was_not_handed_over_is_named(tmp_path: Path) -> None:
    """With the folder it should be in."""
    with pytest.raises(KeysUnfit, match=f"the credential m can't be read from {tmp_path}: No such file"):
        systemd_master("m", {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_a_credential_of_other_bytes_is_refused(tmp_path: Path) -> None:
    """It is a text."""
    (tmp_path / "m").write_bytes(b"\xff" * 32)
    with pytest.raises(KeysUnfit, match=f"the credential m can't be read from {tmp_path}: it is no text"):
        systemd_master("m", {"CREDENTIALS_DIRECTORY": str(tmp_path)})


async def test_a_key_file_is_read_again_for_a_master_that_came_later(tmp_path: Path) -> None:
    """Another process renewed it while this one ran."""
    make_key_file(tmp_path / "key", NOW_US)
    here = FileMaster(tmp_path / "key")
    add_master(tmp_path / "key", NOW_US)
    elsewhere = FileMaster(tmp_path / "key")

    wrapped = await elsewhere.wrap(b"k" * 32, CONTEXT)

    assert not here.knows(wrapped.master)
    assert await here.unwrap(wrapped, CONTEXT) == b"k" * 32
    assert here.is_newest(wrapped.master)


async def test_a_master_that_was_dropped_opens_nothing_more(tmp_path: Path) -> None:
    """What it wrapped must be wrapped anew before."""
    make_key_file(tmp_path / "key", NOW_US)
    provider = FileMaster(tmp_path / "key")
    old = await provider.wrap(b"k" * 32, CONTEXT)
    await provider.renew(NOW_US)

    await provider.drop(old.master)

    with pytest.raises(KeysUnfit, match=f"the master key {old.master} is not here"):
        await provider.unwrap(old, CONTEXT)


def test_a_masters_name_is_no_part_of_it() -> None:
    """It stands in the key store and in logs."""
    master = bytes(range(32))

    assert name_of(master) == name_of(master) != name_of(bytes(32))
    assert name_of(master).startswith("local:")
    assert master.hex()[:8] not in name_of(master)
    assert repr(LocalMasters([master])) == f"LocalMasters({name_of(master)})"


@pytest.mark.parametrize("masters", [[], [b"short"]])
def test_unfit_masters_are_our_own_mistake(masters: list[bytes]) -> None:
    """What comes from outside is checked before."""
    with pytest.raises(AssertionError):
        LocalMasters(masters)


def test_a_wrapped_key_of_no_length_is_refused() -> None:
    """As any other that was edited."""
    masters = LocalMasters([bytes(32)])
    with pytest.raises(KeysUnfit, match="does not open"):
        masters.unwrap(Wrapped(masters.newest, b""), CONTEXT)
