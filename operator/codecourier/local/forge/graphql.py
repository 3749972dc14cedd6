"""As much of GraphQL as clients of the forge send: what an operation answers, and what it costs.

The language is in `graph_language.py`; what it can ask for is in `graph.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from codecourier.local.forge.graph_language import Document, GraphError, Selection, filled

__all__ = ["Node", "cost_of", "execute"]

_REQUESTS_PER_POINT = 100


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


def cost_of(document: Document, variables: Mapping[str, Any]) -> int:
    """Return how many points of the rate limit an operation costs.

    https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api: the requests that are
    needed to fill each connection, each of which is as long as asked for, divided by 100; at least 1.
    """
    given = {**document.defaults, **variables}
    return max(1, round(_requests(document, document.selections, given, 1) / _REQUESTS_PER_POINT))


def _requests(document: Document, selections: tuple[Selection, ...], variables: Mapping[str, Any], times: int) -> int:
    """Return the requests below selections that are asked for so many times."""
    total = 0
    for selection in document.unfolded(selections, ""):
        sizes = [filled(selection.arguments.get(name), variables) for name in ("first", "last")]
        size = next((size for size in sizes if isinstance(size, int)), None)
        total += times if size is not None else 0
        total += _requests(document, selection.children, variables, times * (1 if size is None else size))
    return total


def execute(document: Document, variables: Mapping[str, Any], root: Node) -> dict[str, Any]:
    """Return the answer to an operation: `data`, and `errors` where there are some.

    An error makes its field null; a document that the schema does not allow has no `data`.
    """
    variables = {**document.defaults, **variables}
    missing = sorted(name for name in document.required if variables.get(name) is None)
    if missing:
        message = f"Variable ${missing[0]} was provided invalid value"
        return {"errors": [GraphError(message, code="variableInvalid").body(())]}
    execution = _Execution(document, variables)
    try:
        data = execution.fields(root, document.selections, ())
    except GraphError as error:
        return {"errors": [error.body((document.kind,))]}
    return {"data": data} | ({"errors": execution.errors} if execution.errors else {})


class _Execution:
    """One operation under way."""

    def __init__(self, document: Document, variables: Mapping[str, Any]) -> None:
        self._document = document
        self._variables = variables
        self.errors: list[dict[str, Any]] = []

    def fields(self, node: Node, selections: tuple[Selection, ...], path: tuple[str | int, ...]) -> dict[str, Any]:
        """Return what an object answers to selections.

        Raises
        ------
        GraphError
            If the schema does not allow them.
        """
        answers = {}
        for selection in self._document.unfolded(selections, node.typename):
            place = (*path, selection.alias)
            answers[selection.alias] = self._item(partial(self._value, node, selection), selection, place)
        return answers

    def _value(self, node: Node, selection: Selection) -> Any:
        if selection.name == "__typename":
            return node.typename
        if selection.name not in node.fields:
            message = f"Field '{selection.name}' doesn't exist on type '{node.typename}'"
            raise GraphError(message, code="undefinedField")
        value = node.fields[selection.name]
        if not callable(value):
            return value
        try:
            return value(**{name: filled(given, self._variables) for name, given in selection.arguments.items()})
        except TypeError as error:
            message = f"Field '{selection.name}' has wrong arguments: {error}"
            raise GraphError(message, code="argumentNotAccepted") from error

    def _rendered(self, value: Any, selection: Selection, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, list):
            return [self._item(item, selection, (*path, number)) for number, item in enumerate(value)]
        if not isinstance(value, Node):
            return value
        if not selection.children:
            message = f"Field must have selections (field '{selection.name}' returns {value.typename})"
            raise GraphError(message, code="selectionMismatch")
        return self.fields(value, selection.children, path)

    def _item(self, item: Any, selection: Selection, path: tuple[str | int, ...]) -> Any:
        """Return an item of a list, which may be a function of nothing so that its error is its own."""
        try:
            return self._rendered(item() if callable(item) else item, selection, path)
        except GraphError as error:
            if error.code:
                raise
            self.errors.append(error.body(path))
            return None
