"""Finds every regular expression of a package in its source, so that none is left out of a test."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["FoundPattern", "find_patterns", "modules_of"]

_CALLS = frozenset({"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"})
_ANCHORED = frozenset({"match", "fullmatch"})
_MENTIONS_RE = re.compile(r"\bre\b")


@dataclass(frozen=True)
class FoundPattern:
    """A call of `re` in the source."""

    place: str
    """Module and line."""

    pattern: re.Pattern[Any] | None
    """None where the pattern is known only when the call is made."""

    methods: frozenset[str] = field(default_factory=frozenset)
    """Methods of the pattern that its module uses; empty where it may be used anywhere."""

    @property
    def is_anchored(self) -> bool:
        """Whether it is never searched for within a text."""
        return bool(self.methods) and self.methods <= _ANCHORED


def modules_of(package: ModuleType, *without: str) -> Iterator[ModuleType]:
    """Yield the modules of a package but those below some of its parts, and programs, which run when imported."""
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        part = found.name.removeprefix(f"{package.__name__}.").partition(".")[0]
        if part not in without and not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def find_patterns(module: ModuleType) -> Iterator[FoundPattern]:
    """Yield each call of `re` in a module."""
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    if not _MENTIONS_RE.search(source):
        return
    tree = ast.parse(source)
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "re" for node in ast.walk(tree))
    names = _assigned(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _is_re_call(node):
            name = names.get(node)
            methods = frozenset(_methods_of(tree, name)) if name is not None else _method_of_call(node)
            yield FoundPattern(f"{module.__name__}:{node.lineno}", _evaluate(node, module), methods)


def _is_re_call(node: ast.Call) -> bool:
    function = node.func
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) == "re" and function.attr in _CALLS


def _assigned(tree: ast.Module) -> dict[ast.AST, str]:
    """Return the names of module-level patterns by their calls."""
    return {
        node.value: node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _methods_of(tree: ast.Module, name: str) -> Iterator[str]:
    """Yield the methods by which a module uses one of its patterns; another use may be any of them."""
    inside = {
        node.value: node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in _CALLS
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            yield inside.get(node, "search")


def _method_of_call(node: ast.Call) -> frozenset[str]:
    method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    return frozenset({"search" if method == "compile" else method})


def _evaluate(node: ast.Call, module: ModuleType) -> re.Pattern[Any] | None:
    flags = [argument for argument in node.args[1:] if ast.unparse(argument).startswith("re.")]
    flags += [keyword.value for keyword in node.keywords if keyword.arg == "flags"]
    try:
        pattern, *rest = (
            eval(compile(ast.Expression(part), "<pattern>", "eval"), vars(module))  # noqa: S307  the product's source
            for part in (node.args[0], *flags)
        )
    except NameError:
        return None
    return re.compile(pattern, *rest)
