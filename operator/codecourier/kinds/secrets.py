"""How kinds read and are woken by Secrets that users make: which version is there, never what is in it.

A Secret wakes what names it only while it carries its label; others are never read.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codecourier.cache.source import Source
from codecourier.cache.store import Store
from codecourier.core.shared.secrets import WatchedSecrets
from codecourier.kinds.relation import Edge, Index, Relation, View
from codecourier.kinds.relations import through
from codecourier.kinds.shared import PROJECT
from codecourier.kinds.sources import AGENT_SECRET_SOURCE, CREDENTIAL_SOURCE, PROJECT_SOURCE
from codecourier.kube.api import Json, Resource
from codecourier.kube.cache import Cache, Key
from codecourier.resources.meta import CustomResource

__all__ = ["AGENT_SECRETS", "CREDENTIALS", "PROJECT_CREDENTIALS", "of_another"]


@dataclass(frozen=True)
class _Versions(Mapping[str, str]):
    """The versions of a namespace's Secrets, by name, read where they are needed."""

    cache: Cache
    namespace: str

    def __getitem__(self, name: str) -> str:
        found = self.cache.get(self.namespace, name)
        if found is not None:
            return str(found["metadata"]["resourceVersion"])
        left = self.cache.left_version(self.namespace, name)
        if left is None:
            raise KeyError(name)
        return f"after {left}"

    def __iter__(self) -> Iterator[str]:
        return iter(self.cache.names(self.namespace))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.cache.names(self.namespace))


def _watched(source: Source[Json], names: Callable[[Json], Iterable[str]]) -> Relation[Any, WatchedSecrets]:
    """Read the versions of Secrets with a label; wakes the objects that name one which comes, changes or goes.

    Parameters
    ----------
    source
        The Secrets with the label.
    names
        Returns the names of Secrets in a reader.
    """
    index = f"names {source.resource.title}"

    def read(view: View, obj: CustomResource) -> WatchedSecrets:
        cache = view.store.cache(source.resource)
        return WatchedSecrets(_Versions(cache, obj.namespace), cache.is_followed)

    def readers(store: Store, reader: Resource, old: Json | None, new: Json | None) -> Iterator[Key]:
        metadata = (new or old or {})["metadata"]
        yield from store.cache(reader).keys_by_index(index, (metadata["namespace"], metadata["name"]))

    def index_of(obj: Json) -> list[Hashable]:
        namespace = obj["metadata"].get("namespace") or ""
        return [(namespace, name) for name in dict.fromkeys(names(obj))]

    return Relation(read, lambda _origins: (Edge(source, readers, indexes=(Index(index, index_of),)),))


def _credential_names(project: Json) -> Iterator[str]:
    for repository in (project.get("spec") or {}).get("repositories") or ():
        name = (repository.get("credentialRef") or {}).get("name")
        if name:
            yield name


def _agent_secret_names(workflow: Json) -> Iterator[str]:
    for variable in (workflow.get("spec") or {}).get("secretEnv") or ():
        name = (variable.get("secretKeyRef") or {}).get("name")
        if name:
            yield name


CREDENTIALS = _watched(CREDENTIAL_SOURCE, _credential_names)
"""The Secrets that are meant for repositories; wakes the Project that names one."""

AGENT_SECRETS = _watched(AGENT_SECRET_SOURCE, _agent_secret_names)
"""The Secrets that agents may read; wakes the Workflows that name one."""


def of_another(
    first: Relation[Any, Any], middle: Source[Any], secrets: Relation[Any, WatchedSecrets]
) -> Relation[Any, WatchedSecrets]:
    """Read the Secrets that another object names, and be woken by them.

    Parameters
    ----------
    first
        How that object is read.
    middle
        Its kind.
    secrets
        How it reads them.
    """
    # The versions are those of the namespace, so they are known even beside an object that cannot be read.
    return Relation(secrets.read, through(first, middle, secrets).edges)


PROJECT_CREDENTIALS = of_another(PROJECT, PROJECT_SOURCE, CREDENTIALS)
"""The Secrets that are meant for repositories; wakes what works in the namespace of a Project that names one."""
