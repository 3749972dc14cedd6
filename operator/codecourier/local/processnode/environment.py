"""The environment, command and arguments of a container, from the pod and the objects that it names. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from codecourier.local.processnode.errors import ConfigurationError
from codecourier.local.processnode.fields import resolve_field, resolve_resource
from codecourier.local.processnode.objects import Json

__all__ = ["References", "build_command", "build_environment", "decode_data", "expand", "references_of"]

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclass(frozen=True)
class References:
    """The objects in the pod's namespace by kind (`secrets`, `configmaps`) and name; None where there is none."""

    objects: Mapping[tuple[str, str], Json | None]

    def get(self, kind: str, name: str) -> Json | None:
        """Return the object, or None where it does not exist."""
        return self.objects.get((kind, name))


def references_of(container: Json) -> set[tuple[str, str]]:
    """Return kind and name of each object that the container's environment is made from."""
    found = set()
    for item in container.get("env", []):
        source = item.get("valueFrom", {})
        for field, kind in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if field in source:
                found.add((kind, str(source[field].get("name", ""))))
    for item in container.get("envFrom", []):
        for field, kind in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if field in item:
                found.add((kind, str(item[field].get("name", ""))))
    return found


def build_environment(
    pod: Json, container: Json, references: References, allocatable: dict[str, str]
) -> dict[str, str]:
    """Return the variables that the pod asks for, in its order, expanded.

    Raises
    ------
    ConfigurationError
        When something that is not optional is missing.
    """
    result: dict[str, str] = {}
    for source in container.get("envFrom", []):
        result.update(_whole_object(source, references))
    for item in container.get("env", []):
        value = _value(pod, container, item, references, allocatable)
        if value is not None:
            result[str(item["name"])] = expand(value, result) if "value" in item else value
    return result


def build_command(container: Json, environment: Mapping[str, str]) -> list[str]:
    """Return the expanded command with its arguments.

    Raises
    ------
    ConfigurationError
        When there is no command: an image here is only a name and brings none.
    """
    command = [expand(word, environment) for word in container.get("command", [])]
    if not command:
        message = "no command specified: an image has no entry point on the process node, so the pod must name one"
        raise ConfigurationError(message, "CreateContainerError")
    return command + [expand(word, environment) for word in container.get("args", [])]


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value and `$$` by `$`; an unknown name stays as it is."""

    def replacement(found: re.Match[str]) -> str:
        if found["name"] is None:
            return "$"
        return environment.get(found["name"], found[0])

    return _REFERENCE.sub(replacement, text)


def decode_data(kind: str, item: Json) -> dict[str, bytes]:
    """Return the content of a Secret or ConfigMap by key."""
    if kind == "secrets":
        return {key: base64.b64decode(value) for key, value in (item.get("data") or {}).items()}
    content = {key: str(value).encode() for key, value in (item.get("data") or {}).items()}
    content |= {key: base64.b64decode(value) for key, value in (item.get("binaryData") or {}).items()}
    return content


def _value(pod: Json, container: Json, item: Json, references: References, allocatable: dict[str, str]) -> str | None:
    source = item.get("valueFrom")
    if source is None:
        return str(item.get("value", ""))
    if "fieldRef" in source:
        return resolve_field(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resolve_resource(pod, container, source["resourceFieldRef"], allocatable)
    namespace = pod["metadata"].get("namespace", "")
    if "secretKeyRef" in source:
        return _key("secrets", source["secretKeyRef"], references, namespace)
    if "configMapKeyRef" in source:
        return _key("configmaps", source["configMapKeyRef"], references, namespace)
    message = f"environment variable {item['name']}: the process node does not know {', '.join(source)}"
    raise ConfigurationError(message)


def _key(kind: str, selector: Json, references: References, namespace: str) -> str | None:
    name, key = selector.get("name", ""), selector["key"]
    item = references.get(kind, name)
    if item is not None:
        data = decode_data(kind, item)
        if key in data:
            return data[key].decode(errors="surrogateescape")
    if selector.get("optional"):
        return None
    title = "Secret" if kind == "secrets" else "ConfigMap"
    message = _missing(kind, name) if item is None else f"couldn't find key {key} in {title} {namespace}/{name}"
    raise ConfigurationError(message)


def _whole_object(source: Json, references: References) -> dict[str, str]:
    kind, selector = (
        ("secrets", source["secretRef"]) if "secretRef" in source else ("configmaps", source["configMapRef"])
    )
    item = references.get(kind, selector.get("name", ""))
    if item is None:
        if selector.get("optional"):
            return {}
        raise ConfigurationError(_missing(kind, selector.get("name", "")))
    prefix = source.get("prefix", "")
    pairs = ((prefix + key, value.decode(errors="surrogateescape")) for key, value in decode_data(kind, item).items())
    return {key: value for key, value in sorted(pairs) if _VARIABLE.fullmatch(key)}


def _missing(kind: str, name: str) -> str:
    return f'{kind.removesuffix("s")} "{name}" not found'
