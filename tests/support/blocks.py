"""Code in documents: blocks that name a file after their language, as a reader would save them."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType

__all__ = ["installed", "load_block", "read_blocks"]

_BLOCK = re.compile(r"^ *```python (\S+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SOURCES = "operator"


def read_blocks(document: Path) -> Mapping[str, str]:
    """Return the Python code of a document's blocks by the files that they name."""
    found = _BLOCK.findall(document.read_text(encoding="utf-8"))
    return {file: dedent(code) for file, code in found}


@contextmanager
def installed(blocks: Mapping[str, str], folder: Path) -> Iterator[None]:
    """Make the blocks below `operator/` modules of the package, for a while.

    Parameters
    ----------
    blocks
        Code by file.
    folder
        Where the files are written.
    """
    modules = {file: code for file, code in blocks.items() if file.startswith(f"{_SOURCES}/")}
    widened: list[tuple[ModuleType, str]] = []
    for file, code in modules.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")
        widened += _widen(path.parent, folder / _SOURCES)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        for package, place in widened:
            package.__path__.remove(place)
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                _forget(name)


def _widen(place: Path, root: Path) -> Iterator[tuple[ModuleType, str]]:
    """Have the packages of a folder also look there for modules; yield each that did not before."""
    parts = place.relative_to(root).parts
    for depth in range(1, len(parts) + 1):
        here, name = root.joinpath(*parts[:depth]), ".".join(parts[:depth])
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            (here / "__init__.py").touch()
            importlib.invalidate_caches()
        package = importlib.import_module(name)
        if str(here) not in package.__path__:
            package.__path__.append(str(here))
            yield package, str(here)


def _forget(name: str) -> None:
    del sys.modules[name]
    parent, _, child = name.rpartition(".")
    if parent in sys.modules and hasattr(sys.modules[parent], child):
        delattr(sys.modules[parent], child)


def load_block(file: str, code: str, folder: Path) -> ModuleType:
    """Return a block as a module of its own, whose tests can be called."""
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
