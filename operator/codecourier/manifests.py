"""Files of manifests that are generated from the code: written as YAML, and compared with what is there."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Generated", "dump"]

_DIFF_LINES = 40


class _Dumper(yaml.SafeDumper):
    """Writes equal parts in full: anchors would make the manifests hard to read and compare."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  the interface of the library
        """Never refer to an earlier part."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def dump(*documents: Mapping[str, Any]) -> str:
    """Return manifests as the text of a file."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


@dataclass(frozen=True)
class Generated:
    """A folder of generated manifests, and the command that writes it."""

    module: str
    """Module of the command."""

    about: str
    """What the command does, in a sentence."""

    folder: Path
    stranger: str
    """What is wrong with a file that nothing generates, such as `belongs to no kind`."""

    remedy: str
    """What to do when the files differ, as a sentence."""

    def run(self, files: Mapping[str, str], arguments: Sequence[str] | None) -> int:
        """Write the files, given as texts by name, or with `--check` report whether they are up to date.

        Returns
        -------
        int
            Exit code: 1 when `--check` found a difference, else 0.
        """
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=self.about)
        parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
        place = "where the manifests are (default: %(default)s)"
        parser.add_argument("--folder", type=Path, default=self.folder, help=place)
        options = parser.parse_args(arguments)
        if options.check:
            return self._check(options.folder, files)
        options.folder.mkdir(parents=True, exist_ok=True)
        for path in _strangers(options.folder, files):
            path.unlink()
        for name, text in files.items():
            (options.folder / name).write_text(text, encoding="utf-8")
        return 0

    def _check(self, folder: Path, files: Mapping[str, str]) -> int:
        problems = [f"{path} {self.stranger}\n" for path in _strangers(folder, files)]
        for name, expected in files.items():
            path = folder / name
            found = path.read_text(encoding="utf-8") if path.exists() else ""
            if found != expected:
                lines = difflib.unified_diff(
                    found.splitlines(keepends=True), expected.splitlines(keepends=True), str(path), "generated", n=1
                )
                problems.append("".join(list(lines)[:_DIFF_LINES]))
        if problems:
            sys.stderr.write("".join(problems) + f"\n{self.remedy}\n")
        return 1 if problems else 0


def _strangers(folder: Path, files: Mapping[str, str]) -> list[Path]:
    return sorted(path for path in folder.glob("*.yaml") if path.name not in files)
