"""The key file is guarded, durable and never overwritten; the ring shows no key."""

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
from spool.keys import KeyRing, _DataKey, _KeyFile, make_key_file, read_key_file

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
    """A good key file."""
    good = {
        "version": 1,
        "index_key": text(INDEX),
        "data_keys": [{"id": 1, "key": text(ONE), "created": "2026-01-01T00:00:00Z"}],
    }
    return {**good, **changes}


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
    """One data key, one index key, all different."""
    made = make_key_file(path, NOW_US, chance())

    ring = read_key_file(path)

    assert (ring.current_id, ring.ids) == (1, (1,))
    assert (ring.get(1), ring.index_key) == (b"\x01" * 32, b"\x02" * 32)
    assert (made.get(1), made.index_key) == (ring.get(1), ring.index_key)


def test_a_new_key_file_says_when_it_was_made(path: Path) -> None:
    """In UTC, for whoever looks after rotation."""
    make_key_file(path, NOW_US, chance())

    assert json.loads(path.read_text(encoding="utf-8"))["data_keys"][0]["created"] == "2026-01-01T00:00:00Z"


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
    one, two = make_key_file(tmp_path / "one", NOW_US), make_key_file(tmp_path / "two", NOW_US)

    assert len({one.get(1), one.index_key, two.get(1), two.index_key}) == 4


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


def test_several_data_keys_are_read_and_the_highest_is_current(path: Path) -> None:
    """In whatever order they stand."""
    write(path, content(data_keys=[data_key(7, TWO), data_key(2)]))

    ring = read_key_file(path)

    assert (ring.current_id, ring.ids, ring.get(2), ring.get(7), ring.get(3)) == (7, (2, 7), ONE, TWO, None)


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_key_file_may_be_stricter(path: Path, mode: int) -> None:
    """Read only is better still."""
    write(path, content(), mode)

    assert read_key_file(path).ids == (1,)


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
    with pytest.raises(KeysUnfit, match=r"there is no key file .*keys\.json; put it back .*nightsafe init"):
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
        (content(version=2), "is of version 2, this program knows 1"),
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
        ("x" * (2 * 2**20 + 1), "too large to be one"),
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


# The ring


def ring(*data_keys: tuple[int, bytes], index_key: bytes = INDEX) -> KeyRing:
    """A ring of these keys, or of key 1."""
    return KeyRing(data_keys or [(1, ONE)], index_key)


def test_a_ring_shows_nothing() -> None:
    """Not in a log, not in a traceback."""
    assert repr(ring()) == "KeyRing()"
    assert (len(ring().check_value(1)), len(ring().fingerprint(1))) == (16, 8)
    kept = _DataKey(id=7, key=text(ONE), created="2026-01-01T00:00:00Z")
    assert repr(kept) == "_DataKey(7)"
    assert repr(_KeyFile(version=1, index_key=text(INDEX), data_keys=[kept])) == "_KeyFile()"


def test_fingerprints_tell_keys_apart() -> None:
    """Short, of hex digits, the same each time."""
    keys = ring((1, ONE), (2, TWO))

    assert keys.fingerprint(1) == ring().fingerprint(1)
    assert keys.fingerprint(1) != keys.fingerprint(2)
    assert len(bytes.fromhex(keys.fingerprint(1))) == 4


def test_a_fingerprint_is_no_part_of_the_key_or_its_check_value() -> None:
    """Safe to print."""
    shown = bytes.fromhex(ring().fingerprint(1))

    assert shown not in ONE
    assert not ring().check_value(1).startswith(shown)


def test_a_check_value_matches_its_key() -> None:
    """Stored with the spool, asked at each start."""
    assert ring((1, ONE), (2, TWO)).matches(1, ring().check_value(1))


@pytest.mark.parametrize(
    "other",
    [ring((1, TWO)), ring((2, ONE)), ring(index_key=TWO)],
    ids=["another key", "another id", "another index key"],
)
def test_a_check_value_does_not_match_anything_else(other: KeyRing) -> None:
    """A key file that isn't the spool's is found before anything is sealed with it, and so is a wrong index key."""
    assert not other.matches(1, ring().check_value(1))


@pytest.mark.parametrize("damaged", [b"", b"\0" * 16])
def test_a_damaged_check_value_does_not_match(damaged: bytes) -> None:
    """Of any length."""
    assert not ring().matches(1, damaged)


def test_asking_for_a_key_that_is_not_there_names_those_that_are() -> None:
    """So that the right file can be looked for."""
    with pytest.raises(KeysUnfit, match="there is no data key 9; present are: 1, 2"):
        ring((1, ONE), (2, TWO)).check_value(9)


@pytest.mark.parametrize(
    ("data_keys", "index_key"),
    [([], INDEX), ([(0, ONE)], INDEX), ([(2**32, ONE)], INDEX), ([(1, ONE[:-1])], INDEX), ([(1, ONE)], b"")],
)
def test_a_ring_of_unfit_keys_is_our_own_mistake(data_keys: list[tuple[int, bytes]], index_key: bytes) -> None:
    """What comes from files is refused before."""
    with pytest.raises(AssertionError):
        KeyRing(data_keys, index_key)
