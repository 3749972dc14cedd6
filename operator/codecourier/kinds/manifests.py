"""The manifests in `manifests/`, generated from tables: `python -m codecourier.kinds.manifests [--check]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from codecourier.kinds.policies import build_policies
from codecourier.kinds.roles import build_roles
from codecourier.manifests import Generated, dump

__all__ = ["build_files", "main"]

_HEADER = "# Generated from operator/codecourier/kinds by `make manifests`; edit the tables there, not this file.\n"
_GENERATED = Generated(
    module="codecourier.kinds.manifests",
    about="Write the manifests in `manifests/`, which are generated from tables.",
    folder=Path(__file__).parents[3] / "manifests",
    stranger="is generated from no table",
    remedy="The manifests differ from the tables: run `make manifests`.",
)


def build_files() -> dict[str, str]:
    """Return the text of every file in `manifests/`, by file name."""
    return {"policies.yaml": _HEADER + dump(*build_policies()), "roles.yaml": _HEADER + dump(*build_roles())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the manifests, or with `--check` report whether they are up to date; return the exit code."""
    return _GENERATED.run(build_files(), arguments)


if __name__ == "__main__":
    sys.exit(main())
