"""The language of GraphQL, https://spec.graphql.org/October2021/, without directives and subscriptions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Document", "GraphError", "Selection", "filled", "parse"]

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

    def body(self, path: tuple[str | int, ...]) -> dict[str, Any]:
        """Return the entry for a place in the answer."""
        shape: dict[str, Any] = {"message": self.message, "path": list(path)}
        return shape | ({"type": self.type} if self.type else {"extensions": {"code": self.code}})


@dataclass(frozen=True)
class Variable:
    name: str


@dataclass(frozen=True)
class Selection:
    """A field, or a fragment in the place of fields."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    children: tuple[Selection, ...] = ()
    on_type: str = ""
    """Type of an inline fragment, which has no name."""

    spread: str = ""
    """Name of a fragment that stands here."""


@dataclass(frozen=True)
class Document:
    """An operation."""

    kind: str
    """`query` or `mutation`."""

    required: frozenset[str]
    """Variables that must be given."""

    selections: tuple[Selection, ...]
    defaults: Mapping[str, Any]
    """Values of variables that are not given."""

    fragments: Mapping[str, Selection] = field(default_factory=dict)
    """Inline fragments by the name of the fragment."""

    def unfolded(self, selections: tuple[Selection, ...], typename: str) -> list[Selection]:
        """Return the fields that selections have on an object of a type; empty for every type.

        Raises
        ------
        GraphError
            If a fragment is not defined.
        """
        found: list[Selection] = []
        for selection in selections:
            named = self._fragment(selection.spread) if selection.spread else selection
            if not named.on_type:
                found.append(named)
            elif not typename or named.on_type == typename:
                found += self.unfolded(named.children, typename)
        return found

    def _fragment(self, name: str) -> Selection:
        if name not in self.fragments:
            raise GraphError(f"Fragment {name} was used, but not defined", code="useAndDefineFragment")
        return self.fragments[name]


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
        fragments = {}
        while self._peek() == "fragment":
            self._take()
            name = self._take()
            fragments[name] = self._inline("on")
        if self._next != len(self._tokens):
            raise GraphError("Parse error: one operation is expected", code="parseError")
        return Document(kind, frozenset(required), selections, defaults, fragments)

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

    def _selections(self) -> tuple[Selection, ...]:
        found = []
        self._take("{")
        while self._peek() != "}":
            found.append(self._spread() if self._peek() == "..." else self._field())
        self._take("}")
        return tuple(found)

    def _spread(self) -> Selection:
        self._take("...")
        return self._inline("on") if self._peek() == "on" else Selection("", "", {}, spread=self._take())

    def _inline(self, word: str) -> Selection:
        self._take(word)
        on_type = self._take()
        return Selection("", "", {}, self._selections(), on_type)

    def _field(self) -> Selection:
        alias = name = self._take()
        if self._peek() == ":":
            self._take()
            name = self._take()
        arguments = self._pairs("(", ")") if self._peek() == "(" else {}
        children = self._selections() if self._peek() == "{" else ()
        return Selection(name, alias, arguments, children)

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
            return Variable(self._take())
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


def filled(value: Any, variables: Mapping[str, Any]) -> Any:
    """Return an argument with its variables replaced."""
    if isinstance(value, Variable):
        return variables.get(value.name)
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, variables) for name, item in value.items()}
    return value
