"""Views in the forms of Kubernetes' API: objects, lists and the tables that kubectl prints. Pure documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codecourier.apiserver.accept import JSON, Form
from codecourier.apiserver.discovery import GROUP_VERSION, Offer

__all__ = ["FORMS", "TABLE", "Column", "Item", "build_list", "build_object", "build_table", "is_selected"]

TABLE = Form((("as", "Table"), ("v", "v1"), ("g", "meta.k8s.io")))
"""Form with columns and rows."""

FORMS = (JSON, TABLE)


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    field: str
    """What it shows of an item."""

    type: str = "string"
    priority: int = 0
    """Above 0: only with `kubectl get -o wide`."""

    @property
    def definition(self) -> dict[str, Any]:
        """What a table says of it."""
        # Only this format makes kubectl list the names alone, with `-o name` and the like.
        format_ = "name" if self.name == "Name" else ""
        return {"name": self.name, "type": self.type, "format": format_, "description": "", "priority": self.priority}


@dataclass(frozen=True)
class Item:
    """One of a kind of the API group."""

    name: str
    fields: Mapping[str, Any]
    """The fields that the REST API shows."""

    created: str | None = None


def build_object(offer: Offer, namespace: str, item: Item) -> dict[str, Any]:
    """Return an item as an object of Kubernetes' API."""
    metadata = {"name": item.name, "namespace": namespace, "creationTimestamp": item.created}
    return {"apiVersion": GROUP_VERSION, "kind": offer.kind, "metadata": metadata, "status": dict(item.fields)}


def build_list(
    offer: Offer, namespace: str, items: Sequence[Item], version: str, next_cursor: str | None
) -> dict[str, Any]:
    """Return items as a list."""
    objects = [build_object(offer, namespace, item) for item in items]
    metadata = _list_metadata(version, next_cursor)
    return {"apiVersion": GROUP_VERSION, "kind": f"{offer.kind}List", "metadata": metadata, "items": objects}


def build_table(
    offer: Offer,
    columns: Sequence[Column],
    namespace: str,
    items: Sequence[Item],
    version: str,
    next_cursor: str | None,
    include: str,
) -> dict[str, Any]:
    """Return items as a table.

    Parameters
    ----------
    offer
        Their kind.
    columns
        What is shown beside the name.
    namespace
        The project.
    items
        The items.
    version
        Version of the list.
    next_cursor
        Where the next page begins; None: there is no more.
    include
        What each row has of its object: `None`, `Metadata` or `Object`.
    """
    rows = [
        {
            "cells": [item.name, *(item.fields.get(column.field) for column in columns)],
            "object": _included(build_object(offer, namespace, item), include),
        }
        for item in items
    ]
    return {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "Table",
        "metadata": _list_metadata(version, next_cursor),
        "columnDefinitions": [column.definition for column in (Column("Name", ""), *columns)],
        "rows": rows,
    }


def _list_metadata(version: str, next_cursor: str | None) -> dict[str, Any]:
    return {"resourceVersion": version} | ({} if next_cursor is None else {"continue": next_cursor})


def _included(obj: dict[str, Any], include: str) -> dict[str, Any] | None:
    if include == "Object":
        return obj
    partial = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": obj["metadata"]}
    return partial if include == "Metadata" else None


def is_selected(item: Item, namespace: str, selector: str) -> bool:
    """Return whether a field selector selects an item.

    Raises
    ------
    ValueError
        If it names a field that cannot be selected by.
    """
    known = {"metadata.name": item.name, "metadata.namespace": namespace}
    return all(_matches(known, term.strip()) for term in selector.split(",") if term.strip())


def _matches(known: Mapping[str, str], term: str) -> bool:
    field, sign, value = term.partition("!=")
    if not sign:
        field, sign, value = term.partition("=")
    if not sign or field not in known:
        raise ValueError("must compare metadata.name or metadata.namespace by = or !=")
    return (known[field] == value.removeprefix("=")) == (sign == "=")
