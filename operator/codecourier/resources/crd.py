"""The manifests in `crds/`, generated from the models: `python -m codecourier.resources.crd [--check]`."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from codecourier.resources.meta import GROUP, VERSION, CustomResource, PrinterColumn
from codecourier.resources.registry import KINDS
from codecourier.resources.schema import structural_schema

__all__ = ["build_crd", "build_files", "main"]

_FOLDER = Path(__file__).parents[3] / "crds"
_HEADER = "# Generated from operator/codecourier/resources by `make crds`; edit the models there, not this file.\n"
_DIFF_LINES = 40


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full: anchors would make the manifests hard to read and compare."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the interface of the library
        """Never refer to an earlier part."""
        return True


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
    return {f"{kind.info.plural}.yaml": _HEADER + _dump(build_crd(kind)) for kind in KINDS}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the manifests, or with `--check` report whether they are up to date.

    Returns
    -------
    int
        Exit code: 1 when `--check` found a difference, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m codecourier.resources.crd", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="where the manifests are (default: %(default)s)")
    options = parser.parse_args(arguments)
    files = build_files()
    if options.check:
        return _check(options.folder, files)
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in _strangers(options.folder, files):
        path.unlink()
    for name, text in files.items():
        (options.folder / name).write_text(text, encoding="utf-8")
    return 0


def _check(folder: Path, files: Mapping[str, str]) -> int:
    problems = [f"{path} belongs to no kind\n" for path in _strangers(folder, files)]
    for name, expected in files.items():
        path = folder / name
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if found != expected:
            lines = difflib.unified_diff(
                found.splitlines(keepends=True), expected.splitlines(keepends=True), str(path), "generated", n=1
            )
            problems.append("".join(list(lines)[:_DIFF_LINES]))
    if problems:
        sys.stderr.write("".join(problems) + "\nThe manifests differ from the models: run `make crds`.\n")
    return 1 if problems else 0


def _strangers(folder: Path, files: Mapping[str, str]) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.name not in files)


def _column(column: PrinterColumn) -> dict[str, Any]:
    entry = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.json_path,
        "priority": column.priority,
        "description": column.description,
    }
    return {key: value for key, value in entry.items() if value}


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def _dump(document: dict[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


if __name__ == "__main__":
    sys.exit(main())
