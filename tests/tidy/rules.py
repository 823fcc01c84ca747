"""The rules that the linters don't know, each a pure function from one file to its findings.

What ruff, mypy and pyright already see (docstrings, bare ignores, leftovers) is not said again here.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.tidy.house import Source

FUNCTION_LINES_MAX: Final = 70
"""Lines of one function without its docstring."""

FILE_LINES_MAX: Final = 500
"""Lines of one file of code."""

TEST_FILE_LINES_MAX: Final = 700
"""Lines of one file of tests: a subject's examples stay together."""

CLOCKS: Final = re.compile(
    r"""time\.\w+
    | random\.\w+
    | datetime\.datetime\.(now|utcnow|today)
    | datetime\.date\.today
    | asyncio\.sleep""",
    re.VERBOSE,
)

SLEEPS: Final = re.compile(r"time\.sleep|asyncio\.sleep")

SILENCERS: Final = re.compile(
    r"""noqa(:\s*[A-Z]+\d+([,\s]+[A-Z]+\d+)*)?
    | type:\s*ignore(\[[^\]]*\])?
    | pyright:\s*ignore(\[[^\]]*\])?
    | pragma:\s*no\s+(cover|branch)""",
    re.VERBOSE,
)

VAGUE_CLASSES: Final = re.compile(r"\w*(Manager|Helper|Helpers|Util|Utils|Processor)|Base([A-Z]\w*)?|\w+Base")

VAGUE_MODULES: Final = re.compile(r"(base|common|helpers?|managers?|misc|processors?|utils?)\.py")

MONEY: Final = {"amount", "amounts", "balance", "exposure", "minor", "money", "sum", "sums"}

SQL: Final = re.compile(
    r"""\s*(SELECT\s
    | (INSERT|REPLACE)\s+(OR\s+\w+\s+)?INTO\s
    | UPDATE\s+\w+\s+SET\s
    | DELETE\s+FROM\s
    | CREATE\s+(TEMP|TABLE|INDEX|UNIQUE|TRIGGER|VIEW)
    | (ALTER|DROP)\s+(TABLE|INDEX|TRIGGER|VIEW)
    | WITH\s+\w+(\([^)]*\))?\s+AS\s)""",
    re.VERBOSE,
)


def clocks(source: Source) -> Iterator[str]:
    """Time and chance come in by the door (style 11); a sleep of nothing only lets others run."""
    yields = _sleeps_of_nothing(source)
    for node in source.nodes:
        name = source.dotted(node)
        if CLOCKS.fullmatch(name) and node not in yields:
            yield source.at(node, f"{name}: take a Clock (gateway/clock.py)")


def sleeps(source: Source) -> Iterator[str]:
    """Tests never sleep: they wait for an event, or move a ManualClock (style 11)."""
    yields = _sleeps_of_nothing(source)
    for node in source.nodes:
        name = source.dotted(node)
        if SLEEPS.fullmatch(name) and node not in yields:
            yield source.at(node, f"{name}: wait for what the code announces, or move a ManualClock")


def _sleeps_of_nothing(source: Source) -> set[ast.AST]:
    """What is called in each `asyncio.sleep(0)`."""
    calls = (
        node for node in source.nodes if isinstance(node, ast.Call) and source.dotted(node.func) == "asyncio.sleep"
    )
    return {call.func for call in calls if [ast.unparse(argument) for argument in call.args] == ["0"]}


def mocks(source: Source) -> Iterator[str]:
    """Real fakes, no mocks (style 3); the environment and the working folder may be patched, our code may not."""
    for node in source.nodes:
        match node:
            case ast.Import() | ast.ImportFrom():
                if re.search(r"\b(unittest\.mock|from unittest import mock|mock|pytest_mock)\b", ast.unparse(node)):
                    yield source.at(node, "a mock: write a fake that keeps its promises")
            case ast.Attribute(value=ast.Name(id="monkeypatch"), attr="setattr" | "setitem" | "delattr"):
                yield source.at(node, f"monkeypatch.{node.attr}: let the code take what you want to change")
            case ast.arg(arg="mocker"):
                yield source.at(node, "a mock: write a fake that keeps its promises")
            case _:
                pass


def choices(source: Source) -> Iterator[str]:
    """A test is a sentence: it has no `if` (style 17); an actor defined within it may have one."""
    for function in _functions(source):
        if function.name.startswith("test_"):
            for node in _own_nodes(function):
                if isinstance(node, ast.If):
                    yield source.at(node, f"{function.name} chooses: make it two tests, or parametrise")


def silencers(source: Source) -> Iterator[str]:
    """Exceptions are explained (style 19): each ignored finding says why in its own line."""
    for line, comment in source.comments:
        if SILENCERS.search(comment) and not re.search(r"[A-Za-z]{2,}", SILENCERS.sub("", comment)):
            yield f"{source.path}:{line}: {comment} has no reason"


def vague_names(source: Source) -> Iterator[str]:
    """Domain vocabulary beats pattern vocabulary."""
    if VAGUE_MODULES.fullmatch(source.path.rpartition("/")[2]):
        yield f"{source.path}:1: say what is in it"
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and VAGUE_CLASSES.fullmatch(node.name):
            yield source.at(node, f"class {node.name}: say what it is")


def long_functions(source: Source) -> Iterator[str]:
    """A function fits on a screen; its docstring is not counted."""
    for function in _functions(source):
        if _lines(function) > FUNCTION_LINES_MAX:
            yield source.at(function, f"{function.name} has {_lines(function)} lines, {FUNCTION_LINES_MAX} at most")


def long_files(source: Source) -> Iterator[str]:
    """A file is read at one sitting."""
    lines = source.text.count("\n")
    most = TEST_FILE_LINES_MAX if source.path.startswith("tests/") else FILE_LINES_MAX
    if lines > most:
        yield f"{source.path}:1: {lines} lines, {most} at most"


def money_in_floats(source: Source) -> Iterator[str]:
    """Money is an integer with its currency (style 12)."""
    for node in source.nodes:
        match node:
            case (
                ast.AnnAssign(target=ast.Name(id=name), annotation=kind)
                | ast.arg(arg=name, annotation=ast.expr() as kind)
            ):
                found = _is_money(name) and _mentions(kind, "float")
            case ast.FunctionDef(name=name, returns=ast.expr() as kind):
                found = _is_money(name) and _mentions(kind, "float")
            case ast.Call(func=ast.Name(id="float"), args=[argument]):
                found = any(_is_money(name) for name in _words(argument))
            case _:
                found = False
        if found:
            yield source.at(node, "money in a float: integers of minor units")


def sql_in_code(source: Source) -> Iterator[str]:
    """SQL lives in `.sql` files and is never built from strings (style 14)."""
    for node in source.nodes:
        match node:
            case ast.Constant(value=str(text)) if SQL.match(text):
                yield source.at(node, "SQL belongs in a .sql file")
            case ast.Call(func=ast.Attribute(attr=verb), args=[ast.JoinedStr() | ast.BinOp() as argument, *_]):
                if verb.startswith("execute") and "PRAGMA" not in ast.unparse(argument):
                    yield source.at(node, "SQL built from strings")
            case _:
                pass


def _functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    return (node for node in source.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node within, but for those of functions and classes defined there."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child
            yield from _own_nodes(child)


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, without the docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return whole
    docstring = function.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def _is_money(name: str) -> bool:
    return not MONEY.isdisjoint(name.lower().split("_"))


def _mentions(tree: ast.AST, name: str) -> bool:
    return name in _words(tree)


def _words(tree: ast.AST) -> set[str]:
    """Every name and attribute within."""
    nodes = tuple(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
