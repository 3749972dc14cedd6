"""What a container is given, as data: its command, its environment and the files of its volumes. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from codecourier.kube.api import Json

__all__ = [
    "ContentError",
    "File",
    "Secrets",
    "build_command",
    "build_environment",
    "build_files",
    "expand",
    "secrets_of_container",
    "secrets_of_volume",
]

_FIELD = re.compile(r"metadata\.(?P<map>annotations|labels)\['(?P<key>[^']+)'\]")
_DEFAULT_MODE = 0o644

Secrets = Mapping[str, Json | None]
"""Secrets of the pod's namespace by name; None where there is none."""


class ContentError(Exception):
    """Something that a container or volume is made from is missing; the message is the kubelet's."""


@dataclass(frozen=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int


def secrets_of_container(container: Json) -> set[str]:
    """Return the names of the Secrets that the container's environment is made from."""
    references = (item.get("valueFrom", {}).get("secretKeyRef") for item in container.get("env", []))
    return {str(reference["name"]) for reference in references if reference}


def secrets_of_volume(volume: Json) -> set[str]:
    """Return the names of the Secrets that the volume's files come from."""
    return {str(volume["secret"]["secretName"])} if "secret" in volume else set()


def build_environment(container: Json, namespace: str, secrets: Secrets) -> dict[str, str]:
    """Return the variables that the pod asks for, in its order, expanded.

    Raises
    ------
    ContentError
        When a Secret or a key in it is missing.
    """
    result: dict[str, str] = {}
    for item in container.get("env", []):
        if "valueFrom" in item:
            result[item["name"]] = _secret_value(item["valueFrom"]["secretKeyRef"], namespace, secrets)
        else:
            result[item["name"]] = expand(str(item.get("value", "")), result)
    return result


def build_command(container: Json, environment: Mapping[str, str]) -> list[str]:
    """Return the expanded command with its arguments."""
    return [expand(word, environment) for word in (*container["command"], *container.get("args", []))]


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable's value and `$$` by `$`; an unknown name stays as it is."""
    parts: list[str] = []
    position = 0
    while (start := text.find("$", position)) >= 0:
        parts.append(text[position:start])
        position = start + 1
        if text.startswith("$", position):
            position += 1
        elif text.startswith("(", position):
            end = text.find(")", position)
            if end < 0:
                # Nor does a later reference end: the rest is searched once, not once for each beginning.
                return "".join((*parts, text[start:].replace("$$", "$")))
            position = end + 1
            parts.append(environment.get(text[start + 2 : end], text[start:position]))
            continue
        parts.append("$")
    return "".join((*parts, text[position:]))


def build_files(pod: Json, volume: Json, secrets: Secrets) -> dict[str, File]:
    """Return the files of a Secret's or downward API volume by relative path.

    Raises
    ------
    ContentError
        When a Secret, a key in it or a field is missing.
    """
    if "secret" in volume:
        return _secret_files(pod, volume["secret"], secrets)
    source = volume["downwardAPI"]
    mode = source.get("defaultMode", _DEFAULT_MODE)
    return {
        item["path"]: File(_field(pod, item["fieldRef"]["fieldPath"]).encode(), item.get("mode", mode))
        for item in source.get("items", [])
    }


def _secret_files(pod: Json, source: Json, secrets: Secrets) -> dict[str, File]:
    name, mode = source["secretName"], source.get("defaultMode", _DEFAULT_MODE)
    data = _data(name, secrets)
    files = {}
    for item in source.get("items") or [{"key": key, "path": key} for key in data]:
        if item["key"] not in data:
            where = f"{pod['metadata']['namespace']}/{name}"
            raise ContentError(f"references non-existent secret key: {item['key']} in {where}")
        files[item["path"]] = File(base64.b64decode(data[item["key"]]), item.get("mode", mode))
    return files


def _secret_value(reference: Json, namespace: str, secrets: Secrets) -> str:
    name, key = reference["name"], reference["key"]
    data = _data(name, secrets)
    if key not in data:
        raise ContentError(f"couldn't find key {key} in Secret {namespace}/{name}")
    return base64.b64decode(data[key]).decode(errors="surrogateescape")


def _data(name: str, secrets: Secrets) -> Mapping[str, str]:
    secret = secrets.get(name)
    if secret is None:
        raise ContentError(f'secret "{name}" not found')
    return secret.get("data") or {}


def _field(pod: Json, path: str) -> str:
    found = _FIELD.fullmatch(path)
    if found is None:
        raise ContentError(f"the process node knows only annotations and labels by name, not the field {path}")
    return str(pod["metadata"].get(found["map"], {}).get(found["key"], ""))
