"""Find the programs of the control plane, or get them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from codecourier.local.build import build_program
from codecourier.local.download import download_program
from codecourier.local.errors import LocalError, NoControlPlaneError, UnavailableError
from codecourier.local.state import file_lock
from codecourier.local.versions import KUBERNETES_VERSION

__all__ = ["PROGRAMS", "Fetch", "cache_folder", "find_binaries"]

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
"""The programs of a control plane."""

Fetch = Callable[[str, Path, Callable[[str], None], Callable[[], object]], None]
"""Puts a program into a folder, reports progress, and calls the checkpoint often; raises `UnavailableError`."""

_OUR_FOLDER = "CODECOURIER_CONTROLPLANE"
_SHARED_FOLDER = "KUBEBUILDER_ASSETS"

_FETCH_SECONDS = 1800
"""How long another command may take to build or download all programs."""

_FETCHES: Mapping[str, Fetch] = {
    "the official releases": download_program,
    "a build with Go": build_program,
}


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder in which programs are kept that were downloaded or built."""
    base = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "codecourier" / KUBERNETES_VERSION


def find_binaries(
    report: Callable[[str], None],
    checkpoint: Callable[[], object],
    environment: Mapping[str, str] = os.environ,
    fetches: Mapping[str, Fetch] = _FETCHES,
) -> Path:
    """Find the folder with all programs; download or build what is missing.

    Parameters
    ----------
    report
        Takes one line for each thing that happens.
    checkpoint
        Called often; an exception that it raises ends the search.
    environment
        The environment variables.
    fetches
        The ways to fill the cache, by name, in the order in which they are tried.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    NoControlPlaneError
        If no way works.
    LocalError
        If the folder that was asked for lacks a program.
    """
    attempts: dict[str, str] = {}
    for variable in (_OUR_FOLDER, _SHARED_FOLDER):
        reason = _why_not_named(environment.get(variable, ""))
        if not reason:
            return Path(environment[variable]).resolve()
        if variable == _OUR_FOLDER and environment.get(variable):
            raise LocalError(f"{variable} is set, but its folder {environment[variable]} {reason}")
        attempts[f"the folder of {variable}"] = reason
    cache = cache_folder(environment)
    if not _missing(cache):
        return cache
    attempts[f"the cache {cache}"] = f"lacks {', '.join(_missing(cache))}"
    attempts["a kind cluster"] = "was not asked for; `up --kind` needs a running Docker and `kind`"
    return _fill(cache, attempts, fetches, report, checkpoint)


def _fill(
    cache: Path,
    attempts: dict[str, str],
    fetches: Mapping[str, Fetch],
    report: Callable[[str], None],
    checkpoint: Callable[[], object],
) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    lock = cache.with_name(f"{cache.name}.lock")
    with file_lock(lock, timeout_seconds=_FETCH_SECONDS, checkpoint=checkpoint) as is_held:
        if not is_held:
            raise LocalError(f"another command has been filling {cache} for {_FETCH_SECONDS} s: end it and try again")
        for way, fetch in fetches.items():
            try:
                for program in _missing(cache):
                    fetch(program, cache, report, checkpoint)
            except UnavailableError as error:
                attempts[way] = str(error)
        if _missing(cache):
            raise NoControlPlaneError(attempts)
    return cache


def _why_not_named(folder: str) -> str:
    if not folder:
        return "is not set; a folder with " + ", ".join(PROGRAMS) + " is needed"
    missing = _missing(Path(folder))
    return f"lacks {', '.join(missing)}" if missing else ""


def _missing(folder: Path) -> list[str]:
    return [program for program in PROGRAMS if not os.access(folder / program, os.X_OK)]
