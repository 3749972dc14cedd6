"""How the simulated API server refuses: the same reasons, causes and fields as the real one's."""

from __future__ import annotations

from collections.abc import Sequence

from codecourier.kube import api
from codecourier.kube.api import Json, Resource
from codecourier.kube.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound, ServerError
from tests.simulation.schema import Definition

__all__ = [
    "already_exists",
    "check_deletion",
    "check_immutable",
    "check_version",
    "conflict",
    "denied_by_policy",
    "exceeded_quota",
    "forbidden_to_operator",
    "invalid",
    "namespace_terminating",
    "not_found",
    "not_served",
    "patch_failed",
    "webhook_failed",
]

_POD_SPEC_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName")


def check_version(definition: Definition, metadata: Json, old: Json) -> None:
    """Refuse a write that was planned from another version or object."""
    resource, name = definition.resource, metadata["name"]
    if metadata.get("uid") not in (None, "", old["metadata"]["uid"]):
        message = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: "
        raise conflict(resource, name, message + old["metadata"]["uid"])
    version = metadata.get("resourceVersion")
    if not version and definition.needs_version:
        raise invalid(resource, name, ["metadata.resourceVersion: Invalid value: 0: must be specified for an update"])
    if version and version != old["metadata"]["resourceVersion"]:
        message = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(resource, name, message)


def check_deletion(resource: Resource, metadata: Json, old: Json) -> None:
    """Refuse a write that makes up a deletion."""
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds"):
        value = metadata.get(name)
        if value is not None and value != old["metadata"].get(name):
            raise invalid(resource, metadata["name"], [f"metadata.{name}: Invalid value: {value}: field is immutable"])


def check_immutable(resource: Resource, old: Json, new: Json) -> None:
    """Refuse a change of what a pod or a revision keeps for life."""
    if resource == api.CONTROLLER_REVISIONS and old.get("data") != new.get("data"):
        raise invalid(resource, new["metadata"]["name"], ["data: Invalid value: field is immutable"])
    if resource == api.PODS:
        before, after = ({k: v for k, v in obj["spec"].items() if k not in _POD_SPEC_MUTABLE} for obj in (old, new))
        if before != after:
            message = "spec: Forbidden: pod updates may not change fields other than a few"
            raise invalid(resource, new["metadata"]["name"], [message])


def not_found(resource: Resource, name: str) -> NotFound:
    """Return that there is no such object."""
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return NotFound(404, "NotFound", f'{_plural(resource)} "{name}" not found', details)


def not_served() -> NotFound:
    """Return that there is no such kind."""
    return NotFound(404, "NotFound", "the server could not find the requested resource")


def conflict(resource: Resource, name: str, message: str) -> Conflict:
    """Return that another client wrote first or that a precondition does not hold."""
    return Conflict(409, "Conflict", f'Operation cannot be fulfilled on {_plural(resource)} "{name}": {message}')


def invalid(resource: Resource, name: str, errors: Sequence[str]) -> Invalid:
    """Return that fields are wrong; each error begins with the path of its field."""
    causes = [{"reason": "FieldValueInvalid", "message": error, "field": error.split(":")[0]} for error in errors]
    sentence = errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]"
    message = f'{resource.kind}.{resource.group} "{name}" is invalid: {sentence}'
    return Invalid(422, "Invalid", message, {"name": name, "group": resource.group, "causes": causes})


def _plural(resource: Resource) -> str:
    """Return how messages call a kind."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def already_exists(resource: Resource, name: str) -> AlreadyExists:
    """Return that a name is taken."""
    return AlreadyExists(409, "AlreadyExists", f'{_plural(resource)} "{name}" already exists')


def namespace_terminating(resource: Resource, name: str, namespace: str) -> Forbidden:
    """Return that a namespace is going away."""
    message = f"unable to create new content in namespace {namespace} because it is being terminated"
    details = {"causes": [{"reason": "NamespaceTerminating"}]}
    return Forbidden(403, "Forbidden", f'{_plural(resource)} "{name}" is forbidden: {message}', details)


def exceeded_quota(resource: Resource, name: str) -> Forbidden:
    """Return that a ResourceQuota of the namespace is used up."""
    counted = f"count/{_plural(resource)}"
    used = f"requested: {counted}=1, used: {counted}=3, limited: {counted}=3"
    return Forbidden(403, "Forbidden", f'{_plural(resource)} "{name}" is forbidden: exceeded quota: few, {used}')


def forbidden_to_operator(resource: Resource, namespace: str) -> Forbidden:
    """Return that the operator's account lacks a permission."""
    what = f'cannot create resource "{resource.plural}" in API group "{resource.group}" in the namespace "{namespace}"'
    user = 'User "system:serviceaccount:codecourier-system:operator"'
    return Forbidden(403, "Forbidden", f"{_plural(resource)} is forbidden: {user} {what}")


def webhook_failed() -> ServerError:
    """Return that an admission webhook with `failurePolicy: Fail` does not answer."""
    url = "https://hook.tools.svc:443/validate?timeout=10s"
    failed = f'failed calling webhook "hook.example.com": failed to call webhook: Post "{url}"'
    return ServerError(500, "InternalError", f"Internal error occurred: {failed}: context deadline exceeded")


def patch_failed() -> ServerError:
    """Return that the patch of a mutating webhook does not fit the object."""
    failed = 'add operation does not apply: doc is missing path: "/spec/nodeSelector/pool": missing value'
    return ServerError(500, "InternalError", f"Internal error occurred: {failed}")


def denied_by_policy(resource: Resource, name: str) -> Invalid:
    """Return that a ValidatingAdmissionPolicy refuses an object."""
    denied = "ValidatingAdmissionPolicy 'strict' with binding 'strict' denied request: not here"
    return Invalid(422, "Invalid", f'{_plural(resource)} "{name}" is forbidden: {denied}')
