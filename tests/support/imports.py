"""What a file imports, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Import", "find_imports", "parse"]


@dataclass(frozen=True)
class Import:
    """One imported module; `a.b` for `from a import b` too, since b may be a module."""

    line: int
    module: str


def parse(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def find_imports(tree: ast.AST) -> Iterator[Import]:
    """Yield every import, also those inside functions and for type checkers only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                Import(node.lineno, "." * node.level + f"{node.module or ''}.{alias.name}") for alias in node.names
            )
