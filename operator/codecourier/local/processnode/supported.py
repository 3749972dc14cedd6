"""Which fields of a pod the process node carries out; a pod with any other is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from codecourier.kube.api import Json
from codecourier.local.processnode.objects import all_containers

__all__ = ["REFUSED", "why_refused"]

REFUSED = "UnsupportedByProcessNode"
"""The reason in the status of a pod that is refused."""

_ANY = None

_Schema = Mapping[str, Any]
"""For each supported field: `_ANY`, the only supported value, or the fields in it (in each entry of a list)."""

_CONTAINER: _Schema = {
    **dict.fromkeys(("args", "command", "image", "imagePullPolicy", "name", "resources", "workingDir"), _ANY),
    "env": {"name": _ANY, "value": _ANY, "valueFrom": {"secretKeyRef": {"name": _ANY, "key": _ANY}}},
    "securityContext": {
        **dict.fromkeys(("allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsGroup"), _ANY),
        **dict.fromkeys(("runAsNonRoot", "runAsUser"), _ANY),
        "capabilities": {"drop": _ANY},
    },
    "terminationMessagePath": _ANY,
    "terminationMessagePolicy": "File",
    "volumeMounts": {"mountPath": _ANY, "name": _ANY, "readOnly": _ANY},
}

_VOLUME: _Schema = {
    "name": _ANY,
    "downwardAPI": {
        "defaultMode": _ANY,
        "items": {"path": _ANY, "mode": _ANY, "fieldRef": {"apiVersion": _ANY, "fieldPath": _ANY}},
    },
    "emptyDir": {"sizeLimit": _ANY},
    "secret": {"defaultMode": _ANY, "items": {"key": _ANY, "path": _ANY, "mode": _ANY}, "secretName": _ANY},
}

_SPEC: _Schema = {
    **dict.fromkeys(("activeDeadlineSeconds", "dnsPolicy", "nodeName", "nodeSelector", "preemptionPolicy"), _ANY),
    **dict.fromkeys(("enableServiceLinks", "priority", "runtimeClassName", "schedulerName", "serviceAccount"), _ANY),
    **dict.fromkeys(("serviceAccountName", "terminationGracePeriodSeconds", "tolerations"), _ANY),
    "containers": _CONTAINER,
    "initContainers": _CONTAINER,
    "restartPolicy": "Never",
    "securityContext": {
        **dict.fromkeys(("fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsNonRoot", "runAsUser"), _ANY),
        **dict.fromkeys(("seccompProfile", "supplementalGroups"), _ANY),
    },
    "volumes": _VOLUME,
}


def why_refused(pod: Json) -> str:
    """Return a sentence that names every unsupported field of the pod; empty if there is none."""
    found = list(_unknown(pod["spec"], _SPEC, "spec"))
    # An image is only a name here and brings no command.
    found += [f"container {item['name']} without a command" for item in all_containers(pod) if not item.get("command")]
    if not found:
        return ""
    return f"The process node does not support {', '.join(found)}. Change the pod, or use a cluster with a kubelet."


def _unknown(value: Json, schema: _Schema, path: str) -> Iterator[str]:
    for name, content in value.items():
        where = f"{path}.{name}"
        if not content and name in schema:
            continue
        if name not in schema:
            # False, 0 and an empty value mean the same as a field that is absent.
            yield from [where] if content else []
        elif isinstance(schema[name], str):
            yield from [] if content == schema[name] else [f"{where}: {content}"]
        elif isinstance(content, list) and schema[name] is not _ANY:
            for number, entry in enumerate(content):
                yield from _unknown(entry, schema[name], f"{where}[{entry.get('name', number)}]")
        elif schema[name] is not _ANY:
            yield from _unknown(content, schema[name], where)
