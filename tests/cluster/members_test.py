"""Who may give a role, say who asked, and pass over checks: policies on the cluster's own API server."""

from __future__ import annotations

from functools import partial
from http.client import OK
from typing import Any

import orjson
import pytest

from codecourier.core.shared.naming import ANNOTATION_REQUESTED_BY
from codecourier.kinds.api_resources import LEARNINGS, MERGE_JOBS, PROJECTS
from codecourier.kinds.policies import REST_ACCOUNT
from codecourier.kube.api import Json
from codecourier.local.api import ApiAnswer, LoopbackServer
from codecourier.local.processes import wait_until

pytestmark = pytest.mark.cluster

RBAC = "rbac.authorization.k8s.io"
ALICE = {"kind": "User", "name": "alice@example.com", "role": "Admin"}
TEAM = {"kind": "Group", "name": "a team", "role": "Viewer"}
SPEC = {
    "repositories": [{"url": "https://forge.test/a/b", "credentialRef": {"name": "token"}}],
    "members": [ALICE, TEAM],
}
STAMP = {"metadata": {"annotations": {ANNOTATION_REQUESTED_BY: "mallory"}}}


class Namespace:
    """A namespace in which several users act."""

    def __init__(self, api: LoopbackServer, name: str) -> None:
        self._api = api
        self._name = name

    def bind(self, user: str, role: str) -> None:
        """Give a user a ClusterRole."""
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
        subject = {"apiGroup": RBAC, "kind": "User", "name": user}
        metadata = {"name": user.replace(":", "-")}
        body = {"metadata": metadata, "roleRef": reference, "subjects": [subject]}
        self._api.fetch("POST", f"/apis/{RBAC}/v1/namespaces/{self._name}/rolebindings", orjson.dumps(body))

    def let_change_projects(self, user: str) -> None:
        """Give a user the right to change Projects, and no other."""
        rules = [{"apiGroups": ["codecourier.dev"], "resources": ["projects"], "verbs": ["create", "patch", "get"]}]
        role = {"metadata": {"name": user}, "rules": rules}
        folder = f"/apis/{RBAC}/v1/namespaces/{self._name}"
        self._api.fetch("POST", f"{folder}/roles", orjson.dumps(role))
        reference = {"apiGroup": RBAC, "kind": "Role", "name": user}
        subject = {"apiGroup": RBAC, "kind": "User", "name": user}
        body = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
        self._api.fetch("POST", f"{folder}/rolebindings", orjson.dumps(body))

    def create(self, resource: Any, name: str, spec: Json, user: str = "", **metadata: Any) -> ApiAnswer:
        """Create an object as a user; nobody: as the administrator."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        body["metadata"] = {"name": name, **metadata}
        return self._send("POST", resource.path(self._name), body, "application/json", user)

    def patch(self, resource: Any, name: str, body: Json, user: str = "") -> ApiAnswer:
        """Change an object as a user."""
        return self._send("PATCH", resource.path(self._name, name), body, "application/merge-patch+json", user)

    def is_changed(self, user: str) -> bool:
        """Tell whether a user could change the Project."""
        return self.patch(PROJECTS, "default", {"spec": {"suspend": True}}, user).status == OK

    def _send(self, method: str, path: str, body: Json, content_type: str, user: str) -> ApiAnswer:
        headers = {"Content-Type": content_type} | ({"Impersonate-User": user} if user else {})
        return self._api.request(method, path, orjson.dumps(body), headers)


@pytest.fixture
def place(admin_api: LoopbackServer, namespace: str) -> Namespace:
    """Return a namespace with a Project, an admin of it, an editor, and a user who may only change Projects."""
    found = Namespace(admin_api, namespace)
    found.bind("chief", "codecourier-admin")
    found.bind("editor", "codecourier-editor")
    found.bind(REST_ACCOUNT, "codecourier-editor")
    found.let_change_projects("meddler")
    assert found.create(PROJECTS, "default", SPEC).status == 201
    for user in ("chief", "meddler"):
        # Policies and roles are in force a moment after they were applied.
        change = partial(found.is_changed, user)
        assert wait_until(change, timeout_seconds=20)
    assert wait_until(lambda: found.patch(PROJECTS, "default", STAMP).status == 403, timeout_seconds=20)
    return found


def members(*found: Json) -> Json:
    """Return the patch that names these members."""
    return {"spec": {"members": list(found)}}


def test_only_who_may_bind_a_role_gives_or_takes_it(place: Namespace) -> None:
    mallory = {"kind": "User", "name": "meddler", "role": "Admin"}
    for wanted in ((ALICE, TEAM, mallory), (ALICE,), (TEAM,), (ALICE | {"role": "Editor"}, TEAM), ()):
        answer = place.patch(PROJECTS, "default", members(*wanted), "meddler")
        assert answer.status == 403, wanted
        assert "only a user who may bind ClusterRole codecourier-" in answer.json["message"]
    # The order says nothing.
    assert place.patch(PROJECTS, "default", members(TEAM, ALICE), "meddler").status == 200
    for wanted in ((ALICE, TEAM, mallory | {"role": "Viewer"}), (ALICE | {"role": "Editor"},), (), (ALICE,)):
        assert place.patch(PROJECTS, "default", members(*wanted), "chief").status == 200, wanted


def test_a_new_project_names_no_members_of_a_user_who_may_not_bind(place: Namespace, admin_api: LoopbackServer) -> None:
    assert place.create(PROJECTS, "default", SPEC, "meddler").status == 403
    path = PROJECTS.path(place._name, "default")
    admin_api.fetch("DELETE", path)
    refused = place.create(PROJECTS, "default", SPEC, "meddler")
    assert (refused.status, "can give or take" in refused.json["message"]) == (403, True)
    assert place.create(PROJECTS, "default", SPEC | {"members": []}, "meddler").status == 201


@pytest.mark.parametrize("name", ["system:masters", "system:authenticated"])
def test_no_member_is_one_of_kubernetes_own(place: Namespace, name: str) -> None:
    answer = place.patch(PROJECTS, "default", members({"kind": "Group", "name": name, "role": "Viewer"}), "chief")
    assert (answer.status, "must not begin with 'system:'" in answer.json["message"]) == (422, True)


def test_a_hundred_members_may_be_changed_at_once(place: Namespace) -> None:
    def team(role: str) -> Json:
        return members(*({"kind": "User", "name": f"{n}-{'x' * 240}", "role": role} for n in range(100)))

    assert place.patch(PROJECTS, "default", team("Viewer"), "chief").status == 200
    assert place.patch(PROJECTS, "default", team("Editor"), "chief").status == 200


def test_only_the_rest_api_says_who_asked(place: Namespace) -> None:
    lesson = {"text": "Look twice.", "workflowRef": {"name": "work"}}
    stamps = {ANNOTATION_REQUESTED_BY: "codecourier:shop:ci"}
    for user in ("editor", "chief", ""):
        refused = place.create(LEARNINGS, "lesson", lesson, user, annotations=stamps)
        assert refused.status == 403
        assert "can only be set by CodeCourier's API server" in refused.json["message"]
    assert place.create(LEARNINGS, "lesson", lesson, REST_ACCOUNT, annotations=stamps).status == 201
    for user in ("editor", ""):
        assert place.patch(LEARNINGS, "lesson", STAMP, user).status == 403
    assert place.patch(LEARNINGS, "lesson", {"spec": {"accepted": True}}, "editor").status == 200
    # An earlier manifest, without the annotation, always applies.
    removal = {"metadata": {"annotations": {ANNOTATION_REQUESTED_BY: None}}}
    assert place.patch(LEARNINGS, "lesson", removal, "editor").status == 200
    assert place.patch(LEARNINGS, "lesson", STAMP, "editor").status == 403


def test_only_who_may_bypass_ci_lets_a_merge_pass_over_checks(place: Namespace) -> None:
    one = {"mode": "Single", "pullRequests": ["https://forge.test/a/b/pull/1"]}
    refused = place.create(MERGE_JOBS, "by-editor", {**one, "skipCiCheck": True}, "editor")
    assert refused.status == 403
    assert "only a user with the verb bypass-ci for mergejobs" in refused.json["message"]
    assert place.create(MERGE_JOBS, "by-editor", one, "editor").status == 201
    assert place.create(MERGE_JOBS, "by-chief", {**one, "skipCiCheck": True}, "chief").status == 201
    # It has asked for the verb in the name of the user whose request it was.
    assert place.create(MERGE_JOBS, "by-rest", {**one, "skipCiCheck": True}, REST_ACCOUNT).status == 201
    # What another user let pass may be cancelled by every editor.
    assert place.patch(MERGE_JOBS, "by-chief", {"spec": {"cancelled": True}}, "editor").status == 200
    assert place.patch(MERGE_JOBS, "by-editor", {"spec": {"skipCiCheck": True}}, "chief").status == 422
