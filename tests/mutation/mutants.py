"""What could be wrong in a file: every small change of its code that a test ought to notice, each as a mutant.

Operators: a comparison by its neighbour or opposite; `and` by `or`, and a condition left out; arithmetic by its opposite;
a constant by another; a returned value by none; a statement left out; a branch swapped; a `not` or a minus left out; a
`finally` without effect; an exception that isn't caught.

Not changed, as no promise hangs on it: annotations, docstrings, messages of errors and log lines, names of tasks, and
asserts, which speak of our own bugs; so does the `strict` of a `zip`.
"""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}

NOT_ADDED: Final = {"__slots__", "__all__"}
"""Names whose values bind nothing."""


Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    path: str
    #: Class and function it is in; empty at the top of the file.
    where: str
    #: It is done once, when the file is loaded: a constant, a default, a field of a class.
    at_load: bool
    #: Lines of the statement or expression that is changed.
    first_line: int
    last_line: int
    #: What is cut out, in bytes from the beginning of the file, and what is put there.
    start: int
    end: int
    text: str
    before: str
    after: str
    #: Which of several like it in the same place.
    ordinal: int = 1

    @property
    def name(self) -> str:
        """What it is called, however the lines move."""
        more = f" #{self.ordinal}" if self.ordinal > 1 else ""
        return f"{self.path} {self.where}: {self.before} -> {self.after}{more}"

    def applied_to(self, source: str) -> str:
        """The file with the change."""
        raw = source.encode()
        return (raw[: self.start] + self.text.encode() + raw[self.end :]).decode()


