"""What the models say about a place in the configuration: which model it is in, which field, what may stand there.

Pydantic's error places hold more than the keys of the file (the chosen member of a union, a mark for a table's key);
following them through the annotations tells the two apart. The same walk lists every table and key there is, for the
reference page and for the test of the example.
"""

import enum
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Gt, Le, Lt
from pydantic import AwareDatetime, BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters.secret import SecretRef
from gateway.config.lines import Place
from gateway.config.toml import toml_value

KEY_MARK: Final = "[key]"
"""Pydantic's mark at the end of a place for: the key itself, not what it holds."""

_INLINE: Final = (SecretRef,)


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A place, and what the models say of it."""

    #: Keys and items as in the file.
    place: Place
    #: What may stand there; None where the models know nothing.
    kind: Any
    #: The field of the last key, where it is one.
    field: FieldInfo | None
    #: The model the last key is in, where it is in one.
    owner: type[BaseModel] | None
    #: The place is one of several kinds that may stand there.
    of_choice: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table an operator may write."""

    #: Its name; `<name>` where the operator chooses.
    name: tuple[str, ...]
    #: True when it may be written more than once, as `[[name]]`.
    repeated: bool
    model: type[BaseModel]
    #: Value of the key that chooses this model among others (see CHOOSING); empty when there is no choice.
    variant: str
    #: What the key it stands under is for.
    purpose: str = ""


def spot_of(root: type[BaseModel], loc: Place) -> Spot:
    """Follow an error's place through the models."""
    spot = Spot(place=(), kind=root, field=None, owner=None)
    for step in loc:
        spot = _step(spot, step)
    return spot


def _step(spot: Spot, step: str | int) -> Spot:
    kind = bare(spot.kind)
    if step == KEY_MARK and spot.place and spot.owner is None:
        # Only behind a key that isn't a model's: elsewhere somebody has given a table this very name.
        return spot
    if is_union(kind):
        members = [member for member in get_args(kind) if step in _labels(member)]
        return msgspec.structs.replace(spot, kind=members[0] if members else None, of_choice=True)
    place = (*spot.place, step)
    if is_model(kind):
        field = kind.model_fields.get(str(step))
        return Spot(place=place, kind=field and field.annotation, field=field, owner=kind)
    if get_origin(kind) in (dict, list, tuple, frozenset, set):
        return Spot(place=place, kind=get_args(kind)[get_origin(kind) is dict], field=spot.field, owner=None)
    return Spot(place=place, kind=None, field=None, owner=None)


def _labels(member: Any) -> tuple[str, ...]:
    """How pydantic may call a member of a union in a place."""
    kind = bare(member)
    return (*variants_of(kind), getattr(kind, "__name__", ""))


CHOOSING: Final = ("protocol", "provider")
"""Keys whose value says which of several models a table is of."""


def choosing_key(model: Any) -> str:
    """The key that chooses a model among others; empty where it has none."""
    return next((key for key in CHOOSING if is_model(model) and key in model.model_fields), "")


def variants_of(model: Any) -> tuple[str, ...]:
    """The values of the key that chooses a model among others; empty where it has none."""
    key = choosing_key(model)
    return tuple(map(str, get_args(model.model_fields[key].annotation))) if key else ()


def chosen_of(members: Iterable[Any], held: Mapping[str, Any]) -> Any:
    """Of several models, the one that a table's choosing key names; None when it names none of them."""
    models = [bare(member) for member in members]
    return next((model for model in models if held.get(choosing_key(model)) in variants_of(model)), None)


