"""The key file is guarded, durable and never overwritten; what it holds is never shown."""

import base64
import json
import os
import stat
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from spool.errors import KeysUnfit
from spool.masters import (
    MASTERS_MAX,
    Masters,
    _DataKey,
    _KeyFile,
    _Master,
    _MasterFile,
    _Version,
    add_master,
    drop_master,
    make_key_file,
    read_key_file,
)
from spool.wrapping import name_of

NOW_US = 1_767_225_600_000_000
ONE, TWO, INDEX = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def text(key: bytes) -> str:
    """A key as the file holds it."""
    return base64.b64encode(key).decode()


def chance() -> Callable[[int], bytes]:
    """Keys that can be told beforehand."""
    numbers = count(1)
    return lambda size: bytes([next(numbers)]) * size


def content(**changes: Any) -> dict[str, Any]:
    """A good key file of version 1."""
    good = {
        "version": 1,
        "index_key": text(INDEX),
        "data_keys": [{"id": 1, "key": text(ONE), "created": "2026-01-01T00:00:00Z"}],
    }
    return {**good, **changes}


def masters(*keys: bytes, **changes: Any) -> dict[str, Any]:
    """A good key file."""
    made = [{"key": text(key), "created": "2026-01-01T00:00:00Z"} for key in keys or (ONE,)]
    return {"version": 2, "masters": made, **changes}