def mutants_of(path: str, source: str) -> list[Mutant]:
    """Every mutant of a file, in order, each with a name of its own."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = list[Mutant]()
    names = Counter[str]()
    for node, where, at_load in _nodes(ast.parse(source)):
        for changed, text in _changes(node):
            mutant = _mutant(path, where, starts, changed, text, at_load=at_load)
            names[mutant.name] += 1
            found.append(replace(mutant, ordinal=names[mutant.name]))
    return found


Place = ast.expr | ast.stmt
"""What has a place in the text."""


def _mutant(path: str, where: str, starts: list[int], changed: Place, text: str, *, at_load: bool) -> Mutant:
    assert changed.end_lineno is not None, "a parsed node has an end"
    assert changed.end_col_offset is not None, "a parsed node has an end"
    return Mutant(
        path=path,
        where=where,
        at_load=at_load,
        first_line=changed.lineno,
        last_line=changed.end_lineno,
        start=starts[changed.lineno - 1] + changed.col_offset,
        end=starts[changed.end_lineno - 1] + changed.end_col_offset,
        text=text,
        before=_brief(ast.unparse(changed)),
        after=_brief(text),
    )


def _brief(text: str) -> str:
    return " ".join(text.split())


def _nodes(tree: ast.AST, where: str = "", *, at_load: bool = True) -> Iterator[tuple[ast.AST, str, bool]]:
    """Every node that may be changed, with the class and function it is in, and whether it is done at load."""
    yield tree, where, at_load
    body = tree.body if isinstance(tree, Function) else []
    for child in _children(tree):
        inner = where
        if isinstance(child, ast.ClassDef | Function):
            inner = f"{where}.{child.name}" if where else child.name
        yield from _nodes(child, inner, at_load=at_load and child not in body)


def _children(tree: ast.AST) -> Iterator[ast.AST]:  # noqa: C901 - a table of cases
    """What is inside and matters."""
    match tree:
        case ast.Assert() | ast.JoinedStr():
            return
        case ast.Assign(targets=[ast.Name(id=name)]) if name in NOT_ADDED:
            return
        case ast.AnnAssign(value=value):
            inside: Iterable[ast.AST | None] = [value]
        case ast.arg():
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            inside = [*tree.args.defaults, *tree.args.kw_defaults, *_without_docstring(tree.body)]
        case ast.ClassDef():
            inside = _without_docstring(tree.body)
        case ast.Module():
            inside = _without_docstring(tree.body)
        case ast.Raise(exc=ast.Call() as error):
            inside = [each for each in error.args if not isinstance(each, ast.Constant | ast.JoinedStr | ast.BinOp)]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="log"))):
            return
        case ast.Call(func=ast.Name(id="TypeVar" | "cast")):
            return
        case ast.Call():
            named = [each.value for each in tree.keywords if not _binds_nobody(tree, each)]
            inside = [tree.func, *tree.args, *named]
        case _:
            inside = ast.iter_child_nodes(tree)
    yield from (each for each in inside if each is not None)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    """Strings that stand alone, after an attribute as well as first of all, are words for people."""
    return [each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]


def _binds_nobody(call: ast.Call, keyword: ast.keyword) -> bool:
    return (keyword.arg, ast.unparse(call.func).rpartition(".")[2]) in {("name", "create_task"), ("strict", "zip")}


def _changes(node: ast.AST) -> Iterator[tuple[Place, str]]:  # noqa: C901, PLR0912 - a table of cases
    """What may be changed at a node, and what to."""
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield from _conditions(node)
        case ast.BinOp(op=op) if type(op) in ARITHMETIC:
            yield node, f"({ast.unparse(_with(node, op=ARITHMETIC[type(op)]()))})"
        case ast.AugAssign(op=op):
            yield node, "pass"
            if type(op) in ARITHMETIC:
                yield node, ast.unparse(_with(node, op=ARITHMETIC[type(op)]()))
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case ast.Constant(value=value):
            yield from _constants(node, value)
        case ast.IfExp(test=test) | ast.If(test=test) | ast.While(test=test):
            yield test, _opposite(test)
        case ast.comprehension(ifs=ifs):
            yield from ((test, _opposite(test)) for test in ifs)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield value, "None"
        case ast.ExceptHandler(type=ast.expr() as caught):
            yield from _exceptions(caught)
        case ast.Try(finalbody=[ast.stmt() as first, *_]) if not isinstance(first, ast.Expr):
            yield first, "pass"
        case ast.stmt():
            yield from _statements(node)
        case _:
            pass


def _opposite(test: ast.expr) -> str:
    return f"({ast.unparse(ast.UnaryOp(ast.Not(), test))})"


def _comparisons(node: ast.Compare) -> Iterator[tuple[Place, str]]:
    for at, op in enumerate(node.ops):
        ops = [*node.ops[:at], COMPARISONS[type(op)](), *node.ops[at + 1 :]]
        yield node, f"({ast.unparse(_with(node, ops=ops))})"


def _conditions(node: ast.BoolOp) -> Iterator[tuple[Place, str]]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield node, f"({ast.unparse(_with(node, op=other))})"
    for at in range(len(node.values)):
        rest = [*node.values[:at], *node.values[at + 1 :]]
        yield node, f"({ast.unparse(_with(node, values=rest) if len(rest) > 1 else rest[0])})"


def _constants(node: ast.Constant, value: object) -> Iterator[tuple[Place, str]]:
    match value:
        case bool():
            yield node, repr(not value)
        case int() | float():
            yield node, repr(value + 1)
        case str():
            yield node, repr(f"{value}XX")
        case bytes():
            yield node, repr(value + b"XX")
        case _:
            pass


def _exceptions(caught: ast.expr) -> Iterator[tuple[Place, str]]:
    yield caught, "()"
    if isinstance(caught, ast.Tuple):
        for at in range(len(caught.elts)):
            rest = [*caught.elts[:at], *caught.elts[at + 1 :]]
            yield caught, ast.unparse(_with(caught, elts=rest))


def _statements(node: ast.stmt) -> Iterator[tuple[Place, str]]:
    """Statements that can be left out without their names going missing."""
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.Continue() | ast.Break() | ast.Delete():
            yield node, "pass"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]) | ast.AnnAssign(target=ast.Attribute()):
            yield node, "pass"
        case _:
            pass


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """A copy with other fields."""
    return type(node)(**{**dict(ast.iter_fields(node)), **fields})
