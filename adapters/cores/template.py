"""Texts and bodies with placeholders such as `{account}`, cut into parts once and filled in for each request.

A leaf of a body that is nothing but one placeholder takes its value as it is (an integer stays one) and is left out
when the value is empty; so optional fields need no words. A brace that isn't part of a placeholder is refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Final

import msgspec
from pydantic import JsonValue

Value = str | int

_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+(?:\.[A-Za-z0-9_-]+)?)\}")

_encode: Final = msgspec.json.Encoder().encode


class Text:
    """A line with placeholders: a path, a header, a parameter."""

    def __init__(self, text: str) -> None:
        """Cut `text`.

        Raises:
            ValueError: a brace stands alone or around something else than a name.
        """
        cut = _PLACEHOLDER.split(text)
        self._literals: Final = tuple(cut[0::2])
        #: Names in order of appearance.
        self.names: Final = tuple(cut[1::2])
        #: Nothing but one placeholder.
        self.alone: Final = len(self.names) == 1 and not any(self._literals)
        if any("{" in literal or "}" in literal for literal in self._literals):
            raise ValueError("a brace only stands around a placeholder's name")

    def fill(self, values: Mapping[str, Value], quote: Callable[[str], str] = str) -> str:
        """The line with `values`, each passed through `quote`; a value that isn't there is empty."""
        if not self.names:
            return self._literals[0]
        filled = [self._literals[0]]
        for name, literal in zip(self.names, self._literals[1:], strict=True):
            filled.append(quote(str(values.get(name, ""))))
            filled.append(literal)
        return "".join(filled)

    def value(self, values: Mapping[str, Value]) -> Value:
        """As `fill`, but a lone placeholder's value keeps its type."""
        return values.get(self.names[0], "") if self.alone else self.fill(values)


_Node = Text | int | bool | tuple["_Node", ...] | dict[str, "_Node"]


class Body:
    """A JSON body with placeholders in its leaves."""

    def __init__(self, tree: dict[str, JsonValue]) -> None:
        """Cut every leaf of `tree`.

        Raises:
            ValueError: a leaf is neither text, integer nor truth value, or has a stray brace.
        """
        self._node: Final = _cut(tree)
        self.names: Final = frozenset(_names(self._node))
        self._flat: Final = _flat(self._node)

    def fill(self, values: Mapping[str, Value]) -> bytes:
        """The JSON bytes with `values`, among which each of `names` is."""
        if self._flat is not None:
            keys, pick = self._flat
            picked = pick(values)
            if "" not in picked:
                return _encode(dict(zip(keys, picked, strict=True)))
        return _encode(_filled(self._node, values))


def _cut(tree: JsonValue) -> _Node:
    if isinstance(tree, str):
        return Text(tree)
    if isinstance(tree, dict):
        return {name: _cut(each) for name, each in tree.items()}
    if isinstance(tree, list):
        return tuple(_cut(each) for each in tree)
    if tree is None or isinstance(tree, float):
        # A float would let money through unseen.
        raise ValueError("a body holds texts, integers, truth values, lists and tables")
    return tree


def _flat(node: _Node) -> tuple[tuple[str, ...], Callable[[Mapping[str, Value]], tuple[Value, ...]]] | None:
    """A table of lone placeholders (what most cores take) as its keys and what picks their values, else None."""
    leaves = list(node.items()) if isinstance(node, dict) else []
    names = [each.names[0] for _, each in leaves if isinstance(each, Text) and each.alone]
    if len(names) != len(leaves) or len(names) < 2:  # noqa: PLR2004 - one is picked as itself, not as a tuple
        return None
    return tuple(key for key, _ in leaves), itemgetter(*names)


def _names(node: _Node) -> Iterable[str]:
    if isinstance(node, Text):
        return node.names
    if isinstance(node, dict):
        return [name for each in node.values() for name in _names(each)]
    return [name for each in node for name in _names(each)] if isinstance(node, tuple) else ()


def _filled(node: _Node, values: Mapping[str, Value]) -> object:
    if isinstance(node, Text):
        return node.value(values)
    if isinstance(node, dict):
        return {name: _filled(each, values) for name, each in node.items() if not _absent(each, values)}
    return [_filled(each, values) for each in node if not _absent(each, values)] if isinstance(node, tuple) else node


def _absent(node: _Node, values: Mapping[str, Value]) -> bool:
    return isinstance(node, Text) and node.alone and values.get(node.names[0], "") == ""
