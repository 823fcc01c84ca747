"""What the models say of a place, and the words and examples made from it."""

import enum
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from adapters.secret import SecretRef
from gateway.config.advice import findings_of, kind_of
from gateway.config.lines import Place
from gateway.config.reference import kind_words
from gateway.config.shape import bounds_of, example_of, keys_of, spot_of, tables_of
from gateway.config.toml import toml_key, toml_value
from gateway.config.tree import changed


class Colour(enum.StrEnum):
    """A choice."""

    RED = "red"


class Inner(BaseModel):
    """A table."""

    protocol: Literal["one"]
    size: Annotated[int, Field(ge=1, le=9, description="How large.")]


class Other(BaseModel):
    """Another table."""

    protocol: Literal["two"]


class Outer(BaseModel):
    """Every kind there is."""

    text: str
    flag: bool
    choice: Literal["a", "b"]
    colour: Colour
    path: Path
    when: AwareDatetime
    count: Annotated[int, Field(gt=3)]
    share: Annotated[float, Field(lt=1)]
    small: Annotated[int, Field(le=9)]
    free: int
    secret: SecretRef
    several: list[int]
    named: dict[str, Inner]
    inner: Inner | None = None
    many: tuple[Inner, ...] = ()
    either: dict[str, Annotated[Inner | Other, Field(discriminator="protocol")]] = {}
    table_or_not: Inner | Literal[False] = False
    shown: Annotated[str, Field(examples=["right"])] = "default"
    preset: str = "default"


@pytest.mark.parametrize(
    ("key", "example"),
    [
        ("text", '"..."'),
        ("flag", "true"),
        ("choice", '"a"'),
        ("colour", '"red"'),
        ("path", '"/path/to/file"'),
        ("when", "2027-01-01T00:00:00Z"),
        ("count", "4"),
        ("share", "0"),
        ("small", "9"),
        ("free", "1"),
        ("secret", '{ file = "/run/credentials/name" }'),
        ("several", "[]"),
        ("named", "{ }"),
        ("inner", "{ }"),
        ("table_or_not", "false"),
        ("shown", '"right"'),
        ("preset", '"default"'),
    ],
)
def test_every_kind_of_field_has_an_example(key: str, example: str) -> None:
    """A missing key is told with something that may be written."""
    assert example_of(Outer.model_fields[key]) == example


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("text", "text"),
        ("flag", "true or false"),
        ("choice", '`"a"` or `"b"`'),
        ("colour", '`"red"`'),
        ("when", "date and time"),
        ("secret", "secret reference"),
        ("several", "list of whole number"),
        ("named", "table of table"),
        ("inner", "table"),
        ("table_or_not", "table or `false`"),
    ],
)
def test_every_kind_of_field_has_words(key: str, words: str) -> None:
    """The reference page is read by operators, not by programmers."""
    assert kind_words(Outer.model_fields[key].annotation) == words


def test_bounds_are_told_as_they_are() -> None:
    """Including which end is open."""
    assert bounds_of(Outer.model_fields["count"]) == ("above 3", "")
    assert bounds_of(Outer.model_fields["share"]) == ("", "below 1")
    assert bounds_of(Outer.model_fields["small"]) == ("", "9")
    assert bounds_of(Inner.model_fields["size"]) == ("1", "9")


@pytest.mark.parametrize(
    ("loc", "place", "owner"),
    [
        (("either", "x", "one", "size"), ("either", "x", "size"), Inner),
        (("many", 0, "size"), ("many", 0, "size"), Inner),
        (("table_or_not", "Inner", "size"), ("table_or_not", "size"), Inner),
        (("table_or_not", "literal[False]"), ("table_or_not",), Outer),
        (("named", "x", "[key]"), ("named", "x"), None),
        (("unknown", "deeper"), ("unknown", "deeper"), None),
    ],
)
def test_marks_of_pydantic_are_not_keys_of_the_file(loc: Place, place: Place, owner: type[BaseModel] | None) -> None:
    """The operator knows only the keys."""
    spot = spot_of(Outer, loc)
    assert spot.place == place
    assert spot.owner is owner


def test_tables_and_keys_are_told_apart() -> None:
    """A key that may be either is both; a secret reference is written in its line."""
    assert [(".".join(table.name), table.repeated, table.variant) for table in tables_of(Outer)] == [
        ("named.<name>", False, "one"),
        ("inner", False, "one"),
        ("many", True, "one"),
        ("either.<name>", False, "one"),
        ("either.<name>", False, "two"),
        ("table_or_not", False, "one"),
    ]
    assert set(Outer.model_fields) - set(keys_of(Outer)) == {"named", "inner", "many", "either"}


def test_an_error_without_words_of_its_own_is_told_as_pydantic_does() -> None:
    """Rather odd words than none."""
    with pytest.raises(ValidationError) as unfit:
        Short.model_validate({"code": "abc", "rest": "x"})
    assert {(finding.place, finding.what_to_write) for finding in findings_of(Short, unfit.value.errors())} == {
        (("code",), 'string should have at most 2 characters, as in code = "..."'),
        (("rest",), "input should be none"),
    }


class Short(BaseModel):
    """A bound on text, and a kind nobody uses."""

    code: Annotated[str, Field(max_length=2)]
    rest: None


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "true or false"),
        (1, "a whole number"),
        (1.0, "a number with a point"),
        ("", "text"),
        ([], "a list"),
        ({}, "a table"),
        (date(2027, 1, 1), "a date"),
        (None, "something else"),
    ],
)
def test_what_stands_there_is_named_by_its_kind_only(value: object, kind: str) -> None:
    """Never by what it says."""
    assert kind_of(value) == kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a "b" \\ \n \x7f \u00fc', '"a \\"b\\" \\\\ \\n \\u007f \u00fc"'),
        (Path("/a b"), '"/a b"'),
        (True, "true"),
        (1.5, "1.5"),
        (datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00+00:00"),
        ({"a b": [1, {"c": "d"}]}, '{ "a b" = [1, { c = "d" }] }'),
        ({}, "{}"),
        (Colour.RED, '"red"'),
        (Inner(protocol="one", size=1), '{ protocol = "one", size = 1 }'),
    ],
)
def test_values_are_written_as_toml(value: object, text: str) -> None:
    """Examples may be copied as they are."""
    assert toml_value(value) == text


@pytest.mark.parametrize(("key", "text"), [("a-b_1", "a-b_1"), ("a.b", '"a.b"'), ("", '""'), ("\u00fc", '"\u00fc"')])
def test_keys_are_quoted_where_they_must_be(key: str, text: str) -> None:
    """As TOML's bare keys allow."""
    assert toml_key(key) == text


def test_a_tree_is_changed_leaf_by_leaf() -> None:
    """Nothing of the first is touched."""
    tree = {"a": [1, {"b": 2}], "c": (3,)}
    assert changed(tree, lambda place, leaf: (len(place), leaf)) == {"a": [(2, 1), {"b": (3, 2)}], "c": [(2, 3)]}
    assert tree == {"a": [1, {"b": 2}], "c": (3,)}