def bare(kind: Any) -> Any:
    """The annotation without `Annotated` and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif is_union(kind) and type(None) in get_args(kind):
            rest = tuple(member for member in get_args(kind) if member is not type(None))
            kind = Union[rest]  # noqa: UP007 - built from a tuple at run time
        else:
            return kind


def is_union(kind: Any) -> bool:
    """May one of several kinds stand there?"""
    return get_origin(kind) in (Union, types.UnionType)


def is_model(kind: Any) -> bool:
    """Is it a table of its own fields?"""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def bounds_of(field: FieldInfo) -> tuple[str, str]:
    """The least and the greatest value, in words; empty where there is none."""
    low = high = ""
    for limit in field.metadata:
        if isinstance(limit, Ge):
            low = f"{limit.ge}"
        elif isinstance(limit, Gt):
            low = f"above {limit.gt}"
        elif isinstance(limit, Le):
            high = f"{limit.le}"
        elif isinstance(limit, Lt):
            high = f"below {limit.lt}"
    return low, high


def example_of(field: FieldInfo) -> str:
    """Something right to write for this field, in TOML."""
    if field.examples:
        return toml_value(field.examples[0])
    default = default_of(field)
    if default not in (None, PydanticUndefined) and not isinstance(default, BaseModel):
        return toml_value(default)
    return _example_of_kind(bare(field.annotation), field)


def _example_of_kind(kind: Any, field: FieldInfo) -> str:
    if is_union(kind):
        return _example_of_kind(bare(get_args(kind)[0]), field)
    if get_origin(kind) is Literal:
        return toml_value(get_args(kind)[0])
    if isinstance(kind, enum.EnumMeta):
        return toml_value(next(iter(kind)))
    if kind in _INLINE:
        return '{ file = "/run/credentials/name" }'
    if get_origin(kind) in (list, tuple, frozenset, set):
        return "[]"
    if is_model(kind) or get_origin(kind) is dict:
        return "{ }"
    if kind is bool:
        return "true"
    if kind in (int, float):
        return _number_within(field)
    if isinstance(kind, type) and issubclass(kind, PurePath):
        return '"/path/to/file"'
    return "2027-01-01T00:00:00Z" if kind is AwareDatetime else '"..."'


def _number_within(field: FieldInfo) -> str:
    """The least number that may be written, else the greatest; 1 where there is no bound."""
    for limit in field.metadata:
        match limit:
            case Ge(ge=bound) | Le(le=bound):
                return f"{bound}"
            case Gt(gt=int() | float() as bound):
                return f"{bound + 1}"
            case Lt(lt=int() | float() as bound):
                return f"{bound - 1}"
            case _:
                continue
    return "1"


def default_of(field: FieldInfo) -> Any:
    """Its default; `PydanticUndefined` when it must be written."""
    return field.get_default(call_default_factory=True, validated_data={})


def tables_of(root: type[BaseModel], name: tuple[str, ...] = ()) -> Iterator[Table]:
    """Every table below a model, in the models' order, each before those inside it."""
    for key, field in root.model_fields.items():
        for table in _tables_at(field.annotation, (*name, key)):
            yield msgspec.structs.replace(table, purpose=field.description or "")
            yield from tables_of(table.model, table.name)


def _tables_at(annotation: Any, name: tuple[str, ...]) -> Iterator[Table]:
    kind = bare(annotation)
    if get_origin(kind) is dict:
        yield from _tables_at(get_args(kind)[1], (*name, "<name>"))
    elif get_origin(kind) in (list, tuple):
        for table in _tables_at(get_args(kind)[0], name):
            yield msgspec.structs.replace(table, repeated=True)
    elif is_union(kind):
        for member in get_args(kind):
            yield from _tables_at(member, name)
    elif is_model(kind) and kind not in _INLINE:
        yield Table(name=name, repeated=False, model=kind, variant=", ".join(variants_of(kind)))


def keys_of(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The keys that may be written in a table itself, not only as tables inside it."""
    return {key: field for key, field in model.model_fields.items() if not _only_tables(bare(field.annotation))}


def _only_tables(kind: Any) -> bool:
    if is_union(kind):
        return all(_only_tables(bare(member)) for member in get_args(kind))
    if get_origin(kind) in (dict, list, tuple):
        return _only_tables(bare(get_args(kind)[get_origin(kind) is dict]))
    return is_model(kind) and kind not in _INLINE
