"""What no line of the product may do with what comes from outside; each rule a pure function from a file to findings.

What syntax alone can tell is told here, in no time; what has to follow a value through a function is left to five rules
of semgrep (`.semgrep/`, `make semgrep`), which come in an environment of their own. What `rules.py`, ruff's S rules and
bandit see already (floats for money, SQL from strings, clocks) is not said again.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.tidy.house import Source

SECRET: Final = re.compile(r"(\w+_)?(token|secret|password|digest|hmac|mac|signature|check_value)")

PARSES: Final = re.compile(
    r"(xml|lxml)\..*\b(fromstring|fromstringlist|parse|parseString|iterparse|XMLParser|XML|XMLPullParser|make_parser"
    r"|ParserCreate)"
)

PERSONAL: Final = {
    *("account", "attributes", "authorization", "body", "comment", "content", "header", "headers", "inbound", "query"),
    *("raw", "request_line", "token", "tokens", "wire", "url"),
}

RUNS: Final = re.compile(
    r"(pickle|marshal|shelve|dill|joblib)\.\w+|yaml\.(unsafe_|full_)?load(_all)?|os\.(system|popen)|tempfile\.mktemp"
    r"|jsonpickle\.\w+"
)


def secrets_compared(source: Source) -> Iterator[str]:
    """Secrets are compared in constant time: `hmac.compare_digest`."""
    for node in source.nodes:
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops):
            sides = [node.left, *node.comparators]
            if any(_is_secret(side) for side in sides) and not any(isinstance(side, ast.Constant) for side in sides):
                yield source.at(node, "a secret compared with ==: hmac.compare_digest")


def xml_unguarded(source: Source) -> Iterator[str]:
    """XML is read by defusedxml, without a DTD."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and PARSES.fullmatch(source.dotted(node.func)):
            yield source.at(node, "XML read without guard: defusedxml, forbid_dtd=True")


def requests_logged(source: Source) -> Iterator[str]:
    """What came in a request never goes into the log, but for words of a bounded vocabulary."""
    for node in source.nodes:
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log" | "logger" | "logging"))):
                values = [*node.args, *(keyword.value for keyword in node.keywords)]
                if any(_is_personal(value) for value in values):
                    yield source.at(node, "what came in a request is logged")
            case _:
                pass


def input_asserted(source: Source) -> Iterator[str]:
    """What strangers send is checked by code that `python -O` keeps."""
    for node in source.nodes:
        if isinstance(node, ast.Assert):
            yield source.at(node, "an assertion where strangers' bytes are read: raise what the channel answers by")


def code_from_data(source: Source) -> Iterator[str]:
    """No data is run, neither by Python nor by a shell."""
    for node in source.nodes:
        if not isinstance(node, ast.Call):
            continue
        name = source.dotted(node.func)
        bare = node.func.id if isinstance(node.func, ast.Name) else ""
        shell = any(keyword.arg == "shell" and ast.unparse(keyword.value) != "False" for keyword in node.keywords)
        if RUNS.fullmatch(name) or bare in {"eval", "exec"} or shell or name.endswith("create_subprocess_shell"):
            yield source.at(node, "data that is run")


def _is_secret(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return SECRET.fullmatch(name) is not None
        case ast.Call(func=ast.Attribute(attr="digest" | "hexdigest")):
            return True
        case _:
            return False


def _is_personal(node: ast.expr) -> bool:
    """Whether a value mentions what came; its length, type or name of type says nothing of it."""
    match node:
        case ast.Call(func=ast.Name(id="len" | "type" | "bool")):
            return False
        case ast.Name(id=name):
            return name in PERSONAL
        case ast.Attribute(value=value, attr=attr):
            return attr in PERSONAL or (attr.startswith("__") and _is_personal(value))
        case _:
            return any(_is_personal(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
