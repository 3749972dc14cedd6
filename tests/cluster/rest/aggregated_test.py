"""The door through kube-apiserver on a real control plane: kubectl, who may, and a cluster that stays healthy."""

from __future__ import annotations

import subprocess
from typing import Any

import orjson
import pytest

from codecourier.core.shared.naming import LABEL_REPOSITORY_CREDENTIAL
from codecourier.kube.api import NAMESPACES, SECRETS
from codecourier.local.api import LoopbackServer
from codecourier.local.cluster import LocalCluster
from codecourier.local.errors import LocalError
from codecourier.local.processes import wait_until
from codecourier.local.rest_api import API_SERVICE, is_rest_api_registered, register_rest_api, unregister_rest_api
from codecourier.local.state import StateStore
from tests.support.forge import ForgeProcess, ForgeRepository, new_repository
from tests.support.rest import OTHER, PROJECT, Rest, ask_through, known

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

GROUP = "/apis/ops.codecourier.dev/v1"
FOLDER = f"{GROUP}/namespaces/{PROJECT}/api/v1"
PASSING = "rest-passing"
RBAC = "rbac.authorization.k8s.io"
TASK = {
    "title": "Look around",
    "prompt": "Look.",
    "frequency": "daily",
    "targetWorkflowId": "wf_build",
    "timezone": "UTC",
    "scheduledHour": 8,
    "scheduledMinute": 5,
}


@pytest.fixture(scope="module", autouse=True)
def users(door: Rest, rest: Rest) -> None:
    """Give two users a role in the first project, by their own names and as owners of keys."""
    for role in ("viewer", "editor"):
        bind(door, role, f"codecourier:{PROJECT}:agg-{role}", f"agg-{role}")


def bind(rest: Rest, role: str, *users: str) -> None:
    """Give users a role in the first project."""
    subjects = [{"kind": "User", "apiGroup": RBAC, "name": user} for user in users]
    reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": f"codecourier-{role}"}
    binding = {"metadata": {"name": f"agg-{role}"}, "roleRef": reference, "subjects": subjects}
    rest.admin.fetch("POST", f"/apis/{RBAC}/v1/namespaces/{PROJECT}/rolebindings", orjson.dumps(binding))


