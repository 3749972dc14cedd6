"""What is read of objects whose content a client must not see.

Labels and annotations are dropped, too: `kubectl apply` keeps a copy of the whole object in an annotation, of a Secret
with its values.
"""

from __future__ import annotations

from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import ServerError

__all__ = ["as_read", "identity_of", "selection_of"]

_KEPT = ("name", "namespace", "uid", "resourceVersion")


def identity_of(resource: Resource, obj: Json) -> Json:
    """Return a new object with nothing but kind, name, namespace, UID and version of another; they may be absent."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in _KEPT if key in metadata}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": kept}


def as_read(resource: Resource, obj: Json) -> Json:
    """Return what a client may see of an object, whatever a server or a proxy on the way has answered.

    Raises
    ------
    ServerError
        If it is no object.
    """
    if not resource.identity_selector:
        return obj
    try:
        return identity_of(resource, obj)
    except (AttributeError, KeyError, TypeError):
        # Without the cause: a traceback must not lead to an object that is not to be read.
        text = f"an object of {resource.plural}: the answer does not have the expected structure"
        raise ServerError(200, "InternalError", text) from None


def selection_of(resource: Resource, label_selector: str | None) -> dict[str, str]:
    """Return the parameter of a request that says which objects are read; `label_selector` is the caller's."""
    selector = label_selector or resource.identity_selector
    return {"labelSelector": selector} if selector else {}
