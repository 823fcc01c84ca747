"""From pydantic's errors to what an operator can do: each error becomes a finding that says what to write instead."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.config.fault import Finding, written
from gateway.config.lines import Place
from gateway.config.shape import (
    CHOOSING,
    KEY_MARK,
    Spot,
    bare,
    bounds_of,
    choosing_key,
    chosen_of,
    example_of,
    is_model,
    is_union,
    spot_of,
    variants_of,
)
from gateway.config.tree import items, table

NAME_PATTERN: Final = r"^[a-z][a-z0-9_-]{0,31}$"
"""Names of channels, cores, routes and tokens: they stand in addresses, labels of metrics and file names."""

SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"

_NAME_RULE: Final = "use lower-case letters, digits, - and _, a letter first, at most 32"

_PATTERNS: Final[Mapping[str, tuple[str, str]]] = {
    NAME_PATTERN: ("name of another form", _NAME_RULE),
    SHA256_PATTERN: ("no SHA-256", "write the 64 digits that `printf %s TOKEN | sha256sum` prints"),
}
"""Patterns that have better words than themselves."""

_EXPECTED: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "string": "text in quotes",
    "bool": "true or false",
    "model": "a table",
    "dict": "a table",
    "list": "a list in [ ]",
    "tuple": "a list in [ ]",
    "set": "a list in [ ]",
    "path": "a path in quotes",
    "datetime": "a date and time",
    "timezone": "a date and time with a time zone",
    "decimal": "a decimal amount in quotes",
}
"""By the first word of pydantic's error types (`int_type`, `int_parsing`, `int_from_float`, ...)."""

_BOUNDS: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"})


def findings_of(root: type[BaseModel], errors: Iterable[ErrorDetails]) -> list[Finding]:
    """One finding for each place that has errors; what each member of a union wanted is joined with *or*."""
    told = [(spot_of(root, error["loc"]), error) for error in errors]
    wants: dict[Place, list[Finding]] = {}
    for spot, error in told:
        deeper = any(other.place[: len(spot.place)] == spot.place != other.place for other, _ in told)
        if not (spot.of_choice and deeper):  # the choice is clear, something inside it is wrong
            wants.setdefault(spot.place, []).append(_finding(spot, error))
    return [_joined(findings) for findings in wants.values()]


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word an operator most likely meant; empty when none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def kind_of(value: Any) -> str:
    """What stands there, without what it says."""
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number with a point"),
        (str, "text"),
        (list, "a list"),
        (dict, "a table"),
        (date, "a date"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "something else")


def inexact(root: Any, value: Any, place: Place = ()) -> list[Finding]:
    """Values that a lenient model would turn into something else: `true` or `"5"` for a number, `nan`, `inf`."""
    kind = _chosen(bare(root), value)
    held = items(value)
    if held is None:
        return _inexact_leaf(kind, value, place)
    return [finding for key, below in held for finding in inexact(_kind_below(kind, key), below, (*place, key))]


def _chosen(kind: Any, value: Any) -> Any:
    """Of several models, the one the table names."""
    held = table(value)
    if is_union(kind) and held is not None:
        return chosen_of(get_args(kind), held)
    return kind


def _kind_below(kind: Any, key: str | int) -> Any:
    if is_model(kind):
        field = kind.model_fields.get(str(key))
        return field and field.annotation
    return get_args(kind)[-1] if get_origin(kind) in (dict, list) else None


def _inexact_leaf(kind: Any, value: Any, place: Place) -> list[Finding]:
    if isinstance(value, float) and not math.isfinite(value):
        return [Finding(place=place, found_kind="no finite number", what_to_write="write a number")]
    numeric = kind in (int, float)
    if (numeric and isinstance(value, bool | str)) or (kind is bool and not isinstance(value, bool)):
        expected = _EXPECTED[kind.__name__]
        return [Finding(place=place, found_kind=f"{kind_of(value)}, not {expected}", what_to_write=f"write {expected}")]
    return []


def _joined(findings: list[Finding]) -> Finding:
    first = findings[0]
    wants = list(dict.fromkeys(finding.what_to_write for finding in findings))
    return Finding(place=first.place, found_kind=first.found_kind, what_to_write=", or ".join(wants))


def _finding(spot: Spot, error: ErrorDetails) -> Finding:
    found, want = _words(spot, error)
    return Finding(place=spot.place, found_kind=found, what_to_write=want)