def kubectl(rest: Rest, *words: str) -> str:
    """Return what kubectl prints."""
    command = ["kubectl", "--kubeconfig", str(rest.cluster.kubeconfig_path), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_kubectl_reaches_the_operations(door: Rest) -> None:
    key = known(door, door.bare_key(PROJECT, "agg-viewer").key)
    shown = kubectl(door, "get", "--raw", f"{FOLDER}/sprint-chains", "--as", "agg-viewer")
    assert orjson.loads(shown) == door.ask("GET", "/sprint-chains", key).body
    assert "ops.codecourier.dev/v1" in kubectl(door, "api-versions")
    kubectl(door, "api-resources")


def test_the_same_rights_at_both_doors(door: Rest) -> None:
    task = ask_through(door, "agg-editor", "POST", f"{FOLDER}/recurring-tasks", TASK)[1]["data"]["id"]
    one = f"/recurring-tasks/{task}"
    rows: list[tuple[str, str, Any]] = [
        ("GET", "/recurring-tasks", None),
        ("GET", one, None),
        ("POST", "/recurring-tasks", TASK),
        ("PUT", f"{one}/toggle", {"isActive": False}),
        ("GET", "/recurring-tasks/rt_none", None),
        ("GET", "/recurring-tasks/sc_none", None),
        ("GET", "/recurring-tasks/rt_a%2Fb", None),
        ("GET", "/recurring-tasks/rt_%00", None),
        ("GET", "/recurring-tasks?limit=0", None),
        ("POST", "/recurring-tasks?dryRun=All", TASK),
        ("DELETE", one, {"kind": "DeleteOptions", "apiVersion": "v1", "dryRun": ["All"]}),
        ("DELETE", one, None),
    ]
    keys = {user: door.bare_key(PROJECT, user).key for user in ("agg-viewer", "agg-editor", "agg-nobody")}
    for user, key in keys.items():
        known(door, key, 403 if user == "agg-nobody" else 200)
        through = [ask_through(door, user, method, FOLDER + path, body)[0] for method, path, body in rows]
        if user == "agg-nobody":
            assert set(through) == {403}, "kube-apiserver's own authorizer asks before us"
            continue
        if user == "agg-editor":
            task = ask_through(door, user, "POST", f"{FOLDER}/recurring-tasks", TASK)[1]["data"]["id"]
            rows = [(method, path.replace(one, f"/recurring-tasks/{task}"), body) for method, path, body in rows]
        direct = [door.ask(method, path, key, body).status for method, path, body in rows]
        assert through == direct, user
        if user == "agg-editor":
            assert direct == [200, 200, 201, 200, 404, 400, 404, 404, 400, 400, 400, 200]
    # No role has what kube-apiserver's authorizer sees in such a path, so only an administrator gets so far.
    assert ask_through(door, "", "GET", f"{FOLDER}//recurring-tasks")[0] == 404
    assert ask_through(door, "agg-editor", "GET", f"{GROUP}/namespaces/{OTHER}/api/v1/recurring-tasks")[0] == 403


def test_a_refusal_is_kubernetes_own(door: Rest) -> None:
    status, body = ask_through(door, "agg-editor", "GET", f"{FOLDER}/recurring-tasks/rt_none")
    assert (status, body["kind"], body["reason"], body["code"]) == (404, "Status", "NotFound", 404)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        kubectl(door, "get", "--raw", f"{FOLDER}/recurring-tasks?limit=0")
    assert "limit: Input should be greater than or equal to 1." in str(refused.value.stderr)


def test_only_kube_apiserver_names_users(door: Rest) -> None:
    forged = {"X-Remote-User": "agg-editor", "X-Remote-Group": "system:masters"}
    answer = LoopbackServer(door.port, door.cluster.layout.certificate("rest-api-ca")).request(
        "GET", f"{FOLDER}/recurring-tasks", None, forged
    )
    assert (answer.status, answer.json["reason"]) == (401, "Unauthorized")
    # kube-apiserver takes them off.
    status, _ = ask_through(door, "agg-nobody", "GET", f"{FOLDER}/recurring-tasks")
    assert status == 403


def test_a_token_of_the_cluster_is_its_account(door: Rest) -> None:
    folder = f"/api/v1/namespaces/{PROJECT}/serviceaccounts"
    door.admin.fetch("POST", folder, orjson.dumps({"metadata": {"name": "agg-robot"}}))

    def token(*audiences: str) -> str:
        request = {"spec": {"expirationSeconds": 600, "audiences": list(audiences)}}
        found = door.admin.fetch("POST", f"{folder}/agg-robot/token", orjson.dumps(request))
        return str(found["status"]["token"])

    ours, others = token("codecourier"), token("https://kubernetes.default.svc.cluster.local")
    refused = door.ask("GET", "/recurring-tasks", ours, X_CodeCourier_Project=PROJECT)
    assert (refused.status, f"system:serviceaccount:{PROJECT}:agg-robot" in refused.body["error"]["message"]) == (
        403,
        True,
    )
    assert door.ask("GET", "/recurring-tasks", ours).fields.keys() == {"X-CodeCourier-Project"}
    assert door.ask("GET", "/recurring-tasks", others, X_CodeCourier_Project=PROJECT).status == 401
    assert ours not in door.log.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(door: Rest, forge: ForgeProcess, tmp_path_factory: pytest.TempPathFactory) -> ForgeRepository:
    """Make a project, to be deleted by a test, whose repository on the local forge has two branches."""
    repository = new_repository(forge, tmp_path_factory.mktemp("clones"))
    repository.branch("feature/dark-mode")
    door.project(PASSING, f"{forge.address.base_url}/{repository.full_name}")
    metadata = {"name": "forge", "labels": {LABEL_REPOSITORY_CREDENTIAL: "true"}}
    token = repository.token({"contents": "write", "pull_requests": "read"})
    secret = {"metadata": metadata, "stringData": {"token": token}}
    door.admin.fetch("POST", SECRETS.path(PASSING), orjson.dumps(secret))
    return repository


def test_kubectl_shows_the_branches_of_the_host(door: Rest, place: ForgeRepository) -> None:
    words = ("get", "branches.ops.codecourier.dev", "-n", PASSING)
    head, *rows = [line.split() for line in kubectl(door, *words).splitlines()]
    assert head == ["NAME", "BRANCH", "DEFAULT", "PROTECTED", "RUN"]
    assert [row[:3] for row in rows] == [["feature:dark-mode", "feature/dark-mode", "false"], ["main", "main", "true"]]
    one = orjson.loads(kubectl(door, *words, "feature:dark-mode", "-o", "json"))
    assert (one["kind"], one["status"]["sha"]) == ("Branch", place.tip("refs/heads/feature/dark-mode"))
    # The host of the other projects is none that this server may ask.
    status, refused = ask_through(door, "agg-viewer", "GET", f"{GROUP}/namespaces/{PROJECT}/branches")
    assert (status, refused["kind"], refused["reason"]) == (409, "Status", "Conflict")
    assert ask_through(door, "agg-nobody", "GET", f"{GROUP}/namespaces/{PROJECT}/branches")[0] == 403


def test_the_cluster_stays_healthy(door: Rest, cluster: LocalCluster, place: ForgeRepository) -> None:
    name = PASSING
    url = f"{place.forge.address.base_url}/{place.full_name}"
    chain = {"workflowId": "wf_build", "sprintRange": [1, 1], "prompt": "Go on.", "githubRepoUrl": url}
    assert ask_through(door, "", "POST", f"{GROUP}/namespaces/{name}/api/v1/sprint-chains", chain)[0] == 201
    tip = place.tip("refs/heads/feature/dark-mode")
    assert tip is not None
    before = door.log.read_text(encoding="utf-8")
    door.admin.fetch("DELETE", NAMESPACES.path(name=name))

    def is_gone() -> bool:
        return door.admin.request("GET", NAMESPACES.path(name=name)).status == 404

    assert wait_until(is_gone, timeout_seconds=60), ask_through(door, "", "GET", NAMESPACES.path(name=name))
    logged = door.log.read_text(encoding="utf-8").removeprefix(before)
    assert "DELETE" not in logged, "deleting a namespace deletes nothing through this server"
    assert place.tip("refs/heads/feature/dark-mode") == tip, "deleting a namespace deletes no branch"
    state = StateStore(cluster.layout).read()
    assert state is not None
    manager = LoopbackServer(state.ports["kube-controller-manager"], cluster.layout.certificate("ca"))
    assert manager.is_answering("/healthz")
    assert "panic" not in cluster.layout.log("kube-controller-manager").read_text(encoding="utf-8")
    assert is_rest_api_registered(door.admin)
    for document in ("/openapi/v2", f"/openapi/v3{GROUP}"):
        assert door.admin.request("GET", document).status == 200


def test_the_registration_can_be_taken_back(door: Rest, cluster: LocalCluster) -> None:
    unregister_rest_api(door.admin)
    with pytest.raises(LocalError, match=API_SERVICE):
        is_rest_api_registered(door.admin)
    register_rest_api(door.admin, cluster.layout, door.port)
    assert wait_until(lambda: is_rest_api_registered(door.admin), timeout_seconds=60)
