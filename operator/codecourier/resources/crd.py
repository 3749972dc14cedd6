"""The manifests in `crds/`, generated from the models: `python -m codecourier.resources.crd [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codecourier.manifests import Generated, dump
from codecourier.resources.meta import GROUP, VERSION, CustomResource, PrinterColumn
from codecourier.resources.registry import KINDS
from codecourier.resources.schema import structural_schema

__all__ = ["build_crd", "build_files", "main"]

_HEADER = "# Generated from operator/codecourier/resources by `make crds`; edit the models there, not this file.\n"
_GENERATED = Generated(
    module="codecourier.resources.crd",
    about="Write the manifests in `crds/`, which are generated from the models.",
    folder=Path(__file__).parents[3] / "crds",
    stranger="belongs to no kind",
    remedy="The manifests differ from the models: run `make crds`.",
)


def build_crd(kind: type[CustomResource], kinds: Sequence[type[CustomResource]] = KINDS) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind; `kinds` are those that its objects may name.

    Raises
    ------
    SchemaError
        If a CRD cannot express the kind's model.
    """
    info = kind.info
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": structural_schema(kind, kinds)},
        "additionalPrinterColumns": [_column(column) for column in info.columns],
        "selectableFields": [{"jsonPath": path} for path in info.selectable_fields],
        "subresources": {"status": {}} if "status" in kind.model_fields else None,
    }
    names: dict[str, Any] = {
        "kind": info.kind,
        "listKind": f"{info.kind}List",
        "plural": info.plural,
        "singular": info.singular,
        "shortNames": list(info.short_names),
        "categories": ["codecourier", *info.extra_categories],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{info.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {key: value for key, value in names.items() if value},
            "versions": [{key: value for key, value in version.items() if value}],
        },
    }


def build_files() -> dict[str, str]:
    """Return the text of every file in `crds/`, by file name."""
    return {f"{kind.info.plural}.yaml": _HEADER + dump(build_crd(kind)) for kind in KINDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the manifests, or with `--check` report whether they are up to date; return the exit code."""
    return _GENERATED.run(build_files(), arguments)


def _column(column: PrinterColumn) -> dict[str, Any]:
    entry = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.json_path,
        "priority": column.priority,
        "description": column.description,
    }
    return {key: value for key, value in entry.items() if value}


if __name__ == "__main__":
    sys.exit(main())
