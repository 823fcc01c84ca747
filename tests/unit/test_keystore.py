"""The key store is guarded, changed whole or not at all, and by one at a time."""

import base64
import errno
import json
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from spool.errors import KeysChanged, KeysUnfit
from spool.keystore import (
    KEYS_MAX,
    DataKey,
    IndexKey,
    KeptKeys,
    KeyStore,
    destroyed,
    rewrapped,
    text_of,
    with_data_key,
    with_index_key,
    with_replacement,
    wrapped_of,
)
from spool.private_file import Steps
from spool.wrapping import Wrapped

BLOB: Final = base64.b64encode(b"wrapped").decode()


def data_key(key_id: int = 1, **changes: Any) -> DataKey:
    """A data key as it is kept."""
    plain = DataKey(id=key_id, made_us=10, index_id=1, first=1, master="local:00", wrapped=BLOB)
    return replace(plain, **changes)


def index_key(key_id: int = 1) -> IndexKey:
    """An index key as it is kept."""
    return IndexKey(id=key_id, made_us=10, master="local:00", wrapped=BLOB)


def kept(*data_keys: DataKey, **changes: Any) -> KeptKeys:
    """A sound store."""
    keys = data_keys or (data_key(),)
    plain = KeptKeys(generation=1, sealing=keys[-1].id, hashing=1, data_keys=keys, index_keys=(index_key(),))
    return replace(plain, **changes)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    """A store with one key."""
    made = KeyStore(tmp_path / "keys.store")
    made.make(kept())
    return made


# Reading and making


def test_a_store_is_read_back(store: KeyStore) -> None:
    """By its owner alone."""
    assert store.exists()
    assert store.read() == kept()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_store_is_never_made_over_another(store: KeyStore) -> None:
    """Its keys would be lost."""
    with pytest.raises(KeysUnfit, match="exists already and is not overwritten"):
        store.make(kept(data_key(2)))

    assert store.read() == kept()


def test_a_missing_store_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Put it back; nobody makes another one by accident."""
    store = KeyStore(tmp_path / "none")

    assert not store.exists()
    with pytest.raises(KeysUnfit, match=r"there is no key store .*none; put it back"):
        store.read()


def test_a_store_open_to_others_is_refused_with_the_cure(store: KeyStore) -> None:
    """Wrapped or not, keys are nobody else's."""
    store.path.chmod(0o644)

    with pytest.raises(KeysUnfit, match=r"is open to others \(mode 0644\); mend it with: chmod 600 "):
        store.read()


def whole(**changes: Any) -> dict[str, Any]:
    """A sound store as JSON, with changes."""
    data = {"id": 1, "made_us": 1, "index_id": 1, "first": 1, "master": "m", "wrapped": BLOB}
    index = {"id": 1, "made_us": 1, "master": "m", "wrapped": BLOB}
    plain = {"generation": 1, "sealing": 1, "hashing": 1, "data_keys": [data], "index_keys": [index]}
    return {**plain, **changes}


