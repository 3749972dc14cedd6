"""Members of a simulated Project: who they are, what people do with them, and what has to be true at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from codecourier.kinds.api_resources import PROJECTS
from codecourier.kube.api import ROLE_BINDINGS, Json, Resource
from tests.simulation.store import ObjectStore

__all__ = ["FOREIGN", "member_deeds", "members_of", "wrong_members"]

_MEMBERS: tuple[Json, ...] = (
    {"kind": "User", "name": "alice@example.com", "role": "Editor"},
    {"kind": "Group", "name": "a team", "role": "Viewer"},
    {"kind": "ServiceAccount", "name": "bob", "role": "Admin"},
)

FOREIGN: Json = {
    "metadata": {"name": "of-a-user", "labels": {"codecourier.dev/managed": "true"}},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "codecourier-admin"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}],
}
"""A RoleBinding of a user, who has copied our label."""


class _Edit(Protocol):
    """Changes some object of a kind that fits."""

    def __call__(
        self, resource: Resource, change: Callable[[Json], Any], fits: Callable[[Json], bool] = ..., /
    ) -> object: ...


def members_of(count: int) -> list[Json]:
    """Return so many members, at most three."""
    return [dict(member) for member in _MEMBERS[:count]]


def member_deeds(edit: _Edit, delete: Callable[[Resource], object]) -> Mapping[str, Callable[[], object]]:
    """Return what people do with members and their RoleBindings, by name."""

    def promote(obj: Json) -> None:
        obj["spec"]["members"][0]["role"] = "Admin"

    def has_members(obj: Json) -> bool:
        return bool(obj["spec"].get("members"))

    def alter(obj: Json) -> None:
        obj["subjects"] = [{**obj["subjects"][0], "name": "mallory"}]

    return {
        "change role": lambda: edit(PROJECTS, promote, has_members),
        "take member out": lambda: edit(PROJECTS, lambda obj: obj["spec"]["members"].pop(), has_members),
        "delete binding": lambda: delete(ROLE_BINDINGS),
        "alter binding": lambda: edit(ROLE_BINDINGS, alter),
    }


def wrong_members(store: ObjectStore, told: Mapping[str, Sequence[tuple[str, str]]], namespace: str) -> Iterator[str]:
    """Yield what RoleBindings do not say of the members, and of whom people were told otherwise than once."""
    for stored in store.list(PROJECTS, namespace):
        members = stored.obj["spec"].get("members") or ()
        wanted = sorted((m["kind"], m["name"], f"codecourier-{m['role'].lower()}") for m in members)
        found = sorted(
            (subject["kind"], subject["name"], binding.obj["roleRef"]["name"])
            for binding in store.list(ROLE_BINDINGS, namespace)
            if binding.metadata["name"].startswith("codecourier-member-")
            for subject in binding.obj["subjects"]
        )
        if found != wanted:
            yield f"RoleBindings give roles to {found} instead of {wanted}"
        news = [name for type_, name in told[stored.metadata["uid"]] if type_ == "MemberJoined"]
        if len(news) < len(members) or len(set(news)) != len(news):
            yield f"of {len(members)} members people were told {sorted(news)}"
