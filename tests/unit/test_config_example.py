"""The example explains every key there is, and is right; the reference page says what the models say."""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import pytest
from pydantic import BaseModel

from gateway.clock import ManualClock
from gateway.config.load import examine, load
from gateway.config.model import Config
from gateway.config.reference import PAGE, page
from gateway.config.shape import bare, chosen_of, is_model, is_union
from gateway.engines.settings import AloneSettings, DatabaseSettings
from spool.masters import make_key_file

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "config.example.toml"
_COMMENTED: Final = re.compile(r"^#(?=[\[a-z])", re.MULTILINE)
"""A key or table behind a `#` without a space; prose has one."""


def whole() -> str:
    """The example with every key that is commented out taken in."""
    return _COMMENTED.sub("", EXAMPLE.read_text(encoding="utf-8"))


def models_in(kind: Any, seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """Every model below a kind, once."""
    kind = bare(kind)
    if is_model(kind) and kind not in seen:
        seen.add(kind)
        yield kind
        for field in kind.model_fields.values():
            yield from models_in(field.annotation, seen)
    else:
        for inner in get_args(kind):
            yield from models_in(inner, seen)


def keys_in(kind: Any, value: Any) -> Iterator[tuple[str, str]]:
    """Every (model, key) that a piece of the example writes."""
    kind = bare(kind)
    if is_union(kind):
        kind = chosen(get_args(kind), value)
    if is_model(kind) and isinstance(value, dict):
        for key, below in value.items():
            yield kind.__name__, key
            yield from keys_in(kind.model_fields[key].annotation, below)
    elif get_origin(kind) in (dict, list, tuple) and value:
        inner = get_args(kind)[get_origin(kind) is dict]
        for below in value.values() if isinstance(value, dict) else value:
            yield from keys_in(inner, below)


def chosen(members: tuple[Any, ...], value: Any) -> Any:
    """The member of a union that a table is: the one its protocol names, else the only model."""
    models = [bare(member) for member in members if is_model(bare(member))]
    named = chosen_of(models, value) if isinstance(value, dict) else None
    return named or next(iter(models), None)


def test_the_example_writes_every_key_there_is() -> None:
    """A key that isn't in the example is a key nobody finds."""
    there_are = {(model.__name__, key) for model in models_in(Config, set()) for key in model.model_fields}
    assert there_are - set(keys_in(Config, tomllib.loads(whole()))) == set()


def test_every_key_of_the_example_is_explained_above_it() -> None:
    """A sentence for each; only the second rule, an example of its own, repeats keys without."""
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    keys = [(above, match[1]) for above, line in pairwise(lines) if (match := re.match(r"#?([a-z]\w*) = ", line))]
    assert len(keys) > 150
    assert [key for above, key in keys if not above.startswith("# ")] == ["status", "field", "equals", "means"]


def test_the_example_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied and given its secrets, it starts."""
    (tmp_path / "var/keys").mkdir(parents=True)
    make_key_file(tmp_path / "var/keys/nightsafe.key", ManualClock().now_us())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KIOSK_PASSWORD", "example")
    monkeypatch.setenv("CRM_TOKEN", "example")
    assert set(load(EXAMPLE).routes) == {"main", "internet"}


def test_the_example_with_everything_taken_in_is_right_too() -> None:
    """Each example value is one that may be written."""
    assert examine(tomllib.loads(whole()))[1] == []


def test_what_is_commented_out_as_a_default_is_the_default() -> None:
    """What the example says of the ports, limits and times of a plain installation holds."""
    plain = examine(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))[0].config
    taken_in = examine(tomllib.loads(whole()))[0].config
    database = taken_in.spool.postgres
    assert taken_in.spool.model_copy(update={"postgres": None}) == plain.spool
    assert database is not None
    assert database.alone is not None
    assert database.alone == AloneSettings(path=database.alone.path)
    assert database == DatabaseSettings(url=database.url, alone=database.alone)
    assert taken_in.node == plain.node
    assert taken_in.log == plain.log
    assert taken_in.routes["main"].breaker == plain.routes["main"].breaker
    assert taken_in.routes["main"].forward == plain.routes["main"].forward


def test_every_key_has_a_description() -> None:
    """The reference page and the messages are made of them."""
    bare_keys = [
        f"{model.__name__}.{key}"
        for model in models_in(Config, set())
        for key, field in model.model_fields.items()
        if not field.description
    ]
    assert bare_keys == []


def test_every_model_refuses_keys_it_does_not_know_and_is_frozen() -> None:
    """A mistyped key is never silently the default; what was checked is what runs."""
    loose = [
        model.__name__
        for model in models_in(Config, set())
        if model.model_config.get("extra") != "forbid" or not model.model_config.get("frozen")
    ]
    assert loose == []


def test_the_reference_page_is_up_to_date() -> None:
    """Make it anew with: python -m gateway.config.reference > docs/reference/configuration.md."""
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page()
