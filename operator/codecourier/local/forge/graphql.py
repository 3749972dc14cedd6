"""As much of GraphQL as clients of the forge send: operations with variables, arguments, aliases and inline fragments.

The language is that of https://spec.graphql.org/October2021/; what it can ask for is in `graph.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["GraphError", "Node", "execute", "parse"]

_TOKENS = re.compile(r'\.\.\.|[{}()\[\]:!=$]|"(?:[^"\\\n]|\\.)*"|-?\d+|[_A-Za-z]\w*')
_IGNORED = re.compile(r"(?:[\s,]|#[^\n]*)*")
_WORDS = {"true": True, "false": False, "null": None}


class GraphError(Exception):
    """An entry of `errors` in an answer.

    Parameters
    ----------
    message
        What is wrong.
    type_
        GitHub's word for it; empty for a document that the schema does not allow.
    code
        The same for such a document.
    """

    def __init__(self, message: str, type_: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = type_
        self.code = code

    def body(self, path: tuple[str, ...]) -> dict[str, Any]:
        """Return the entry for a place in the answer."""
        shape: dict[str, Any] = {"message": self.message, "path": list(path)}
        return shape | ({"type": self.type} if self.type else {"extensions": {"code": self.code}})


@dataclass(frozen=True)
class _Variable:
    name: str


@dataclass(frozen=True)
class _Selection:
    name: str
    alias: str
    arguments: Mapping[str, Any]
    children: tuple[_Selection, ...] = ()
    on_type: str = ""
    """Type of an inline fragment, which has no name."""


@dataclass(frozen=True)
class Document:
    """An operation."""

    kind: str
    """`query` or `mutation`."""

    required: frozenset[str]
    """Variables that must be given."""

    selections: tuple[_Selection, ...]
    defaults: Mapping[str, Any]
    """Values of variables that are not given."""


@dataclass(frozen=True)
class Node:
    """An object of the graph.

    Parameters
    ----------
    typename
        Its type.
    fields
        What it has: a value, or a function of the arguments.
    """

    typename: str
    fields: Mapping[str, Any | Callable[..., Any]] = field(default_factory=dict)


def parse(text: str) -> Document:
    """Return the one operation of a document.

    Raises
    ------
    GraphError
        If it is none.
    """
    return _Parser(text).document()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        place = _end(_IGNORED.match(text))
        while place < len(text):
            found = _TOKENS.match(text, place)
            if found is None:
                raise GraphError(f"Parse error on {text[place : place + 10]!r}", code="parseError")
            self._tokens.append(found[0])
            place = _end(_IGNORED.match(text, found.end()))
        self._next = 0

    def document(self) -> Document:
        kind, required, defaults = "query", set[str](), dict[str, Any]()
        if self._peek() != "{":
            kind = self._take()
            if self._peek() not in {"{", "("}:
                self._take()
            if self._peek() == "(":
                required, defaults = self._variables()
        if kind not in {"query", "mutation"}:
            raise GraphError(f"Parse error on {kind!r}", code="parseError")
        selections = self._selections()
        if self._next != len(self._tokens):
            raise GraphError("Parse error: one operation is expected", code="parseError")
        return Document(kind, frozenset(required), selections, defaults)

    def _peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if not token or (wanted and token != wanted):
            raise GraphError(f"Parse error on {token!r}, expected {wanted or 'more'!r}", code="parseError")
        self._next += 1
        return token

    def _variables(self) -> tuple[set[str], dict[str, Any]]:
        required, defaults = set(), {}
        self._take("(")
        while self._peek() != ")":
            self._take("$")
            name = self._take()
            self._take(":")
            while self._peek() not in {"$", ")", "="}:
                last = self._take()
            if self._peek() == "=":
                self._take()
                defaults[name] = self._value()
            elif last == "!":
                required.add(name)
        self._take(")")
        return required, defaults

    def _selections(self) -> tuple[_Selection, ...]:
        found = []
        self._take("{")
        while self._peek() != "}":
            found.append(self._fragment() if self._peek() == "..." else self._field())
        self._take("}")
        return tuple(found)

    def _fragment(self) -> _Selection:
        self._take("...")
        self._take("on")
        on_type = self._take()
        return _Selection("", "", {}, self._selections(), on_type)

    def _field(self) -> _Selection:
        alias = name = self._take()
        if self._peek() == ":":
            self._take()
            name = self._take()
        arguments = self._pairs("(", ")") if self._peek() == "(" else {}
        children = self._selections() if self._peek() == "{" else ()
        return _Selection(name, alias, arguments, children)

    def _pairs(self, opening: str, closing: str) -> dict[str, Any]:
        found = {}
        self._take(opening)
        while self._peek() != closing:
            name = self._take()
            self._take(":")
            found[name] = self._value()
        self._take(closing)
        return found

    def _value(self) -> Any:
        word = self._peek()
        if word == "{":
            return self._pairs("{", "}")
        self._take()
        if word == "$":
            return _Variable(self._take())
        if word == "[":
            items = []
            while self._peek() != "]":
                items.append(self._value())
            self._take("]")
            return items
        if word.startswith('"'):
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        return int(word) if word.lstrip("-").isdecimal() else _WORDS.get(word, word)


def _end(found: re.Match[str] | None) -> int:
    return 0 if found is None else found.end()


def execute(document: Document, variables: Mapping[str, Any], root: Node) -> dict[str, Any]:
    """Return the answer to an operation: `data`, and `errors` where there are some.

    An error in a field of the root makes that field null; a document that the schema does not allow has no `data`.
    """
    variables = {**document.defaults, **variables}
    missing = sorted(name for name in document.required if variables.get(name) is None)
    if missing:
        message = f"Variable ${missing[0]} was provided invalid value"
        return {"errors": [GraphError(message, code="variableInvalid").body(())]}
    data: dict[str, Any] = {}
    errors = []
    for selection in document.selections:
        try:
            data[selection.alias] = _resolve(root, selection, variables)
        except GraphError as error:
            if error.code:
                return {"errors": [error.body((document.kind, selection.alias))]}
            data[selection.alias] = None
            errors.append(error.body((selection.alias,)))
    return {"data": data} | ({"errors": errors} if errors else {})


def _resolve(node: Node, selection: _Selection, variables: Mapping[str, Any]) -> Any:
    if selection.name not in node.fields:
        message = f"Field '{selection.name}' doesn't exist on type '{node.typename}'"
        raise GraphError(message, code="undefinedField")
    value = node.fields[selection.name]
    if callable(value):
        value = _call(value, selection, variables)
    return _render(value, selection, variables)


def _call(value: Callable[..., Any], selection: _Selection, variables: Mapping[str, Any]) -> Any:
    try:
        return value(**{name: _filled(given, variables) for name, given in selection.arguments.items()})
    except TypeError as error:
        message = f"Field '{selection.name}' has wrong arguments: {error}"
        raise GraphError(message, code="argumentNotAccepted") from error


def _render(value: Any, selection: _Selection, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_render(item, selection, variables) for item in value]
    if not isinstance(value, Node):
        return value
    if not selection.children:
        message = f"Field must have selections (field '{selection.name}' returns {value.typename})"
        raise GraphError(message, code="selectionMismatch")
    return {child.alias: _resolve(value, child, variables) for child in _unfolded(selection.children, value.typename)}


def _unfolded(selections: tuple[_Selection, ...], typename: str) -> list[_Selection]:
    """Return the fields that selections have on an object of a type."""
    found: list[_Selection] = []
    for selection in selections:
        if not selection.on_type:
            found.append(selection)
        elif selection.on_type == typename:
            found += _unfolded(selection.children, typename)
    return found


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return an argument with its variables replaced."""
    if isinstance(value, _Variable):
        return variables.get(value.name)
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: _filled(item, variables) for name, item in value.items()}
    return value