def _words(spot: Spot, error: ErrorDetails) -> tuple[str, str]:
    kind = error["type"]
    if error["loc"] and error["loc"][-1] == KEY_MARK:
        return _PATTERNS[NAME_PATTERN]
    if special := _SPECIAL.get(kind):
        return special(spot, error)
    if kind in _BOUNDS:
        return "out of bounds", _bounds(spot)
    if expected := _EXPECTED.get(kind.split("_", maxsplit=1)[0]):
        return f"{kind_of(error['input'])}, not {expected}", _as_example(spot, f"write {expected}")
    if kind.startswith("ip_"):
        return "no IP network or address", 'write one, as "192.0.2.0/24" or "192.0.2.1"'
    return "not fit", error["msg"].lower()


def _missing(spot: Spot, error: ErrorDetails) -> tuple[str, str]:  # noqa: ARG001 - same shape as its siblings
    key = str(spot.place[-1])
    if spot.field is None:
        return "missing key", f"add {key}"
    return "missing key", f"add {key} = {example_of(spot.field)}  # {spot.field.description}"


def _unknown(spot: Spot, error: ErrorDetails) -> tuple[str, str]:  # noqa: ARG001 - same shape as its siblings
    known = list(spot.owner.model_fields) if spot.owner else []
    if near := nearest(str(spot.place[-1]), known):
        return "unknown key", f"write {near}, or take it out"
    return "unknown key", f"take it out; known here: {', '.join(known)}"


def _choice(spot: Spot, error: ErrorDetails) -> tuple[str, str]:
    choices = [str(choice) for choice in get_args(bare(spot.kind))] or _quoted(error.get("ctx", {}).get("expected", ""))
    return "not one of the choices", _one_of(choices, error["input"])


def _variant(spot: Spot, error: ErrorDetails) -> tuple[str, str]:
    tags = _quoted(error.get("ctx", {}).get("expected_tags", ""))
    members: list[Any] = [bare(member) for member in get_args(bare(spot.kind))]
    tags = tags or [tag for member in members for tag in variants_of(member)]
    held = table(error["input"]) or {}
    key = next((key for key in map(choosing_key, members) if key), CHOOSING[0])
    if error["type"] == "union_tag_not_found":
        return f"no {key}", f"add {key} = {_one_of(tags, '').removeprefix('write ')}"
    return f"unknown {key}", _one_of(tags, held.get(key))


def _pattern(spot: Spot, error: ErrorDetails) -> tuple[str, str]:
    pattern = str(error.get("ctx", {}).get("pattern", ""))
    if words := _PATTERNS.get(pattern):
        return words
    return "text of another form", _as_example(spot, f"write what fits {pattern}")


def _length(spot: Spot, error: ErrorDetails) -> tuple[str, str]:
    return f"{kind_of(error['input'])} of another length", _as_example(spot, error["msg"].split(", not")[0].lower())


def _own_rule(spot: Spot, error: ErrorDetails) -> tuple[str, str]:  # noqa: ARG001 - same shape as its siblings
    return "not fit", error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")


_SPECIAL: Final[Mapping[str, Callable[[Spot, ErrorDetails], tuple[str, str]]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _choice,
    "enum": _choice,
    "union_tag_invalid": _variant,
    "union_tag_not_found": _variant,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _length,
    "string_too_long": _length,
    "too_short": _length,
    "too_long": _length,
    "value_error": _own_rule,
    "assertion_error": _own_rule,
}


def _bounds(spot: Spot) -> str:
    low, high = bounds_of(spot.field) if spot.field else ("", "")
    return f"write a number from {low} to {high}" if low and high else f"write a number {low or high}"


def _as_example(spot: Spot, words: str) -> str:
    """The words, with an example where the field is known and the place is the field itself."""
    key = spot.place[-1] if spot.place else ""
    if spot.field is None or isinstance(key, int):
        return words
    return f"{words}, as in {written((key,))} = {example_of(spot.field)}"


def _one_of(choices: list[str], found: Any) -> str:
    near = nearest(found, choices) if isinstance(found, str) else ""
    every = " or ".join(f'"{choice}"' for choice in choices)
    return f'write "{near}" (one of {every})' if near and len(choices) > 1 else f"write {every}"


def _quoted(text: str) -> list[str]:
    """The words pydantic puts in quotes in a list of what it expects."""
    return [part.strip("' ") for part in text.replace(" or ", ", ").split(",") if part.strip("' ")]