def data_key(key_id: int, key: bytes = ONE) -> dict[str, Any]:
    """A data key as the file holds it."""
    return {"id": key_id, "key": text(key), "created": "2026-01-01T00:00:00Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key file goes."""
    return tmp_path / "keys.json"


def write(path: Path, what: object, mode: int = 0o600) -> None:
    """Put a key file there."""
    path.write_text(what if isinstance(what, str) else json.dumps(what), encoding="utf-8")
    path.chmod(mode)


# Making


def test_a_new_key_file_is_read_back(path: Path) -> None:
    """One master, and nothing that seals."""
    made = make_key_file(path, NOW_US, chance())

    assert made == read_key_file(path) == Masters((b"\x01" * 32,))


def test_a_new_key_file_says_when_it_was_made(path: Path) -> None:
    """In UTC, for whoever looks after rotation."""
    make_key_file(path, NOW_US, chance())

    assert json.loads(path.read_text(encoding="utf-8"))["masters"][0]["created"] == "2026-01-01T00:00:00Z"


def test_a_new_key_file_is_its_owners_alone(path: Path) -> None:
    """Whatever the process's umask."""
    before = os.umask(0)
    try:
        make_key_file(path, NOW_US, chance())
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_keys_of_the_system_differ_each_time(tmp_path: Path) -> None:
    """Chance is the operating system's unless given."""
    assert make_key_file(tmp_path / "one", NOW_US) != make_key_file(tmp_path / "two", NOW_US)


def test_a_key_file_is_never_overwritten(path: Path) -> None:
    """What is sealed under it could never be opened again."""
    write(path, "precious")

    with pytest.raises(KeysUnfit, match="exists already and is not overwritten"):
        make_key_file(path, NOW_US, chance())

    assert path.read_text(encoding="utf-8") == "precious"


def test_a_link_is_never_written_through(path: Path, tmp_path: Path) -> None:
    """Not even one that leads nowhere."""
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeysUnfit, match="exists already"):
        make_key_file(path, NOW_US, chance())

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("there", [False, True])
def test_making_a_key_file_leaves_nothing_else_behind(path: Path, *, there: bool) -> None:
    """No draft with keys in it stays in the folder, whether it went well or not."""
    path.write_text("precious", encoding="utf-8") if there else make_key_file(path, NOW_US, chance())

    with pytest.raises(KeysUnfit):
        make_key_file(path, NOW_US, chance())

    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing is made but the file."""
    with pytest.raises(KeysUnfit, match=r"missing/keys\.json can't be written: No such file"):
        make_key_file(tmp_path / "missing" / "keys.json", NOW_US, chance())


# Reading


def test_a_file_of_version_1_gives_its_keys_and_a_master_of_its_own(path: Path) -> None:
    """The master is none of the keys that seal, so no key has two uses."""
    write(path, content(data_keys=[data_key(7, TWO), data_key(2)]))

    found = read_key_file(path)

    assert found.former is not None
    assert (dict(found.former.data_keys), found.former.index_key) == ({2: ONE, 7: TWO}, INDEX)
    assert found == read_key_file(path)
    assert not {*found.keys} & {ONE, TWO, INDEX}


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_may_be_stricter(path: Path, mode: int) -> None:
    """Read only is better still."""
    write(path, content(), mode)

    assert len(read_key_file(path).keys) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o610, 0o601, 0o777])
def test_a_key_file_open_to_others_is_refused_with_the_cure(path: Path, mode: int) -> None:
    """Read, write or execute, by group or world."""
    write(path, content(), mode)

    with pytest.raises(KeysUnfit) as caught:
        read_key_file(path)

    assert (
        str(caught.value) == f"the key file {path} is open to others (mode {mode:04o}); mend it with: chmod 600 {path}"
    )


def test_a_missing_key_file_is_named_with_what_to_do(path: Path) -> None:
    """A new spool needs one made; an old one needs its own back."""
    with pytest.raises(KeysUnfit, match=r"there is no key file .*keys\.json; put it back .*nightsafe keys init"):
        read_key_file(path)


def test_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    """Whoever may change the link would choose the keys."""
    write(tmp_path / "real", content())
    path.symlink_to(tmp_path / "real")

    with pytest.raises(KeysUnfit, match="is a link; name the file itself"):
        read_key_file(path)


def test_a_key_file_that_cannot_be_read_is_named_with_the_reason(path: Path) -> None:
    """Here a file stands where its folder should be."""
    write(path, content())

    with pytest.raises(KeysUnfit, match=r"keys\.json/keys\.json can't be read: Not a directory"):
        read_key_file(path / "keys.json")


def test_a_folder_is_refused(path: Path) -> None:
    """It is no file."""
    path.mkdir(mode=0o700)

    with pytest.raises(KeysUnfit, match="is not a plain file"):
        read_key_file(path)


def test_a_pipe_is_refused_at_once(path: Path) -> None:
    """And not waited for."""
    os.mkfifo(path, 0o600)

    with pytest.raises(KeysUnfit, match="is not a plain file"):
        read_key_file(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_another_users_file_is_refused_with_the_cure(path: Path) -> None:
    """Its owner could change the keys."""
    write(path, content())
    os.chown(path, 65534, -1)

    with pytest.raises(KeysUnfit, match=r"belongs to another user; mend it with: chown 0 "):
        read_key_file(path)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("", "is damaged"),
        ("{", "is damaged"),
        ([], "is damaged"),
        ({}, "is damaged"),
        ({**content(), "extra": 1}, "is damaged"),
        (content(version="1"), "is damaged"),
        (content(version=3), "is of version 3, this program knows 2"),
        (content(version=2), "is damaged"),
        (masters(version=1), "is damaged"),
        (masters(masters=[]), "needs 1 to 100 masters"),
        (masters(ONE, ONE), "each another one"),
        (masters(*(bytes([each]) * 32 for each in range(MASTERS_MAX + 1))), "needs 1 to 100 masters"),
        (masters(ONE, b"short"), "master 2 in the key file"),
        (content(data_keys=[]), "needs 1 to"),
        (content(data_keys=[data_key(1), data_key(1, TWO)]), "an id of its own"),
        (content(data_keys=[data_key(0)]), "an id of its own from 1"),
        (content(data_keys=[data_key(2**32)]), "an id of its own from 1"),
        (content(data_keys=[data_key(-1)]), "an id of its own from 1"),
        (content(data_keys=[data_key(3, b"short")]), "data key 3 in the key file"),
        (content(data_keys=[{**data_key(3), "key": "*" * 44}]), "data key 3 in the key file"),
        (content(data_keys=[{**data_key(3), "key": "ключ"}]), "data key 3 in the key file"),
        (content(index_key=text(INDEX)[:-4]), "the index key in the key file"),
        (content(index_key=text(ONE)), "holds the same key twice"),
        (content(data_keys=[data_key(1), data_key(2)]), "holds the same key twice"),
        ("x" * (8 * 2**20 + 1), "too large to be one"),
    ],
)
def test_an_unfit_key_file_is_refused_in_words(path: Path, what: object, words: str) -> None:
    """Which file, which key, and why."""
    write(path, what)

    with pytest.raises(KeysUnfit, match=words) as caught:
        read_key_file(path)

    assert str(path) in str(caught.value)


@pytest.mark.parametrize("what", [content(data_keys=[data_key(3, b"shortkey" * 3)]), content(index_key=7, version="x")])
def test_no_error_shows_a_key(path: Path, what: dict[str, Any]) -> None:
    """Errors are logged."""
    write(path, what)

    with pytest.raises(KeysUnfit) as caught:
        read_key_file(path)

    shown = f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"
    assert text(b"shortkey" * 3) not in shown
    assert text(ONE) not in shown
    assert text(INDEX) not in shown


def test_nothing_of_a_key_file_is_shown() -> None:
    """Not in a log, not in a traceback."""
    kept = _DataKey(id=7, key=text(ONE), created="2026-01-01T00:00:00Z")
    shown = [
        kept,
        _KeyFile(version=1, index_key=text(INDEX), data_keys=[kept]),
        _Master(key=text(ONE), created=""),
        _MasterFile(version=2, masters=[]),
        Masters((ONE,)),
    ]

    assert list(map(repr, shown)) == ["_DataKey(7)", "_KeyFile()", "_Master()", "_MasterFile()", "Masters()"]
    assert repr(_Version(2)) == "_Version(version=2)"


def test_keys_taken_over_show_nothing(path: Path) -> None:
    """As above."""
    write(path, content())

    assert repr(read_key_file(path).former) == "FormerKeys()"


# Changing masters


def test_a_master_that_is_added_is_the_newest(path: Path) -> None:
    """Older ones stay, as what they wrapped is wrapped anew only after that."""
    make_key_file(path, NOW_US, chance())

    added = add_master(path, NOW_US, lambda size: b"\x07" * size)

    assert added == read_key_file(path) == Masters((b"\x01" * 32, b"\x07" * 32))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_version_1_loses_its_own_keys_with_a_new_master(path: Path) -> None:
    """The key store has them; here they would outlive being destroyed there."""
    write(path, content())
    before = read_key_file(path).keys

    add_master(path, NOW_US, lambda size: b"\x07" * size)

    assert read_key_file(path) == Masters((*before, b"\x07" * 32))
    assert text(ONE) not in path.read_text(encoding="utf-8")


def test_a_full_file_takes_no_master(path: Path) -> None:
    """It is left as it is."""
    write(path, masters(*(bytes([each]) * 32 for each in range(MASTERS_MAX))))

    with pytest.raises(KeysUnfit, match="is full: drop masters"):
        add_master(path, NOW_US)


def test_a_former_master_is_dropped_for_good(path: Path) -> None:
    """By its name, as the key store says it."""
    write(path, masters(ONE, TWO, INDEX))

    drop_master(path, name_of(TWO))

    assert read_key_file(path) == Masters((ONE, INDEX))
    assert text(TWO) not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name_of(TWO), "local:0000000000000000", ""])
def test_the_newest_master_is_never_dropped(path: Path, name: str) -> None:
    """Nor one that isn't there."""
    write(path, masters(ONE, TWO))

    with pytest.raises(KeysUnfit, match="has no former master"):
        drop_master(path, name)

    assert len(read_key_file(path).keys) == 2


def test_a_change_that_cannot_be_written_leaves_the_file(path: Path, tmp_path: Path) -> None:
    """Here its lock can't be made: a folder stands in its place."""
    make_key_file(path, NOW_US, chance())
    (tmp_path / "keys.json.lock").mkdir()

    with pytest.raises(KeysUnfit, match=r"keys\.json\.lock can't be made: Is a directory"):
        add_master(path, NOW_US)

    assert len(read_key_file(path).keys) == 1
