"""The house as the tidy tests see it: its folders, its files, its Python parsed once."""

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PRODUCT: Final = ("gateway", "adapters", "queue")
"""Folders whose code is installed."""

FOLDERS: Final = (*PRODUCT, "tests", "bench", "docs", "requirements", ".ci")
"""Every folder that is ours; what tools leave beside them (.venv, var, dist) is not."""

TEXT_SUFFIXES: Final = {
    "",
    ".cfg",
    ".css",
    ".html",
    ".js",
    ".json",
    ".lua",
    ".md",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
}


@dataclass(frozen=True)
class Source:
    """One Python file."""

    #: Path in the house, with slashes.
    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.text, self.path)

    @functools.cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of its syntax."""
        return tuple(ast.walk(self.tree))

    @functools.cached_property
    def comments(self) -> tuple[tuple[int, str], ...]:
        """Line and text of each comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return tuple((token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT)

    @functools.cached_property
    def imports(self) -> tuple[tuple[str, str], ...]:
        """Each name bound by an import, and what it stands for: `("dt", "datetime")`, `("now", "time.time")`."""
        return tuple(binding for node in self.nodes for binding in _bindings(node))

    @functools.cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for; of two that share a name, the last."""
        return dict(self.imports)

    def dotted(self, node: ast.AST) -> str:
        """Full name of an imported thing (`datetime.datetime.now`), or nothing."""
        match node:
            case ast.Name(id=name):
                return self.names.get(name, "")
            case ast.Attribute(value=value, attr=attr):
                owner = self.dotted(value)
                return owner and f"{owner}.{attr}"
            case _:
                return ""

    def at(self, node: ast.AST, what: str) -> str:
        """A finding as editors like it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


def _bindings(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that one import statement binds, and what they stand for."""
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)
        case ast.ImportFrom(module=str(module), names=aliases, level=0):
            for alias in aliases:
                yield alias.asname or alias.name, f"{module}.{alias.name}"
        case _:
            pass


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file of the house that is text, sorted."""
    inside = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    found = (path for path in (*ROOT.iterdir(), *inside) if path.is_file() and path.suffix in TEXT_SUFFIXES)
    return tuple(sorted(path for path in found if not _made(path)))


def _made(path: Path) -> bool:
    """Whether a tool made it rather than one of us."""
    parts = path.relative_to(ROOT).parts
    # `.git` is a file where the checkout is one of several of the same repository.
    return (
        "__pycache__" in parts
        or parts[:2] == ("bench", "out")
        or parts[0].startswith(".coverage")
        or parts == (".git",)
    )


@functools.cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file of these folders, parsed once a run."""
    found = (path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders)
    return tuple(Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in found)


@functools.cache
def documents() -> tuple[Path, ...]:
    """Every markdown file."""
    return tuple(path for path in files() if path.suffix == ".md")
