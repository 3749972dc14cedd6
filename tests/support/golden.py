"""Golden files: what is built, written down, so that a change of it is seen and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

__all__ = ["DATA", "check_golden"]

DATA = Path(__file__).resolve().parents[1] / "data"
"""Where golden files are."""


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full: anchors would make the files hard to read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def check_golden(name: str, value: Any, *, update: bool) -> None:
    """Compare a value with the YAML file of this name below `tests/data`, or write it where `update` is set."""
    path = DATA / name
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120), encoding="utf-8")
    assert path.is_file(), f"{path} is missing: run the test with --update-golden, then read what it wrote"
    assert value == yaml.safe_load(path.read_text(encoding="utf-8"))
