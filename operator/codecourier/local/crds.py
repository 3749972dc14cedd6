"""Applying CodeCourier's CRDs to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import yaml

from codecourier.local.api import LoopbackServer
from codecourier.local.errors import LocalError

__all__ = ["apply_crds"]

_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_MANAGER = "codecourier-local"


def apply_crds(api: LoopbackServer, folder: Path, wait_for: Callable[[Callable[[], bool], str], None]) -> list[str]:
    """Apply all CRDs of a folder, and wait until they are served.

    Parameters
    ----------
    api
        The API server.
    folder
        Its ``*.yaml`` are applied in the order of their names; it may be missing.
    wait_for
        Waits for a condition, described by the text.

    Returns
    -------
    list of str
        The names of the CRDs.

    Raises
    ------
    LocalError
        If a file holds anything but CRDs, or the API server refuses one.
    """
    names = [
        _apply(api, document, path)
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    ]
    for name in names:
        wait_for(partial(_is_established, api, name), f"CRD {name} is served")
    return names


def _apply(api: LoopbackServer, document: Any, path: Path) -> str:
    if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
        raise LocalError(f"{path} holds something else than CustomResourceDefinitions")
    name: str = document["metadata"]["name"]
    # JSON is YAML, and is what the API server reads fastest.
    query = f"fieldManager={_MANAGER}&force=true"
    api.fetch("PATCH", f"{_COLLECTION}/{name}?{query}", orjson.dumps(document), "application/apply-patch+yaml")
    return name


def _is_established(api: LoopbackServer, name: str) -> bool:
    crd = api.fetch("GET", f"{_COLLECTION}/{name}")
    # A CRD that was created a moment ago has no conditions yet.
    found = (crd.get("status") or {}).get("conditions") or ()
    conditions = {item["type"]: item["status"] for item in found}
    if conditions.get("Established") != "True":
        return False
    # An established CRD is served only a moment later; the next command must find it.
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    version = next(item["name"] for item in crd["spec"]["versions"] if item["served"])
    return api.is_answering(f"/apis/{group}/{version}/{plural}?limit=1")
