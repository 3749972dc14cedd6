"""The files of projecting volumes (Secret, ConfigMap, downward API, projected) as data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codecourier.local.processnode.environment import References, decode_data
from codecourier.local.processnode.errors import VolumeError
from codecourier.local.processnode.fields import resolve_field, resolve_resource
from codecourier.local.processnode.objects import Json, all_containers

__all__ = ["PROJECTING", "File", "build_payload", "sources_of", "volume_references"]

PROJECTING = ("secret", "configMap", "downwardAPI", "projected")
"""The kinds of volume whose files come from objects."""

_DEFAULT_MODE = 0o644


@dataclass(frozen=True)
class File:
    """A file of a volume."""

    content: bytes
    mode: int


def sources_of(volume: Json) -> Iterator[tuple[str, Json, int]]:
    """Yield each source of a volume with its kind and the mode of its files."""
    if "projected" in volume:
        mode = volume["projected"].get("defaultMode", _DEFAULT_MODE)
        for source in volume["projected"].get("sources", []):
            for kind, content in source.items():
                yield kind, content, mode
        return
    for kind in PROJECTING:
        if kind in volume:
            yield kind, volume[kind], volume[kind].get("defaultMode", _DEFAULT_MODE)


def volume_references(volume: Json) -> set[tuple[str, str]]:
    """Return kind and name of each object that the volume's files come from."""
    found = set()
    for kind, source, _mode in sources_of(volume):
        if kind == "secret":
            found.add(("secrets", _object_name(source)))
        elif kind == "configMap":
            found.add(("configmaps", _object_name(source)))
    return found


def build_payload(
    pod: Json, volume: Json, references: References, tokens: dict[str, str], allocatable: dict[str, str]
) -> dict[str, File]:
    """Return the volume's files by relative path.

    Parameters
    ----------
    pod
        The pod.
    volume
        An entry of its `spec.volumes`.
    references
        The objects of `volume_references`.
    tokens
        Service account tokens by path.
    allocatable
        What the node has.

    Raises
    ------
    VolumeError
        When an object or key that is not optional is missing.
    ConfigurationError
        When a field of the downward API does not exist.
    """
    files: dict[str, File] = {}
    for kind, source, mode in sources_of(volume):
        if kind == "downwardAPI":
            files |= _downward(pod, source, mode, allocatable)
        elif kind == "serviceAccountToken":
            files[source["path"]] = File(tokens[source["path"]].encode(), mode)
        elif kind in {"secret", "configMap"}:
            files |= _keys(pod, kind, source, mode, references)
        else:
            message = f'volume "{volume["name"]}": the process node does not know the source {kind}'
            raise VolumeError(message)
    return files


def _object_name(source: Json) -> str:
    return str(source.get("secretName") or source.get("name") or "")


def _keys(pod: Json, kind: str, source: Json, mode: int, references: References) -> dict[str, File]:
    plural = "secrets" if kind == "secret" else "configmaps"
    name = _object_name(source)
    item = references.get(plural, name)
    if item is None:
        if source.get("optional"):
            return {}
        message = f'{plural.removesuffix("s")} "{name}" not found'
        raise VolumeError(message)
    data = decode_data(plural, item)
    if not source.get("items"):
        return {key: File(content, mode) for key, content in data.items()}
    files = {}
    for entry in source["items"]:
        if entry["key"] in data:
            files[entry["path"]] = File(data[entry["key"]], entry.get("mode", mode))
        elif not source.get("optional"):
            namespace = pod["metadata"].get("namespace", "")
            message = f"references non-existent {plural.removesuffix('s')} key: {entry['key']} in {namespace}/{name}"
            raise VolumeError(message)
    return files


def _downward(pod: Json, source: Json, mode: int, allocatable: dict[str, str]) -> dict[str, File]:
    files = {}
    for entry in source.get("items", []):
        if "fieldRef" in entry:
            text = resolve_field(pod, entry["fieldRef"]["fieldPath"])
        else:
            text = resolve_resource(pod, next(all_containers(pod)), entry["resourceFieldRef"], allocatable)
        files[entry["path"]] = File(text.encode(), entry.get("mode", mode))
    return files
