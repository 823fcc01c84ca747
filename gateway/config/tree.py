"""Walking nested tables and lists."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from gateway.config.lines import Place


def table(value: object) -> Mapping[str, Any] | None:
    """The value as a table, if it is one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else None


def items(value: object) -> list[tuple[str | int, Any]] | None:
    """What a table or list holds, by key or number; None of anything else."""
    if (held := table(value)) is not None:
        return list(held.items())
    if isinstance(value, list | tuple):
        return list(enumerate(cast("list[Any]", value)))
    return None


def leaves(value: object, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Everything that is neither table nor list, with its place."""
    held = items(value)
    if held is None:
        yield place, value
    for key, below in held or ():
        yield from leaves(below, (*place, key))


def changed(value: object, change: Callable[[Place, Any], Any], place: Place = ()) -> Any:
    """The same tree with every leaf changed by `change(place, leaf)`; tuples become lists."""
    if (held := table(value)) is not None:
        return {key: changed(below, change, (*place, key)) for key, below in held.items()}
    listed = items(value)
    if listed is not None:
        return [changed(below, change, (*place, index)) for index, below in listed]
    return change(place, value)


def without(value: Mapping[str, Any], places: frozenset[Place], place: Place = ()) -> dict[str, Any]:
    """The same tables without what stands at these places."""
    kept: dict[str, Any] = {}
    for key, below in value.items():
        inner = table(below)
        if (*place, key) not in places:
            kept[key] = below if inner is None else without(inner, places, (*place, key))
    return kept