DATA: Final = whole()["data_keys"][0]
INDEX: Final = whole()["index_keys"][0]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("", "is damaged"),
        ("[" * 100_000, "is damaged"),
        ({}, "is damaged"),
        (whole(extra=1), "is damaged"),
        (whole(version=2), "is of version 2, this program knows 1"),
        (whole(data_keys=[DATA, DATA]), "an id is there twice"),
        (whole(index_keys=[INDEX, INDEX]), "an id is there twice"),
        (whole(data_keys=[{**DATA, "id": 0}]), "ids are from 1"),
        (whole(index_keys=[{**INDEX, "id": 2**32}]), "ids are from 1"),
        (whole(sealing=2), "the key that seals, or the one that hashes, is not there"),
        (whole(hashing=2), "the key that seals, or the one that hashes, is not there"),
        (whole(data_keys=[{**DATA, "wrapped": "", "destroyed_us": 5}]), "the key that seals"),
        (whole(data_keys=[{**DATA, "index_id": 2}]), "a data key has no index key"),
        (whole(data_keys=[{**DATA, "wrapped": "*"}]), "a wrapped key is no base64"),
        (whole(data_keys=[{**DATA, "wrapped": "ключ"}]), "a wrapped key is no base64"),
        (whole(data_keys=[{**DATA, "destroyed_us": 5}]), "a key is neither there nor destroyed"),
        (whole(data_keys=[DATA, {**DATA, "id": 2, "wrapped": ""}]), "a key is neither there nor destroyed"),
    ],
)
def test_an_unfit_store_is_refused_in_words(tmp_path: Path, what: object, words: str) -> None:
    """Which file, and why."""
    path = tmp_path / "keys.store"
    path.write_text(what if isinstance(what, str) else json.dumps(what), encoding="utf-8")
    path.chmod(0o600)

    with pytest.raises(KeysUnfit, match=words) as caught:
        KeyStore(path).read()

    assert str(path) in str(caught.value)


# Changing


def test_a_change_is_there_and_counted(store: KeyStore) -> None:
    """A store is never of one generation twice."""
    after = store.change(kept(), with_data_key(kept(), data_key(2), last=99))

    assert store.read() == after
    assert (after.generation, after.sealing, after.serving.id) == (2, 2, 2)
    assert [key.last for key in after.data_keys] == [99, 0]


def test_of_two_changes_one_wins_and_no_key_is_lost(store: KeyStore) -> None:
    """The second is told, and nothing of it is written."""
    first = store.change(kept(), with_data_key(kept(), data_key(2), last=99))

    with pytest.raises(KeysChanged, match="was changed by somebody else meanwhile"):
        store.change(kept(), with_data_key(kept(), data_key(3), last=99))

    assert store.read() == first


