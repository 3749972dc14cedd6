"""The published OpenAPI document, `docs/openapi.json`: what clients may rely on.

`make openapi` writes it from the operations. `make check-openapi` fails if it differs from them, breaks a rule of
`spectral.yaml`, or takes away something that the version before it in Git's history has promised. A break that is
wanted has a changelog fragment under "Backwards-incompatible changes" that names REST.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.rest_document import openapi_document
from tools.environment import COMPLETE, ROOT, cache_folder, exclusive

__all__ = ["main"]

PUBLISHED = ROOT / "docs" / "openapi.json"
FOLDER = ROOT / "tools" / "openapi"
OASDIFF = "github.com/oasdiff/oasdiff@v1.38.0"
BREAKING = "### Backwards-incompatible changes"


def main() -> None:
    """Write the document, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare, lint and look for breaks")
    current = json.dumps(openapi_document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if not parser.parse_args().check:
        PUBLISHED.write_text(current, encoding="utf-8")
    elif PUBLISHED.read_text(encoding="utf-8") != current:
        sys.exit("docs/openapi.json is not what is served: call `make openapi`.")
    lint()
    refuse_breaks()


def lint() -> None:
    """Hold the document against the rules.

    Raises
    ------
    SystemExit
        If it breaks one.
    """
    home = cache_folder() / "openapi" / "spectral"
    with exclusive(home.with_suffix(".lock")):
        home.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            if not (home / name).exists() or (home / name).read_bytes() != (FOLDER / name).read_bytes():
                (home / COMPLETE).unlink(missing_ok=True)
                shutil.copy(FOLDER / name, home / name)
        if not (home / COMPLETE).exists():
            _run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=home)
            (home / COMPLETE).touch()
    rules = ("--ruleset", FOLDER / "spectral.yaml", "--fail-severity", "warn")
    _run(home / "node_modules" / ".bin" / "spectral", "lint", PUBLISHED, *rules)


def refuse_breaks() -> None:
    """Compare the document with the version before it in Git's history.

    Raises
    ------
    SystemExit
        If clients of that version may fail now, and no changelog fragment says so.
    """
    before = _version_before()
    if before is None or any(BREAKING in text and "REST" in text for text in _fragments()):
        return
    home = cache_folder() / "openapi"
    program = home / OASDIFF.rpartition("@")[2] / "oasdiff"
    with exclusive(home / "oasdiff.lock"):
        if not program.exists():
            _run("go", "install", OASDIFF, environment={"GOBIN": str(program.parent)})
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(before)
        file.flush()
        _run(program, "breaking", "--fail-on", "ERR", file.name, PUBLISHED)


def _fragments() -> list[str]:
    """Return the changelog fragments of now, and of the commit of this version: a release takes them away."""
    commit = _git("log", "--format=%H", "-n", "1", "--", PUBLISHED.relative_to(ROOT)).decode().strip()
    names = _git("ls-tree", "--name-only", commit, "changelog.d/").decode().split() if commit else []
    now = [path.read_text(encoding="utf-8") for path in (ROOT / "changelog.d").glob("2*.md")]
    return now + [_git("show", f"{commit}:{name}").decode() for name in names if not name.endswith("README.md")]


def _version_before() -> bytes | None:
    """Return the committed document that differs from this one most recently; None: there is none."""
    path = PUBLISHED.relative_to(ROOT)
    commits = _git("log", "--format=%H", "-n", "5", "--", path).decode().split()
    for commit in commits:
        found = _git("show", f"{commit}:{path}")
        if found and found != PUBLISHED.read_bytes():
            return found
    return None


def _git(*arguments: str | Path) -> bytes:
    return subprocess.run(
        ("git", *arguments), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False
    ).stdout


def _run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{Path(command[0]).name} failed:\n{done.stdout}")


if __name__ == "__main__":
    main()
