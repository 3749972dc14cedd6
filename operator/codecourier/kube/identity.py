"""What is read of objects whose content a client must not see.

Labels and annotations are dropped, too: `kubectl apply` keeps a copy of the whole object in an annotation, of a Secret
with its values.
"""

from __future__ import annotations

from codecourier.kube.api import Json, Resource

__all__ = ["identity_of"]

_KEPT = ("name", "namespace", "uid", "resourceVersion")


def identity_of(resource: Resource, obj: Json) -> Json:
    """Return a new object with nothing but kind, name, namespace, UID and version of another; they may be absent."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in _KEPT if key in metadata}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": kept}
