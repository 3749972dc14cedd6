"""The downward API: what `fieldRef` and `resourceFieldRef` stand for."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from codecourier.local.processnode.errors import ConfigurationError
from codecourier.local.processnode.objects import Json, all_containers, parse_quantity

__all__ = ["resolve_field", "resolve_resource"]

_SUBSCRIPT = re.compile(r"metadata\.(?P<map>annotations|labels)\['(?P<key>[^']+)'\]")
_LOOPBACK = "127.0.0.1"


def resolve_field(pod: Json, path: str) -> str:
    """Return the text of a pod's field; empty where the pod has none.

    Raises
    ------
    ConfigurationError
        When the kubelet knows no such field.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    if found := _SUBSCRIPT.fullmatch(path):
        return str(metadata.get(found["map"], {}).get(found["key"], ""))
    known = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata["uid"],
        "metadata.labels": _lines(metadata.get("labels", {})),
        "metadata.annotations": _lines(metadata.get("annotations", {})),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": _LOOPBACK,
        "status.hostIPs": _LOOPBACK,
        "status.podIP": _LOOPBACK,
        "status.podIPs": _LOOPBACK,
    }
    if path not in known:
        message = f"unsupported fieldPath: {path}"
        raise ConfigurationError(message)
    return str(known[path])


def _lines(entries: dict[str, str]) -> str:
    # Go's %q, which for printable text is JSON's and Python's double-quoted form.
    quoted = (
        (key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, value in entries.items()
    )
    return "\n".join(f'{key}="{value}"' for key, value in sorted(quoted))


def resolve_resource(pod: Json, container: Json, selector: Json, allocatable: dict[str, str]) -> str:
    """Return a container's limit or request as a whole number of its divisor, rounded up.

    Parameters
    ----------
    pod
        The pod.
    container
        The container whose resource is meant unless the selector names another one.
    selector
        The `resourceFieldRef`.
    allocatable
        What the node has, which is the limit of a container without one.

    Raises
    ------
    ConfigurationError
        When no such container or resource exists.
    """
    if name := selector.get("containerName"):
        named = [item for item in all_containers(pod) if item["name"] == name]
        if not named:
            message = f"container {name} not found"
            raise ConfigurationError(message)
        container = named[0]
    kind, _, resource = str(selector["resource"]).partition(".")
    if kind not in {"limits", "requests"} or resource not in allocatable:
        message = f"unsupported container resource: {selector['resource']}"
        raise ConfigurationError(message)
    default = allocatable[resource] if kind == "limits" else "0"
    amount = parse_quantity(container.get("resources", {}).get(kind, {}).get(resource, default))
    divisor = parse_quantity(selector.get("divisor") or "1") or Decimal(1)
    return str(math.ceil(amount / divisor))