def test_of_many_changes_at_once_one_wins(store: KeyStore) -> None:
    """Whatever the threads do."""
    begin, outcomes = threading.Barrier(8), list[object]()

    def rival(key_id: int) -> None:
        begin.wait()
        try:
            outcomes.append(store.change(kept(), with_data_key(kept(), data_key(key_id), last=99)))
        except KeysChanged as changed:
            outcomes.append(changed)

    threads = [threading.Thread(target=rival, args=(key_id,)) for key_id in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    winners = [outcome for outcome in outcomes if isinstance(outcome, KeptKeys)]
    assert (len(outcomes), winners) == (8, [store.read()])


def test_a_full_store_takes_no_key(tmp_path: Path) -> None:
    """It says so, and stays."""
    store = KeyStore(tmp_path / "keys.store")
    full = kept(*(data_key(key_id) for key_id in range(1, KEYS_MAX)))
    store.make(full)

    with pytest.raises(KeysUnfit, match="is full"):
        store.change(full, with_data_key(full, data_key(KEYS_MAX), last=9))

    assert store.read() == full


def failing(number: int) -> Callable[..., Any]:
    """A system call that fails."""

    def call(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return call


class Killed(BaseException):
    """The process ends here."""


def ending(at: int, error: BaseException) -> tuple[Steps, list[str]]:
    """The system's steps, of which number `at` fails; and the names of those that were begun."""
    begun = list[str]()

    def step(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def taken(*arguments: Any) -> Any:
            begun.append(name)
            if len(begun) == at:
                raise error
            return real(*arguments)

        return taken

    return Steps(step("fsync", os.fsync), step("link", os.link), step("rename", os.replace)), begun


IO_ERROR: Final = OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.mark.parametrize("at", [1, 2])
def test_a_store_that_cannot_be_made_is_not_there(tmp_path: Path, at: int) -> None:
    """Not even a part of it, and no draft."""
    with pytest.raises(KeysUnfit, match=r"the key store .* can't be written: Input/output error"):
        KeyStore(tmp_path / "keys.store", ending(at, IO_ERROR)[0]).make(kept())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [1, 2])
def test_a_change_that_cannot_be_written_leaves_the_store(store: KeyStore, tmp_path: Path, at: int) -> None:
    """The disk is full, or fails."""
    with pytest.raises(KeysUnfit, match="can't be written: Input/output error"):
        KeyStore(store.path, ending(at, IO_ERROR)[0]).change(kept(), with_data_key(kept(), data_key(2), last=99))

    assert store.read() == kept()
    assert {path.name for path in tmp_path.iterdir()} == {"keys.store", "keys.store.lock"}


@pytest.mark.parametrize(("at", "after"), [(1, "old"), (2, "old"), (3, "new")])
def test_a_kill_at_any_step_of_a_change_leaves_one_of_the_two(store: KeyStore, at: int, after: str) -> None:
    """And the next change goes through: the lock is the kernel's, so nobody has to take it away."""
    changed = with_data_key(kept(), data_key(2), last=99)
    with pytest.raises(Killed):
        KeyStore(store.path, ending(at, Killed())[0]).change(kept(), changed)

    found = store.read()
    assert found == {"old": kept(), "new": replace(changed, generation=2)}[after]
    assert store.change(found, with_data_key(found, data_key(3), last=99)).sealing == 3


def test_a_change_is_on_disk_before_it_has_its_name_and_its_name_before_it_is_done(store: KeyStore) -> None:
    """Else a power cut would leave a file of nothing, or the old one after the new key had sealed."""
    steps, begun = ending(0, Killed())

    KeyStore(store.path, steps).change(kept(), with_data_key(kept(), data_key(2), last=99))

    assert begun == ["fsync", "rename", "fsync"]


# What a store becomes


def test_an_index_key_is_added_and_hashes() -> None:
    """The former one stays, as older entries are found by it."""
    after = with_index_key(kept(), index_key(2))

    assert (after.hashing, [key.id for key in after.index_keys]) == (2, [1, 2])


def test_a_replacement_seals_nothing_new() -> None:
    """It is for one old day's entries."""
    after = with_replacement(kept(), data_key(2, replaces=1))

    assert (after.sealing, [key.id for key in after.data_keys]) == (1, [1, 2])


def test_keys_are_wrapped_anew_by_id() -> None:
    """Others stay as they are."""
    after = rewrapped(kept(data_key(1), data_key(2)), {1: ("m2", "AAAA")}, {1: ("m3", "BBBB")})

    assert [(key.master, key.wrapped) for key in after.every] == [("m2", "AAAA"), ("local:00", BLOB), ("m3", "BBBB")]
    assert rewrapped(after, {}, {}) == after
    assert after.masters == {"m2": 1, "local:00": 1, "m3": 1}


def test_a_destroyed_key_leaves_its_place() -> None:
    """What it was for, and when it went, stays written."""
    after = destroyed(kept(data_key(1), data_key(2)), 1, now_us=77)

    gone = after.data_key(1)
    assert gone is not None
    assert (gone.wrapped, gone.master, gone.destroyed_us, after.masters) == ("", "", 77, {"local:00": 2})


def test_the_key_that_seals_is_not_destroyed() -> None:
    """Whoever asks for it is told before."""
    with pytest.raises(AssertionError):
        destroyed(kept(), 1, now_us=77)


def test_what_a_provider_wrapped_is_kept_as_it_was() -> None:
    """With its master's name."""
    assert wrapped_of(data_key(1, wrapped=text_of(b"\x00\xff"))) == Wrapped("local:00", b"\x00\xff")


def test_keys_as_they_are_kept_show_nothing() -> None:
    """Wrapped, and all the same nobody's business."""
    shown = [data_key(3), index_key(2), Wrapped("m", b"secret")]

    assert list(map(repr, shown)) == ["DataKey(3)", "IndexKey(2)", "Wrapped(m)"]
